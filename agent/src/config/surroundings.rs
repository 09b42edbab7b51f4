//! What the configuration takes from the machine, handed in so that tests can hold it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::pilot::Entry;

/// The process's environment and machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    pub variables: BTreeMap<String, String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// How the program was called.
    pub entry: Entry,
    /// Where the mounts of log-pilot's manifest are looked for: `/`.
    pub root: PathBuf,
}

impl Surroundings {
    /// Those of this process. Variables that are no UTF-8 are left out: no configuration can
    /// name their value.
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            entry: Entry::of(&std::env::args_os().collect::<Vec<_>>()),
            root: "/".into(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}
