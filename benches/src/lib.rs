//! Load, a strict Elasticsearch stand-in with faults, a verifier, and the limit program.
//!
//! | module | what it is |
//! |---|---|
//! | [`standin`] | an Elasticsearch and `OpenSearch` stand-in: strict, versioned, scriptable faults |
//! | [`load`] | writers of Docker's json-file format to the byte, container directories, corpora |
//! | [`verify`] | compares what was written with what arrived |
//! | [`limit`] | the bare loop that sets the mark for throughput |
//! | [`port`] | loopback ports for processes that are told where to listen |
//! | [`line`] | the format of every line that the load writes, so that losses can be seen |
//!
//! The agent's tests and `cargo xtask` use the library in-process; `sluice-bench` is its command.

#![forbid(unsafe_code)]
// The configuration of a container is one long `json!`.
#![recursion_limit = "256"]

pub mod http;
pub mod json;
pub mod limit;
pub mod line;
pub mod load;
pub mod port;
pub mod rng;
pub mod standin;
pub mod verify;
