//! One agent per state directory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

/// Held for the life of the agent; the kernel lets it go with the process.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "another agent{holder} holds the state directory {directory}; stop it, or give this one \
         a `state_dir` of its own"
    )]
    Held { directory: PathBuf, holder: String },
    #[error(
        "cannot write to the state directory {directory}: {source}; make it writable for this \
         user, or name another one with `state_dir`"
    )]
    Unwritable { directory: PathBuf, source: io::Error },
}

const RETRY_EVERY: Duration = Duration::from_millis(100);

impl StateLock {
    /// Takes the lock of a state directory, which is made if it is not there. Waits as long as
    /// `patience` for another agent to end, since a rollout starts the new one before the old one
    /// has gone; `waiting` is called once if it has to.
    pub fn acquire(
        directory: &Path,
        patience: Duration,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, LockError> {
        let unwritable = |source| LockError::Unwritable { directory: directory.to_owned(), source };
        make_private(directory).map_err(unwritable)?;
        let path = directory.join("lock");
        let mut options = File::options();
        let mut file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(unwritable)?;
        let until = Instant::now() + patience;
        let mut waiting = Some(waiting);
        while let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(unwritable(error.into()));
            }
            let holder = holder(&mut file);
            if let Some(waiting) = waiting.take() {
                waiting(&holder);
            }
            if Instant::now() >= until {
                return Err(LockError::Held { directory: directory.to_owned(), holder });
            }
            std::thread::sleep(RETRY_EVERY);
        }
        file.set_len(0).map_err(unwritable)?;
        file.rewind().map_err(unwritable)?;
        file.write_all(std::process::id().to_string().as_bytes()).map_err(unwritable)?;
        Ok(Self { _file: file })
    }
}

fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    let read = file.rewind().and_then(|()| file.take(20).read_to_string(&mut pid));
    match read {
        Ok(bytes) if bytes > 0 => format!(" (pid {})", pid.trim()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_waits_and_then_says_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateLock::acquire(directory.path(), Duration::ZERO, |_| {}).unwrap();
        let mut waited = false;
        let second = StateLock::acquire(directory.path(), Duration::ZERO, |_| waited = true);
        let text = second.unwrap_err().to_string();
        assert!(waited);
        assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
        drop(first);
        StateLock::acquire(directory.path(), Duration::ZERO, |_| {}).unwrap();
    }
}
