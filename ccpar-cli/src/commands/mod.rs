//! One file a verb: its arguments, and its run.

pub(crate) mod blame;
pub(crate) mod claim;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod heartbeat;
pub(crate) mod install;
pub(crate) mod lock;
pub(crate) mod locked_edit;
pub(crate) mod locked_read;
pub(crate) mod locked_write;
pub(crate) mod log;
pub(crate) mod lost;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod namespace;
pub(crate) mod notice;
pub(crate) mod release;
pub(crate) mod report;
pub(crate) mod restore;
pub(crate) mod sessions;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod uninstall;
pub(crate) mod watch;
