//! fanotify: who made or wrote which name on a file system.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One event is some dozens of bytes, with a name of 255 at most a few hundred.
const BUFFER_BYTES: usize = 64 << 10;

/// Of an event and of the record in it, without what they carry.
const EVENT_BYTES: usize = 24;
const RECORD_BYTES: usize = 12;
const HANDLE_BYTES: usize = 8;

/// `struct fanotify_event_info_header`'s type for a directory and a name in it.
const DIRECTORY_AND_NAME: u8 = 2;

/// The kernel's bound, `MAX_HANDLE_SZ`.
const HANDLE_BYTES_MAX: usize = 128;

/// A group of its own, with marks on whole file systems.
#[derive(Debug)]
pub struct Fanotify {
    group: OwnedFd,
    buffer: Vec<u8>,
}

/// A name that was made, or closed by who could write to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    pub directory: Handle,
    pub name: Vec<u8>,
}

/// What the kernel calls an inode by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    kind: i32,
    bytes: Vec<u8>,
}

impl Fanotify {
    /// Needs `CAP_SYS_ADMIN`, and Linux 5.9 for names.
    pub fn new() -> io::Result<Self> {
        let flags = libc::FAN_CLASS_NOTIF
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK
            | libc::FAN_REPORT_DFID_NAME;
        // SAFETY: plain numbers go in.
        let group = unsafe { libc::fanotify_init(flags, libc::O_RDONLY as libc::c_uint) };
        if group < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made this descriptor, and nobody else has it.
        let group = unsafe { OwnedFd::from_raw_fd(group) };
        Ok(Self { group, buffer: vec![0; BUFFER_BYTES] })
    }

    /// From now on tells what is made, and closed after writing, on the file system of `path`.
    pub fn mark_file_system(&self, path: &Path) -> io::Result<()> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the path is a C string that lives until the call has ended.
        let result = unsafe {
            libc::fanotify_mark(
                self.group.as_raw_fd(),
                libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM,
                libc::FAN_CREATE | libc::FAN_CLOSE_WRITE,
                libc::AT_FDCWD,
                path.as_ptr(),
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Moves a buffer full of what came into `into`. `Ok(None)`: nothing is there; `Some(true)`:
    /// some was lost.
    pub fn read(&mut self, into: &mut Vec<Named>) -> io::Result<Option<bool>> {
        match rustix::io::read(&self.group, &mut self.buffer) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => Ok(None),
            Ok(bytes) => Ok(Some(parse(&self.buffer[..bytes], into))),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Fanotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }
}

impl Handle {
    /// Opens the directory; `mount` is any descriptor of its file system. Needs
    /// `CAP_DAC_READ_SEARCH`.
    pub fn open(&self, mount: impl AsFd) -> io::Result<OwnedFd> {
        // `struct file_handle` is two numbers and the bytes; words keep it aligned.
        let mut words = vec![0_u32; (HANDLE_BYTES + self.bytes.len()).div_ceil(4)];
        words[0] = self.bytes.len() as u32;
        words[1] = self.kind as u32;
        for (word, bytes) in words[2..].iter_mut().zip(self.bytes.chunks(4)) {
            let mut four = [0; 4];
            four[..bytes.len()].copy_from_slice(bytes);
            *word = u32::from_ne_bytes(four);
        }
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: it points to a whole handle of the length that it names, aligned, which lives
        // until the call has ended.
        let opened = unsafe {
            libc::open_by_handle_at(
                mount.as_fd().as_raw_fd(),
                words.as_mut_ptr().cast::<libc::file_handle>(),
                flags,
            )
        };
        if opened < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made this descriptor, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(opened) })
    }
}

/// Takes events apart. True if some were lost. What is not understood is passed over.
fn parse(mut bytes: &[u8], into: &mut Vec<Named>) -> bool {
    let mut lost = false;
    while bytes.len() >= EVENT_BYTES {
        let len = u32_at(bytes, 0) as usize;
        if len < EVENT_BYTES || len > bytes.len() {
            break;
        }
        let (event, rest) = bytes.split_at(len);
        bytes = rest;
        let mask = event[8..].first_chunk().map_or(0, |eight| u64::from_ne_bytes(*eight));
        lost |= mask & libc::FAN_Q_OVERFLOW != 0;
        into.extend(named(&event[EVENT_BYTES..]));
    }
    lost
}

fn named(record: &[u8]) -> Option<Named> {
    if record.len() < RECORD_BYTES + HANDLE_BYTES || record[0] != DIRECTORY_AND_NAME {
        return None;
    }
    let len = usize::from(u16::from_ne_bytes([record[2], record[3]]));
    let handle = record.get(RECORD_BYTES..len)?;
    let handle_len = u32_at(handle, 0) as usize;
    let kind = u32_at(handle, 4) as i32;
    let rest = handle.get(HANDLE_BYTES..)?;
    if handle_len > HANDLE_BYTES_MAX || handle_len > rest.len() {
        return None;
    }
    let (bytes, name) = rest.split_at(handle_len);
    let name = name.split(|&byte| byte == 0).next()?;
    let directory = Handle { kind, bytes: bytes.to_vec() };
    (!name.is_empty()).then(|| Named { directory, name: name.to_vec() })
}

/// In the machine's order; the caller has looked that it is there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |four| u32::from_ne_bytes(*four))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_made_and_written_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let started = Fanotify::new().and_then(|group| {
            group.mark_file_system(dir.path())?;
            Ok(group)
        });
        let mut group = match started {
            Ok(group) => group,
            Err(error) => {
                eprintln!("no fanotify here: {error}");
                return;
            }
        };
        std::fs::write(dir.path().join("made"), "x").unwrap();
        let mut found = Vec::new();
        while group.read(&mut found).unwrap().is_some() {}
        let made = found.iter().find(|named| named.name == b"made").expect("it is told");
        let mount = std::fs::File::open(dir.path()).unwrap();
        if let Ok(opened) = made.directory.open(&mount) {
            let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
            let path = std::fs::read_link(link).unwrap();
            assert_eq!(path, dir.path().canonicalize().unwrap());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0..200_u32) {
            let mut bytes = bytes;
            if bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&len.to_ne_bytes());
            }
            parse(&bytes, &mut Vec::new());
            named(&bytes);
        }
    }
}
