//! sluice: a node agent that ships container logs, none lost and none doubled.
//!
//! The rooms stand in flow order; each one's `mod.rs` opens with what it takes, gives, owns and
//! never does. `ARCHITECTURE.md` has the picture.

pub mod agent;
pub mod checkpoint;
pub mod config;
pub mod core;
pub mod declare;
pub mod decode;
pub mod discover;
pub mod encode;
pub mod kernel;
pub mod observe;
pub mod read;
pub mod ship;
#[allow(unsafe_code, reason = "the one room that may; each block argues its safety")]
pub mod sys;
pub mod watch;
pub mod worker;
