//! Names of things, as types, so that one cannot be handed over for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a source that holds across restarts, and its key in the store.
///
/// Parts stand between colons, and the path stands last since it may hold anything:
///
/// * `docker:<container id>:stdout`, and `docker:<container id>:stdout:<log name>` for each further
///   name under which a container's output is collected;
/// * `docker:<container id>:file:<path>`: a file that was found without a declaration;
/// * `docker:<container id>:log:<log name>:<path>`: a declared file in the container's own layer;
/// * `work:<workload>@<volume>:log:<log name>:<path>`: a declared file on a volume, which outlives
///   containers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceKey(pub Arc<str>);

/// Whose a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner<'a> {
    /// By its id.
    Container(&'a str),
    /// By [what outlives](crate::discover::Container::workload) its containers, and the volume.
    Workload(&'a str),
}

/// What a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyParts<'a> {
    pub owner: Owner<'a>,
    /// The log's name, escaped, if it was declared.
    pub log: Option<&'a str>,
    /// The path in the container, if it is a file there.
    pub path: Option<&'a str>,
}

impl SourceKey {
    /// The runtime log (stdout and stderr) of one Docker container.
    pub fn docker(container_id: &str) -> Self {
        Self(format!("docker:{container_id}:stdout").into())
    }

    /// The same under a further name.
    pub fn docker_named(container_id: &str, log: &str) -> Self {
        Self(format!("docker:{container_id}:stdout:{}", escaped(log)).into())
    }

    /// A file of one Docker container, by its path inside.
    pub fn docker_file(container_id: &str, path: &str) -> Self {
        Self(format!("docker:{container_id}:file:{path}").into())
    }

    /// A declared file.
    pub fn declared(owner: Owner<'_>, log: &str, path: &str) -> Self {
        Self(format!("{}{path}", Self::family_of(owner, log)).into())
    }

    /// What the keys of all files of one declaration begin with.
    pub fn family_of(owner: Owner<'_>, log: &str) -> String {
        let log = escaped(log);
        match owner {
            Owner::Container(id) => format!("docker:{id}:log:{log}:"),
            Owner::Workload(workload) => format!("work:{}:log:{log}:", escaped(workload)),
        }
    }

    /// What the families of a declaration begin and end with, whatever the volume.
    pub fn families_of_workload(workload: &str, log: &str) -> (String, String) {
        (format!("work:{}@", escaped(workload)), format!(":log:{}:", escaped(log)))
    }

    /// See [`Self::family_of`]; `None` for what is no declared file.
    pub fn family(&self) -> Option<&str> {
        let parts = key_parts(&self.0);
        let path = parts.path.filter(|_| parts.log.is_some())?;
        Some(&self.0[..self.0.len() - path.len()])
    }

    pub fn parts(&self) -> KeyParts<'_> {
        key_parts(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// [`SourceKey::parts`] of a key as text.
pub fn key_parts(key: &str) -> KeyParts<'_> {
    let mut parts = key.splitn(4, ':');
    let (scheme, owner) = (parts.next(), parts.next().unwrap_or_default());
    let owner = match scheme {
        Some("work") => Owner::Workload(owner),
        _ => Owner::Container(owner),
    };
    let (log, path) = match (parts.next(), parts.next()) {
        (Some("stdout"), log) => (log, None),
        (Some("file"), path) => (None, path),
        (Some("log"), Some(rest)) => {
            rest.split_once(':').map_or((None, None), |(log, path)| (Some(log), Some(path)))
        }
        _ => (None, None),
    };
    KeyParts { owner, log, path }
}

/// Without a colon.
fn escaped(part: &str) -> String {
    part.replace('%', "%25").replace(':', "%3A")
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
        let check = |key: &SourceKey, text: &str, owner, log, path, family: Option<&str>| {
            assert_eq!(key.as_str(), text);
            assert_eq!(key.parts(), KeyParts { owner, log, path }, "{text}");
            assert_eq!(key.family(), family, "{text}");
        };
        let c = Owner::Container("c");
        check(&SourceKey::docker("c"), "docker:c:stdout", c, None, None, None);
        let named = SourceKey::docker_named("c", "a:b");
        check(&named, "docker:c:stdout:a%3Ab", c, Some("a%3Ab"), None, None);
        let path = Some("/var/log/a:b.log");
        let file = SourceKey::docker_file("c", "/var/log/a:b.log");
        check(&file, "docker:c:file:/var/log/a:b.log", c, None, path, None);
        let log = SourceKey::declared(c, "x", "/var/log/a:b.log");
        let family = Some("docker:c:log:x:");
        check(&log, "docker:c:log:x:/var/log/a:b.log", c, Some("x"), path, family);
        let workload = Owner::Workload("pod/web@2.1f");
        let log = SourceKey::declared(workload, "x", "/a");
        let family = Some("work:pod/web@2.1f:log:x:");
        check(&log, "work:pod/web@2.1f:log:x:/a", workload, Some("x"), Some("/a"), family);
        let odd = SourceKey("odd".into());
        check(&odd, "odd", Owner::Container(""), None, None, None);
    }
}
