//! Scenarios: the state machine against a scripted server, in virtual time.

#![allow(
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::match_bool,
    clippy::needless_for_each,
    clippy::unwrap_used,
    reason = "scripts and tables read better so"
)]

mod chaos;
mod conflicts;
mod items;
mod outputs;
mod servers;
mod standin;
mod whole;
mod world;
