//! The documents, member by member.

use crate::core::Origin;

/// How a document names its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// The Elastic Common Schema's names.
    #[default]
    Ecs,
    /// log-pilot's names: flat, `host` is a string.
    Pilot,
}

/// What stands at the end of every document of one source, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    /// `path` is the log file's, as the documents name it; `target` is the rules'.
    pub fn new(_shape: Shape, _origin: &Origin, _path: &str, _target: &str) -> Self {
        Self { bytes: Vec::new() }
    }
}
