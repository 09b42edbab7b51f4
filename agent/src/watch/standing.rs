//! On which rung the logs of each mount stand, for those who ask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::rung::RungName;

/// The rung of the log that was last followed below a mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub mount: PathBuf,
    pub rung: RungName,
    /// Why it is no better one; empty on the best.
    pub why: String,
}

/// Mounts come and go with pods; those that are spoken of at once.
const STANDINGS_MAX: usize = 1_024;

#[derive(Clone, Debug, Default)]
pub(super) struct Standings(Arc<Mutex<BTreeMap<PathBuf, (RungName, String)>>>);

impl Standings {
    pub(super) fn is_on(&self, mount: &Path, rung: RungName) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(mount).is_some_and(|(known, _)| *known == rung)
    }

    pub(super) fn is_on_kernel(&self, mount: &Path) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(mount).is_some_and(|(known, _)| known.is_kernel())
    }

    pub(super) fn stands(&self, mount: &Path, rung: RungName, why: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(mount) {
            *known = (rung, why);
        } else if all.len() < STANDINGS_MAX {
            all.insert(mount.to_owned(), (rung, why));
        }
    }

    pub(super) fn all(&self) -> Vec<Standing> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = |(mount, (rung, why)): (&PathBuf, &(RungName, String))| Standing {
            mount: mount.clone(),
            rung: *rung,
            why: why.clone(),
        };
        all.iter().map(standing).collect()
    }
}
