//! Scenarios: the state machine against a scripted server, in virtual time.

mod chaos;
mod conflicts;
mod items;
mod outputs;
mod standin;
mod whole;
mod world;
