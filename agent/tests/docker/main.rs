//! Real containers under a real dockerd.
//!
//! `cargo xtask test --only docker` brings the engine. Each test runs two agents side by side on
//! the same containers, one that asks the engine's socket and one that knows only its directories,
//! each with a stand-in of its own to send to: what holds for one has to hold for the other.
//! Only `churn` has containers that nobody runs as well, as no engine is as fast as a node may be
//! busy.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "the suite of log-pilot's manifest needs more of it")]
mod engine;
mod oracle;
mod pair;
mod station;

mod away;
mod churn;
mod crash;
mod declared;
mod files;
mod kinds;
mod latency;
mod paths;
mod removed;
mod restart;
mod short_lived;
mod view;
