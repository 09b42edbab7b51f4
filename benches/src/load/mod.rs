//! Writers of logs as container runtimes leave them.
//!
//! takes: texts, or generators of texts
//! gives: files to the byte as Docker writes them, and a [`ledger::Ledger`] of what they hold
//! owns: the files it makes
//! never: needs the network, so that it can run inside any container

pub mod body;
pub mod container;
pub mod corpus;
pub mod cri;
pub mod escape;
pub mod json_file;
pub mod ledger;
pub mod source;
pub mod stamp;
pub mod text;

pub use container::{ContainerDir, ContainerSpec, Mount, RunState};
pub use cri::{CriWriter, Runtime};
pub use json_file::{JsonFileOptions, JsonFileWriter, Stream};
pub use ledger::{Ledger, Written};
pub use source::LineSource;
pub use stamp::{Clock, Stamp};
pub use text::{Kind, Texts};
