//! Writers of logs as container runtimes leave them.
//!
//! takes: texts, or generators of texts
//! gives: files to the byte as Docker writes them, and a [`ledger::Ledger`] of what they hold
//! owns: the files it makes
//! never: needs the network, so that it can run inside any container

pub mod escape;
pub mod ledger;
