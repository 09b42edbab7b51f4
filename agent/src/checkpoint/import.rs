//! Positions that log-pilot's programs kept: where another agent stopped, we go on.
//!
//! fluentd's are files `<container id>.<log name>.pos` with a line `path TAB offset TAB inode` in
//! hexadecimal for each file; Filebeat's are one JSON list of `source`, `offset` and
//! `FileStateOS.inode`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

/// Larger than any registry of a node.
const BYTES_MAX: u64 = 64 << 20;

/// fluentd's mark for a file that it has let go of.
const UNWATCHED: u64 = u64::MAX;

/// One file's position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPosition {
    /// As the other program named it, below its own `/host`.
    pub path: PathBuf,
    pub inode: u64,
    pub offset: u64,
    /// Container and log, where the position is kept by them.
    pub log: Option<(String, String)>,
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    pub positions: Vec<ImportedPosition>,
    by_log: HashMap<(String, String), Vec<usize>>,
    by_directory: HashMap<PathBuf, Vec<usize>>,
}

/// What could not be read: its positions are not known, and its files are read again.
#[derive(Debug, thiserror::Error)]
#[error("cannot import positions from {}: {reason}", path.display())]
pub struct ImportError {
    pub path: PathBuf,
    pub reason: String,
}

/// The prefix under which log-pilot has the host's root.
const HOST: &str = "/host";

impl Import {
    /// Reads fluentd's directory of positions and Filebeat's registry; either may be absent.
    pub fn read(pos_dir: &Path, registry: &Path) -> (Self, Vec<ImportError>) {
        let mut import = Self::default();
        let mut errors = Vec::new();
        let mut failed = |path: &Path, reason: String| {
            errors.push(ImportError { path: path.to_owned(), reason });
        };
        match fs::read_dir(pos_dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failed(pos_dir, error.to_string()),
            Ok(entries) => {
                for path in entries.flatten().map(|entry| entry.path()) {
                    let Some(log) = log_of(&path) else { continue };
                    match read(&path) {
                        Ok(text) => import.take_pos(&text, &log),
                        Err(error) => failed(&path, error.to_string()),
                    }
                }
            }
        }
        match read(registry) {
            // A directory is that of a later Filebeat, which log-pilot never had.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failed(registry, error.to_string()),
            Ok(text) => match serde_json::from_str::<Vec<RegistryEntry>>(&text) {
                Ok(entries) => entries.into_iter().for_each(|entry| import.take_entry(entry)),
                Err(error) => failed(registry, error.to_string()),
            },
        }
        (import, errors)
    }

    /// What was read of one log's files: offsets by inode. `directory` is where they lie, as the
    /// host names it.
    pub fn delivered(&self, container_id: &str, log: &str, directory: &Path) -> Arc<[(u64, u64)]> {
        let by_log = self.by_log.get(&(container_id.to_owned(), log.to_owned()));
        let by_directory = self.by_directory.get(directory);
        let all = by_log.into_iter().chain(by_directory).flatten();
        all.map(|at| (self.positions[*at].inode, self.positions[*at].offset)).collect()
    }

    fn take_pos(&mut self, text: &str, log: &(String, String)) {
        for line in text.lines() {
            let mut fields = line.split('\t');
            let (Some(path), Some(offset), Some(inode), None) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
            let (Some(offset), Some(inode)) = (number(offset), number(inode)) else { continue };
            if offset == UNWATCHED || inode == 0 {
                continue;
            }
            let position =
                ImportedPosition { path: path.into(), inode, offset, log: Some(log.clone()) };
            self.by_log.entry(log.clone()).or_default().push(self.positions.len());
            self.positions.push(position);
        }
    }

    fn take_entry(&mut self, entry: RegistryEntry) {
        let Some(directory) = entry.source.parent() else { return };
        let below = directory.strip_prefix(HOST).unwrap_or(directory);
        let directory = Path::new("/").join(below);
        self.by_directory.entry(directory).or_default().push(self.positions.len());
        self.positions.push(ImportedPosition {
            inode: entry.state.inode,
            offset: entry.offset,
            path: entry.source,
            log: None,
        });
    }
}

#[derive(Deserialize)]
struct RegistryEntry {
    source: PathBuf,
    offset: u64,
    #[serde(rename = "FileStateOS")]
    state: FileState,
}

#[derive(Deserialize)]
struct FileState {
    inode: u64,
}

/// `<64 hex digits>.<log name>.pos`.
fn log_of(path: &Path) -> Option<(String, String)> {
    let (id, log) = path.file_name()?.to_str()?.strip_suffix(".pos")?.split_once('.')?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !log.is_empty()).then(|| (id.to_owned(), log.to_owned()))
}

fn read(path: &Path) -> io::Result<String> {
    let size = fs::metadata(path)?.len();
    if size > BYTES_MAX {
        return Err(io::Error::other(format!(
            "{size} bytes are more than the {BYTES_MAX} allowed"
        )));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn positions_of_fluentd_are_kept_by_container_and_log() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put(
            &format!("{ID}.access.pos"),
            "/host/v/a.log\t000000000000002a\t0000000000000007\n\
             /host/v/gone.log\tffffffffffffffff\t0000000000000008\n\
             /host/v/b.log\t0000000000000001\t0000000000000009\nnonsense\n\
             /host/v/new.log\t0000000000000000\t0000000000000000\n",
        );
        put(&format!("{ID}.a.b.pos"), "/x\t0000000000000003\t0000000000000004\n");
        put("other.txt", "x");
        let (import, errors) = Import::read(dir.path(), &dir.path().join("none"));
        assert!(errors.is_empty());
        let of = |log: &str| import.delivered(ID, log, Path::new("/v")).to_vec();
        assert_eq!(of("access"), [(7, 42), (9, 1)]);
        assert_eq!(of("a.b"), [(4, 3)]);
        assert_eq!(of("other"), []);
    }

    #[test]
    fn positions_of_filebeat_are_kept_by_directory() {
        let dir = tempfile::tempdir().unwrap();
        let registry = dir.path().join("registry");
        let entry = |source: &str, offset: u64, inode: u64| {
            format!(
                r#"{{"source":"{source}","offset":{offset},"timestamp":"2026-11-28T10:00:00Z","ttl":-1,"type":"log","FileStateOS":{{"inode":{inode},"device":2049}}}}"#
            )
        };
        let all = [entry("/host/v/a.log", 42, 7), entry("/host/w/b.log", 1, 9)].join(",");
        fs::write(&registry, format!("[{all}]")).unwrap();
        let (import, errors) = Import::read(&dir.path().join("none"), &registry);
        assert!(errors.is_empty());
        assert_eq!(import.delivered("c", "x", Path::new("/v")).to_vec(), [(7, 42)]);
        assert_eq!(import.delivered("c", "x", Path::new("/w")).to_vec(), [(9, 1)]);
        assert!(import.delivered("c", "x", Path::new("/")).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let registry = dir.path().join("registry");
        fs::write(&registry, "[{").unwrap();
        let (import, errors) = Import::read(&dir.path().join("none"), &registry);
        assert!(import.positions.is_empty());
        assert!(errors[0].to_string().contains("registry"), "{}", errors[0]);
        let (_, none) = Import::read(&dir.path().join("none"), &dir.path().join("none"));
        assert!(none.is_empty());
    }
}
