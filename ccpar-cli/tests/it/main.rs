//! What a user types, and gets.

mod demo;
mod doctor;
mod faults;
mod history;
mod locking;
mod merging;
mod namespace_kills;
mod namespaces;
mod readme;
mod soak;
mod support;
mod watching;
mod writing;
