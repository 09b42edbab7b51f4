//! takes: the configuration file, the environment, flags of the command line
//! gives: a checked [`Config`]
//! owns:  the names of keys, their defaults, the reference page
//! never: validates twice: what holds a checked value may rely on it
//!
//! Two steps, each in its own file: [`file`] is the configuration as written (every leaf a text
//! with its place), [`checked`] is what it means. Between them stands the expansion of `${VAR}`,
//! done on values after the YAML is parsed, so that no variable can add keys. [`pilot`] stands
//! between them too: where the agent takes log-pilot's place, log-pilot's variables fill what the
//! file and the flags leave out.

mod checked;
mod elasticsearch;
mod error;
mod file;
mod pilot;
mod reference;
mod surroundings;
mod text;
mod units;
mod values;

use std::path::{Path, PathBuf};

pub use checked::{
    Batching, Codec, Collect, Compression, Config, Declare, Docker, Files, Log, LogFormat,
    LogLevel, Output, ReadFrom, Shape, Stdout, Watch,
};
pub use elasticsearch::{
    Credentials, Elasticsearch, Family, Secret, SecretError, SecretSource, Server, Tls, Verify,
    WhenRefused,
};
pub use error::ConfigError;
pub use pilot::{Entry, PilotError, Profile, Remark, Weight, variables_page};
pub use reference::reference;
pub use surroundings::Surroundings;

/// Where the configuration is looked for when no flag names it.
pub const DEFAULT_PATH: &str = "/etc/sluice/sluice.yaml";

/// What the command line says in place of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`; without it [`DEFAULT_PATH`] is read if it is there.
    pub config: Option<PathBuf>,
    /// `--state-dir`
    pub state_dir: Option<String>,
    /// `--output`
    pub output: Option<OutputKind>,
    /// `--hosts`, which alone means the output `elasticsearch`.
    pub hosts: Vec<String>,
    /// `--node`
    pub node: Option<String>,
}

/// The outputs that a flag can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    Console,
    Elasticsearch,
}

/// Reads and checks the configuration.
///
/// A file that is named has to exist; the one at [`DEFAULT_PATH`] may be missing, and then the
/// defaults hold: every container's stdout to the terminal.
pub fn load(overrides: &Overrides, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let path = overrides.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(fault)
            if fault.kind() == std::io::ErrorKind::NotFound && overrides.config.is_none() =>
        {
            String::new()
        }
        Err(source) => return Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    };
    parse(&text, path, overrides, surroundings)
}

/// Checks a configuration that is already in memory; `path` is for messages.
pub fn parse(
    text: &str,
    path: &Path,
    overrides: &Overrides,
    surroundings: &Surroundings,
) -> Result<Config, ConfigError> {
    let mut written = file::File::parse(text, path)?;
    written.apply(overrides);
    let (profile, remarks) = pilot::apply(&mut written, !text.is_empty(), surroundings)?;
    let config = checked::check(&written, path, surroundings)?;
    Ok(Config { profile, remarks, ..config })
}

#[cfg(test)]
mod tests;
