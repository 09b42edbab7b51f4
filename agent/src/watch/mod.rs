//! takes: the directories of followed logs
//! gives: "has news", and first sightings of new containers
//! owns:  rungs (inotify here; the kernel's slots fit in beside it), the sweep
//! never: decides correctness: a sweep finds what no signal announced, and counts it

use crate::core::SourceToken;

/// A source has news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    pub source: SourceToken,
    /// A name in the directory came, went or changed: look at the directory, not only at the
    /// open file.
    pub names: bool,
}
