//! The agent's state as people ask for it: plain data, the same for the control socket, the
//! status page and the figures per source.

use serde::{Deserialize, Serialize};

/// This build's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub node: String,
    pub output: OutputView,
    /// All that discovery knows, collected or not.
    pub containers: Vec<ContainerView>,
    /// One per followed source.
    pub positions: Vec<PositionView>,
    /// One per mount with followed files.
    pub mounts: Vec<MountView>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountView {
    /// Where it is mounted.
    pub mount: String,
    /// How news of files there come.
    pub rung: String,
    /// Why by no better way; empty on the best.
    pub why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputView {
    /// `elasticsearch` or `console`.
    pub kind: String,
    /// `up`, `down`, `starting`: one word.
    pub state: String,
    /// The last fault, while there is one.
    pub fault: Option<String>,
    pub paused: Vec<PausedTarget>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedTarget {
    pub index: String,
    pub cause: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerView {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    pub image: String,
    /// The log driver.
    pub driver: String,
    /// `created`, `running`, `exited`.
    pub state: String,
    /// Without the date.
    pub target: Option<String>,
    pub collected: bool,
    /// Why it is not collected.
    pub reason: Option<String>,
    /// Of all its sources.
    pub lag_bytes: u64,
    pub bytes_per_second: u64,
    /// How news of its log come.
    pub rung: Option<String>,
    /// Logs that it writes to files.
    #[serde(default)]
    pub files: Vec<FileView>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// In the container.
    pub path: String,
    pub collected: bool,
}

impl ContainerView {
    /// Paths of files that are not collected, one after the other; `None` if there are none.
    pub fn suggestion(&self) -> Option<String> {
        let paths: Vec<_> =
            self.files.iter().filter(|file| !file.collected).map(|file| &file.path[..]).collect();
        (!paths.is_empty()).then(|| paths.join(", "))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PositionView {
    /// The source's key in the store.
    pub source: String,
    /// The container's name.
    pub container: String,
    /// The file that is read now.
    pub file: String,
    pub inode: u64,
    /// Everything below is acknowledged and on disk.
    pub frontier: u64,
    /// Up to where the file is read.
    pub read: u64,
    /// The file's size when it was last looked at.
    pub size: u64,
    /// Bytes written and not read.
    pub unread_bytes: u64,
    /// Bytes read and not acknowledged.
    pub unacked_bytes: u64,
    pub bytes_per_second: u64,
    /// How news of it come.
    pub rung: Option<String>,
    /// The index that refuses, while one does.
    pub waits_for: Option<String>,
}

impl PositionView {
    /// Written and not yet acknowledged: what is still to do, and what a crash would repeat.
    pub fn lag_bytes(&self) -> u64 {
        self.unread_bytes + self.unacked_bytes
    }
}

/// What `sluice version` asks a running agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub version: String,
    pub pid: u32,
}

impl Version {
    pub fn of_this_process() -> Self {
        Self { version: VERSION.to_owned(), pid: std::process::id() }
    }
}
