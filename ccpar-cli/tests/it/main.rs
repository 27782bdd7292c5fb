//! What a user types, and gets.

mod demo;
mod faults;
mod locking;
mod merging;
mod readme;
mod support;
mod writing;
