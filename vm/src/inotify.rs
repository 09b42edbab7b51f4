//! The signal that every kernel has: a watch on the file's directory.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

use crate::signal::Signal;
use crate::table::Cell;

/// As the agent's rung does it: the directory is watched, not the file, and only `IN_MODIFY`
/// counts. A close after writing would come too late from a writer that keeps its log open.
#[derive(Debug)]
pub struct Inotify {
    queue: OwnedFd,
    watch: Option<i32>,
    name: OsString,
}

impl Inotify {
    pub fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { queue, watch: None, name: OsString::new() })
    }

    /// Empties the queue; whether the file was in it.
    fn drain(&mut self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(self.queue.as_fd(), &mut buffer);
        let mut seen = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(std::ffi::CStr::to_bytes);
                    // A queue has its watch's last events for a while after the watch has gone.
                    seen |= Some(event.wd()) == self.watch
                        && event.events().contains(ReadFlags::MODIFY)
                        && name == Some(self.name.as_bytes());
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(seen),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Signal for Inotify {
    fn name(&self) -> &'static str {
        "inotify"
    }

    fn follow(&mut self, file: &Path) -> io::Result<()> {
        let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
            return Err(io::Error::other(format!("{} has no directory", file.display())));
        };
        if let Some(watch) = self.watch.take() {
            inotify::remove_watch(&self.queue, watch)?;
        }
        self.watch = Some(inotify::add_watch(&self.queue, directory, WatchFlags::MODIFY)?);
        name.clone_into(&mut self.name);
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        self.drain().map(|_| ())
    }

    fn seen(&mut self, patience: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + patience;
        loop {
            if self.drain()? {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            poll(&mut [PollFd::new(&self.queue, PollFlags::IN)], Some(&left))?;
        }
    }
}

/// What a kernel (major and minor number) gives for a write; seen on 5.10, 6.1, 6.12, 6.18 and 7.3.
/// For those between 6.1 and 6.12, where things changed at versions that were not looked up, there
/// is no answer.
pub fn expect(kernel: (u32, u32), writer: &str, place: &str) -> Option<Cell> {
    let old = kernel <= (6, 1);
    if !old && kernel < (6, 12) {
        return None;
    }
    let seen = match (writer, place) {
        ("mmap", _) => false,
        // Until then the upper file was opened by overlayfs in such a way that it told nothing.
        (_, "upper") if old => writer == "truncate",
        ("sendfile" | "splice", "upper") => false,
        // Nobody tells of asynchronous writes, but for overlayfs, which makes a plain one of it.
        ("aio", place) => place == "upper",
        ("splice", "overlay") => !old,
        _ => true,
    };
    Some(if seen { Cell::Signal } else { Cell::Sweep })
}
