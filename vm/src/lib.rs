//! What runs inside the virtual machines of `cargo xtask vm`, and what both sides agree on.
//!
//! * [`contract`]: the plan that xtask gives to the machine, the report that comes back, and what a
//!   program under test is told.
//! * [`writers`]: each way in which bytes get into a file.
//! * [`table`]: writers × file systems, with any [`signal::Signal`] as the judge.
//!
//! A test of the kernel's side implements [`signal::Signal`] for its rung and calls
//! [`table::Table::fill`]; the rest is here.

pub mod contract;
pub mod inotify;
pub mod signal;
mod sys;
pub mod table;
pub mod writers;
