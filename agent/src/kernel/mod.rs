//! takes: the prebuilt programs, the kernel's BTF, inodes to follow
//! gives: which followed inodes were written, edges of cgroups, processes and names
//! owns:  programs and maps in the kernel, slots, the ring
//! never: knows what a container or a log is; is needed for correctness
//!
//! What holds inside:
//!
//! * News is state and not a stream: a write stores the time in its inode's slot, and whoever
//!   looks compares. Nothing can overflow, and a busy file costs what a quiet one does.
//! * Everything in the kernel belongs to descriptors of this process. Nothing is pinned, so
//!   nothing stays behind, however the process ends.
//! * Each feature is tried, never guessed from a version, and what cannot be had has a reason.
//! * Only the thread that holds a [`Kernel`] makes system calls about it; before Linux 5.19 or so
//!   even the update of a map needs `CAP_BPF`, so that thread keeps it, and `CAP_PERFMON` for
//!   file systems that are met later.

use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use aya::Btf;
use aya::maps::MapError;
use sluice_ebpf::{CONTROL_ENTRIES, EDGES_BYTES, LOST_EDGES, SLEEPING, SLOTS_MAX, map};

use crate::core::Now;
use crate::sys::MappedWords;

use echo::Echoes;
use edges::Ring;
use follows::{Follows, NoRoom};
use layout::Layout;
use programs::Programs;

mod btf;
mod echo;
mod edges;
mod follows;
mod identity;
mod layout;
mod probe;
mod programs;
mod prove;
mod refusal;
mod slots;
mod table;
#[cfg(test)]
mod tests;

pub use btf::BtfError;
pub use edges::{CgroupChange, Drained, Edge, NameChange, ProcessChange};
pub use identity::{FileSystem, Identity, IdentityError, InodeId};
pub use probe::{Report, probe};
pub use programs::Verdict;
pub use refusal::Refusal;
pub use slots::Slot;
pub use table::{Feature, Variant};

/// How long after going to sleep the slots are looked at once more. A writer on another processor
/// may have read the gate before it was set and have its store become visible only afterwards;
/// that takes less than a microsecond, unless its virtual processor is stopped in between.
const NAP: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
pub struct Settings {
    /// Inodes that can be followed at once, at most [`SLOTS_MAX`].
    pub slots_max: u32,
    /// Of the ring; a power of two, and whole pages.
    pub edges_bytes: u32,
    /// The best variant to try; others are for tests and for kernels where it does harm.
    pub highest: Variant,
    /// A directory of ours. A variant that says nothing of a write to a file there is refused.
    pub prove_in: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slots_max: SLOTS_MAX,
            edges_bytes: EDGES_BYTES,
            highest: Variant::Fexit,
            prove_in: None,
        }
    }
}

/// Why there is no kernel watcher at all. The agent does without.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("{path} is not there: this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF)")]
    NoBtf { path: PathBuf },
    #[error("cannot read {path}: {source}")]
    BtfRead { path: PathBuf, source: std::io::Error },
    #[error("cannot understand {path}: {source}")]
    BtfParse { path: PathBuf, source: BtfError },
    #[error("there are no kernel programs for {name}")]
    Architecture { name: &'static str },
    /// Maps could not be made; nothing else was tried.
    #[error("the kernel refuses: {reason}")]
    Refused { reason: String },
    #[error("cannot map memory of the kernel's: {source}")]
    Memory { source: std::io::Error },
    /// A bug: the prebuilt object is not the one that this agent was written for.
    #[error("the prebuilt object lacks a map")]
    Object,
}

/// Why a file is not followed here; a lower rung may.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error("no way to hear of writes on {file_system}: {reason}")]
    FileSystem { file_system: FileSystem, reason: String },
    #[error("all {max} slots of the kernel watcher are taken")]
    Full { max: u32 },
    #[error("the kernel takes no further inode: {0}")]
    Map(String),
}

/// A followed inode to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub slot: Slot,
    /// When it was last written, on the kernel's clock (`CLOCK_MONOTONIC`, not that of [`Now`]).
    pub written_mono_ns: u64,
    /// No new signal: a later look, because that signal may have come before its bytes.
    pub again: bool,
}

pub struct Kernel {
    programs: Programs,
    follows: Follows,
    control: MappedWords,
    ring: Ring,
    echoes: Echoes,
    verdicts: Vec<Verdict>,
    slots_max: u32,
    lost_seen: u64,
    /// When the look is due that follows going to sleep.
    nap_ends_ns: Option<u64>,
}

impl Kernel {
    /// Loads and attaches what this kernel lets us; what it does not is in [`Self::verdicts`].
    /// Takes some tens of milliseconds and, until it returns, the memory of the kernel's BTF.
    pub fn open(settings: &Settings) -> Result<Self, KernelError> {
        let slots_max = settings.slots_max.clamp(1, SLOTS_MAX);
        let settings = &Settings { slots_max, ..settings.clone() };
        let layout = Layout::of_running_kernel()?;
        let mut programs = Programs::load(settings, layout)?;
        let object = programs.object();
        let follows = Follows::new(object, slots_max)?;
        let control = follows::mapped(object, map::CONTROL, CONTROL_ENTRIES as usize)?;
        let ring = object.take_map(map::EDGES).ok_or(KernelError::Object)?;
        let ring = Ring::new(ring.try_into().map_err(|error: MapError| KernelError::Refused {
            reason: refusal::of_object(&error),
        })?);
        let mut this = Self {
            programs,
            follows,
            control,
            ring,
            echoes: Echoes::default(),
            verdicts: Vec::new(),
            slots_max,
            lost_seen: 0,
            nap_ends_ns: None,
        };
        this.climb(settings);
        Ok(this)
    }

    /// From now on writes to this inode change the slot. What was written before is no news, so
    /// the file has to be looked at after this. One inode may be followed more than once.
    pub fn follow(&mut self, file: Identity) -> Result<Slot, FollowError> {
        if self.news_variant(file.file_system).is_none() {
            let reason = self.refusals(file.file_system);
            return Err(FollowError::FileSystem { file_system: file.file_system, reason });
        }
        self.follows.follow(file.id).map_err(|error| match error {
            NoRoom::Full => FollowError::Full { max: self.slots_max },
            NoRoom::Map(error) => FollowError::Map(refusal::all(&error)),
        })
    }

    /// One follower less.
    pub fn unfollow(&mut self, inode: InodeId) {
        if let Err(error) = self.follows.unfollow(inode) {
            // Its slot is free for us all the same: the worst is a needless look at another file.
            tracing::debug!(%error, ?inode, "the kernel keeps an inode that is followed no more");
        }
    }

    /// Slots that changed since the last call, and those whose second look is due.
    pub fn changed(&mut self, now: Now, changes: &mut Vec<Change>) {
        if self.nap_ends_ns.is_some_and(|at| at <= now.mono_ns) {
            self.nap_ends_ns = None;
        }
        let before = changes.len();
        let (follows, echoes) = (&mut self.follows, &mut self.echoes);
        let is_early = is_early(&self.verdicts);
        follows.compare(|slot, written_mono_ns| {
            changes.push(Change { slot, written_mono_ns, again: false });
            if is_early {
                echoes.changed(slot, now.mono_ns);
            }
        });
        if changes.len() > before {
            // Awake: writers need not wake us.
            self.control.as_slice()[SLEEPING as usize].store(0, Ordering::Relaxed);
        }
        echoes.due(now.mono_ns, |slot| {
            if follows.slots().is_used(slot) {
                let written_mono_ns = follows.written_ns(slot);
                changes.push(Change { slot, written_mono_ns, again: true });
            }
        });
    }

    /// To be called before waiting on [`Self::wait_on`]. From now on the next write makes it
    /// readable, once. False if something has changed already: do not wait.
    pub fn sleep(&mut self, now: Now) -> bool {
        let gate = &self.control.as_slice()[SLEEPING as usize];
        // Relaxed: it is a hint in both directions, and the fence below orders what matters.
        if gate.load(Ordering::Relaxed) != 0 {
            return true;
        }
        gate.store(1, Ordering::Relaxed);
        // The gate is set before the slots are looked at: a writer that stores its slot after
        // this look finds the gate set. What the writer's side lacks of a barrier, the nap covers.
        fence(Ordering::SeqCst);
        if self.follows.any_changed() {
            gate.store(0, Ordering::Relaxed);
            return false;
        }
        self.nap_ends_ns = Some(now.after(NAP));
        true
    }

    /// When [`Self::changed`] has to be called even if nothing wakes us.
    pub fn next_look_ns(&self) -> Option<u64> {
        self.nap_ends_ns.into_iter().chain(self.echoes.next_ns()).min()
    }

    /// Readable when there are edges, or a write while we slept. It stays so until [`Self::edges`]
    /// has taken them.
    pub fn wait_on(&self) -> std::os::fd::BorrowedFd<'_> {
        self.ring.wait_on()
    }

    /// Takes what the ring holds.
    pub fn edges(&mut self, edges: &mut Vec<Edge>) -> Drained {
        let more = self.ring.drain(edges);
        let cells = &self.control.as_slice()[LOST_EDGES as usize..];
        let total = cells.iter().map(|cell| cell.load(Ordering::Relaxed)).sum::<u64>();
        let lost = total.wrapping_sub(std::mem::replace(&mut self.lost_seen, total));
        Drained { lost, more }
    }

    /// What became of each feature that was tried so far.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// How news of a file system come, tried now if it is the first file there.
    pub fn news_variant(&mut self, file_system: FileSystem) -> Option<Variant> {
        self.taken(Feature::News).or_else(|| {
            let feature = Feature::NewsOf(file_system);
            if !self.verdicts.iter().any(|verdict| verdict.feature == feature) {
                let verdict = self.programs.climb(feature, None, |_| Ok(()));
                self.verdicts.push(verdict);
            }
            self.taken(feature)
        })
    }

    /// Why better variants, or all, do not tell of writes on a file system; empty on the best.
    pub fn refusals(&self, file_system: FileSystem) -> String {
        let of = [Feature::News, Feature::NewsOf(file_system)];
        let verdicts = self.verdicts.iter().filter(|verdict| of.contains(&verdict.feature));
        let reasons: Vec<String> =
            verdicts.flat_map(|verdict| &verdict.refused).map(ToString::to_string).collect();
        let nothing = reasons.is_empty() && self.taken(Feature::News).is_none();
        if nothing { "nothing known to try".into() } else { reasons.join("; ") }
    }

    /// Followed inodes.
    pub fn followed(&self) -> usize {
        self.follows.slots().len()
    }

    pub fn slot_of(&self, inode: InodeId) -> Option<Slot> {
        self.follows.slots().slot_of(inode)
    }

    fn climb(&mut self, settings: &Settings) {
        let btf = (settings.highest == Variant::Fexit).then(|| Btf::from_sys_fs().ok()).flatten();
        let proven = settings.prove_in.as_deref();
        self.try_feature(Feature::News, btf.as_ref(), proven);
        if self.taken(Feature::News).is_none()
            && let Some(file_system) = proven.and_then(prove::file_system)
        {
            self.try_feature(Feature::NewsOf(file_system), None, proven);
        }
        for feature in [Feature::Cgroups, Feature::Processes, Feature::Unlinks, Feature::Renames] {
            self.try_feature(feature, btf.as_ref(), None);
        }
    }

    fn try_feature(&mut self, feature: Feature, btf: Option<&Btf>, prove_in: Option<&Path>) {
        let follows = &mut self.follows;
        let verdict = self.programs.climb(feature, btf, |_| match prove_in {
            Some(directory) => prove::by_a_write(directory, follows),
            None => Ok(()),
        });
        self.verdicts.push(verdict);
    }

    fn taken(&self, feature: Feature) -> Option<Variant> {
        self.verdicts.iter().find(|verdict| verdict.feature == feature)?.taken
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let followed = self.followed();
        out.debug_struct("Kernel").field("followed", &followed).finish_non_exhaustive()
    }
}

/// Whether any of the variants in use signals before the bytes can be read.
fn is_early(verdicts: &[Verdict]) -> bool {
    let mut news = verdicts
        .iter()
        .filter(|verdict| matches!(verdict.feature, Feature::News | Feature::NewsOf(_)));
    news.any(|verdict| verdict.taken.is_some_and(Variant::is_early))
}
