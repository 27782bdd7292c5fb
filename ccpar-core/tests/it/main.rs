//! Public behaviour, on real files and with real processes.

mod commit;
mod crash;
mod ground;
mod history;
mod json_laws;
mod laws;
mod lock;
mod processes;
mod support;
mod tidy;
