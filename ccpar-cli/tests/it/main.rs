//! What a user types, and gets.
