//! What can be wrong with a configuration.

use std::io;
use std::path::{Path, PathBuf};

use serde_saphyr::Error as YamlError;

use super::pilot::PilotError;
use super::reference;
use super::text::{ExpandError, Place};

/// Each message names the place, the thing and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is missing or may not be read.
    #[error(
        "cannot read the configuration {}: {source}; name another file with --config", path.display()
    )]
    Unreadable { path: PathBuf, source: io::Error },
    /// Not YAML, or a list where a value is expected and the like.
    #[error("{place}: {message}")]
    Malformed { place: String, message: String },
    /// A key that nobody knows is a setting that would silently not hold.
    #[error("{place}: unknown key `{key}`; {hint}")]
    UnknownKey { place: String, key: String, hint: String },
    /// `${VAR}` that cannot be replaced.
    #[error("{place}: {key}: {source}")]
    Expand { place: Place, key: &'static str, source: ExpandError },
    /// A value that its key does not take.
    #[error("{place}: {key}: `{value}` does not fit; {expected}")]
    Value { place: Place, key: &'static str, value: String, expected: String },
    /// A file that a value names cannot be read.
    #[error("{place}: {key}: cannot read {}: {source}; check the path and its rights", path.display())]
    FileUnreadable { place: Place, key: &'static str, path: PathBuf, source: io::Error },
    /// Keys that do not go together, or one that misses its partner.
    #[error("{}: {message}", path.display())]
    Combination { path: PathBuf, message: String },
    /// Variables of log-pilot.
    #[error(transparent)]
    Pilot(#[from] PilotError),
}

impl ConfigError {
    pub(super) fn of_yaml(fault: &YamlError, path: &Path) -> Self {
        let fault = fault.without_snippet();
        let place = fault.location().map_or_else(
            || path.display().to_string(),
            |at| format!("{}:{}:{}", path.display(), at.line(), at.column()),
        );
        match fault {
            YamlError::SerdeUnknownField { field, expected, .. } => Self::UnknownKey {
                place,
                key: field.clone(),
                hint: reference::hint(field, expected),
            },
            YamlError::DuplicateMappingKey { key: Some(key), .. } => Self::Malformed {
                place,
                message: format!("`{key}` is set a second time; keep one of them"),
            },
            other => Self::Malformed { place, message: plain(&other.to_string()) },
        }
    }
}

/// The parser's words without the place, which stands before them already.
fn plain(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    match message {
        "expected mapping start" => "expected a section: keys with their values".to_owned(),
        "expected string scalar" => "expected a single value".to_owned(),
        other => other.to_owned(),
    }
}
