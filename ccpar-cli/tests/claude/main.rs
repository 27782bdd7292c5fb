//! Real clients of Claude Code at work, bare and guarded by ccpar.
//!
//! `CCPAR_CLAUDE` names the client; without it all of this is skipped, aloud. No model
//! and no network: the [stand-in](model) for the Messages API plays scripts on loopback,
//! and the clients run in a network, and among processes, of their own. `CCPAR_ROUNDS`
//! says how often they race.

mod alone;
mod calls;
mod corners;
mod lives;
mod model;
mod races;
mod world;
