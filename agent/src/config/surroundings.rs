//! What the configuration takes from the machine, handed in so that tests can hold it.

use std::collections::BTreeMap;

/// The process's environment and machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    pub variables: BTreeMap<String, String>,
    /// Cores that this process may use.
    pub cores: usize,
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
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}
