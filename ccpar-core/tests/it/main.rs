//! Public behaviour, on real files and with real processes.

mod adopted;
mod claims;
mod commit;
mod crash;
mod differences;
mod edit_laws;
mod glimpses;
mod ground;
mod history;
mod hostile;
mod json_laws;
mod laws;
mod lock;
mod namespace;
mod namespace_laws;
mod namespace_traps;
mod outside;
mod plays;
mod processes;
mod prune;
mod registry;
mod removed;
mod support;
mod survey;
mod tidy;
