//! What the configuration takes from the machine, handed in so that tests can hold it.

use std::collections::BTreeMap;
use std::path::Path;

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

/// The node's name when none is given.
///
/// Inside a container the kernel's host name is the container's, which would make every document
/// lie about its node; so with a host prefix the host's own `/etc/hostname` is asked first.
pub(super) fn node_name(host_prefix: &Path) -> String {
    let of_host = (host_prefix != Path::new("/"))
        .then(|| std::fs::read_to_string(host_prefix.join("etc/hostname")).ok())
        .flatten()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    of_host.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}
