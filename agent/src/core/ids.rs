//! Names of things, as types, so that one cannot be handed over for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a source that holds across restarts and is its key in the store:
/// `docker:<container id>:stdout`, or `docker:<container id>:file:<path in the container>`.
///
/// The first part says what kind of owner the second names, and the path stands last since it may
/// hold anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceKey(pub Arc<str>);

impl SourceKey {
    /// The runtime log (stdout and stderr) of one Docker container.
    pub fn docker(container_id: &str) -> Self {
        Self(format!("docker:{container_id}:stdout").into())
    }

    /// A file of one Docker container, by its path inside.
    pub fn docker_file(container_id: &str, path: &str) -> Self {
        Self(format!("docker:{container_id}:file:{path}").into())
    }

    /// The container that it belongs to, and the path inside if it is a file there.
    pub fn parts(&self) -> (&str, Option<&str>) {
        source_parts(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// [`SourceKey::parts`] of a key as text.
pub fn source_parts(key: &str) -> (&str, Option<&str>) {
    let mut parts = key.splitn(4, ':').skip(1);
    let owner = parts.next().unwrap_or_default();
    let is_file = parts.next() == Some("file");
    (owner, parts.next().filter(|_| is_file))
}

impl fmt::Display for SourceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A followed source in this process: never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceToken(pub u32);

/// How often a source was rewound. A receipt of an older epoch speaks of bytes that will be read
/// again and moves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

/// One sealed batch in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// The first sixteen characters (base64url, 96 bits) of every `_id` of one file's generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdPrefix(pub [u8; 16]);

impl IdPrefix {
    pub fn as_str(&self) -> &str {
        // Made from the base64url alphabet only; a damaged store can hold others.
        std::str::from_utf8(&self.0).unwrap_or("????????????????")
    }
}

impl fmt::Debug for IdPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "IdPrefix({})", self.as_str())
    }
}

/// Which of a container's two outputs wrote a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    pub fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_whose_and_what() {
        assert_eq!(SourceKey::docker("c").parts(), ("c", None));
        let file = SourceKey::docker_file("c", "/var/log/a:b.log");
        assert_eq!(file.as_str(), "docker:c:file:/var/log/a:b.log");
        assert_eq!(file.parts(), ("c", Some("/var/log/a:b.log")));
        assert_eq!(SourceKey("odd".into()).parts(), ("", None));
    }
}
