//! What a user types, and gets.

mod claim_mistakes;
mod claims;
mod client;
mod demo;
mod doctor;
#[cfg(unix)]
mod doctor_around;
mod faults;
mod help;
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
mod releasing;
mod restoring;
mod sessions;
mod soak;
mod status;
mod support;
mod watching;
mod writing;
