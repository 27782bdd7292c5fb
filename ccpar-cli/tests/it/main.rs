//! What a user types, and gets.

mod claim_mistakes;
mod claims;
mod client;
mod demo;
mod doctor;
mod faults;
mod history;
mod hook_answers;
mod hook_sessions;
mod hooks;
mod hostile;
mod installing;
mod locking;
mod merging;
mod namespace_kills;
mod namespace_traps;
mod namespaces;
mod readme;
mod restoring;
mod sessions;
mod soak;
mod status;
mod support;
mod watching;
mod writing;
