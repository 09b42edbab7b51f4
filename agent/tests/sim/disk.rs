//! A file system in memory, and the files of a worker on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use sluice::core::SourceToken;
use sluice::encode::Raw;
use sluice::read::{
    Completion, FileId, Files, FirstLine, Found, FoundKind, PageBuffer, ReadDone, ReadStart,
    ScanJob, ScanResult, Stat, file_rank, in_order,
};

use crate::rng::Rng;

#[derive(Default)]
pub(crate) struct Disk {
    pub inodes: Vec<Inode>,
    pub directories: BTreeMap<PathBuf, BTreeMap<String, usize>>,
}

pub(crate) struct Inode {
    pub bytes: Vec<u8>,
    pub links: u32,
    pub birth_ns: i64,
}

impl Disk {
    pub(crate) fn create(&mut self, directory: &Path, name: &str, birth_ns: i64) -> usize {
        self.inodes.push(Inode { bytes: Vec::new(), links: 1, birth_ns });
        let inode = self.inodes.len() - 1;
        self.directories.entry(directory.to_owned()).or_default().insert(name.to_owned(), inode);
        inode
    }

    /// The runtime removes a container: its names go, and who holds a file keeps it.
    pub(crate) fn remove_directory(&mut self, directory: &Path) {
        for inode in self.directories.remove(directory).unwrap_or_default().into_values() {
            self.inodes[inode].links = 0;
        }
    }

    /// `name` → `name.1` → `name.2` …
    pub(crate) fn rotate(&mut self, directory: &Path, current: &str) {
        let names = self.directories.get_mut(directory).expect("the directory is there");
        let mut ranked: Vec<(u32, String)> = names
            .keys()
            .filter_map(|name| file_rank(name, current).map(|rank| (rank, name.clone())))
            .collect();
        ranked.sort_by(|a, b| b.cmp(a));
        for (rank, name) in ranked {
            let inode = names.remove(&name).expect("it was just listed");
            let suffix = if name.ends_with(".gz") { ".gz" } else { "" };
            names.insert(format!("{current}.{}{suffix}", rank + 1), inode);
        }
    }

    /// Makes `name.1.gz` of `name.1`, as the runtime does after a rotation; half of it, with both
    /// files side by side, or all.
    pub(crate) fn compress(&mut self, directory: &Path, name: &str, birth_ns: i64, whole: bool) {
        let Some(inode) = self.directories[directory].get(name).copied() else { return };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&self.inodes[inode].bytes).expect("memory takes it");
        let mut bytes = gzip.finish().expect("memory takes it");
        let archive_name = format!("{name}.gz");
        let archive = match self.directories[directory].get(&archive_name) {
            Some(archive) => *archive,
            None => self.create(directory, &archive_name, birth_ns),
        };
        if whole {
            self.inodes[inode].links = 0;
            self.directories.get_mut(directory).expect("it is there").remove(name);
        } else {
            bytes.truncate(bytes.len() / 2);
        }
        self.inodes[archive].bytes = bytes;
    }

    pub(crate) fn inflated(&self, inode: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        // One that is still being made ends where it ends.
        let _ = flate2::read::MultiGzDecoder::new(&self.inodes[inode].bytes[..])
            .read_to_end(&mut bytes);
        bytes
    }

    fn stat(&self, inode: usize) -> Stat {
        let Inode { bytes, links, birth_ns } = &self.inodes[inode];
        let id = FileId { inode: inode as u64, birth_ns: *birth_ns };
        Stat { id, size: bytes.len() as u64, links: *links, is_regular: true }
    }
}

/// Reads that are ready at once or later, short or whole, as the seed wants.
pub(crate) struct SimFiles {
    pub disk: Rc<RefCell<Disk>>,
    pub rng: Rng,
    pub late: Vec<Completion<Handle>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Handle {
    inode: usize,
    is_archive: bool,
}

impl SimFiles {
    fn bytes(&self, handle: &Handle, offset: u64, buffer: &mut [u8]) -> ReadDone {
        let disk = self.disk.borrow();
        let inflated;
        let bytes = if handle.is_archive {
            inflated = disk.inflated(handle.inode);
            &inflated
        } else {
            &disk.inodes[handle.inode].bytes
        };
        let start = (offset as usize).min(bytes.len());
        let count = (bytes.len() - start).min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        let stat = (count < buffer.len()).then(|| disk.stat(handle.inode));
        ReadDone { bytes: count, stat }
    }
}

impl Files for SimFiles {
    type Handle = Handle;

    fn read(
        &mut self,
        source: SourceToken,
        handle: &Handle,
        offset: u64,
        buffer: &mut PageBuffer,
    ) -> ReadStart {
        if handle.is_archive || self.rng.one_in(4) {
            let mut own = PageBuffer::with_len(buffer.len());
            let done = self.bytes(handle, offset, own.as_mut_slice());
            self.late.push(Completion::Read { source, offset, result: Ok((own, done)) });
            return ReadStart::Pending;
        }
        ReadStart::Ready(Ok(self.bytes(handle, offset, buffer.as_mut_slice())))
    }

    fn scan(&mut self, job: ScanJob) {
        let disk = self.disk.borrow();
        let empty = BTreeMap::new();
        let names = disk.directories.get(&job.directory).unwrap_or(&empty);
        let mut found = Vec::new();
        for (name, inode) in names {
            let Some(rank) = file_rank(name, &job.current) else { continue };
            let stat = disk.stat(*inode);
            let is_archive = name.ends_with(".gz");
            let kind = if job.known.contains(&stat.id) {
                FoundKind::Known
            } else {
                if is_archive && self.rng.one_in(4) {
                    let kind = FoundKind::Refused("it is still being written".to_owned());
                    found.push((rank, is_archive, Found { name: name.clone(), id: stat.id, kind }));
                    continue;
                }
                let head = if is_archive {
                    disk.inflated(*inode)
                } else {
                    disk.inodes[*inode].bytes.clone()
                };
                FoundKind::New {
                    handle: Handle { inode: *inode, is_archive },
                    stat,
                    first_line: FirstLine::of(&head),
                    is_archive,
                    start: 0,
                }
            };
            found.push((rank, is_archive, Found { name: name.clone(), id: stat.id, kind }));
        }
        let found = Ok(in_order(found));
        self.late.push(Completion::Scanned(ScanResult { source: job.source, found }));
    }

    fn completions(&mut self, into: &mut Vec<Completion<Handle>>) {
        // In any order, some of them later.
        let mut kept = Vec::new();
        for completion in std::mem::take(&mut self.late) {
            if self.rng.one_in(3) { kept.push(completion) } else { into.push(completion) }
        }
        self.late = kept;
    }

    fn raw(&self, handle: &Handle) -> Option<Arc<dyn Raw>> {
        let disk = self.disk.borrow();
        let bytes = disk.inodes[handle.inode].bytes.clone();
        drop(disk);
        // Only what may be asked for while it is still small.
        (bytes.len() < 1 << 16 && !handle.is_archive)
            .then(|| Arc::new(Snapshot(bytes)) as Arc<dyn Raw>)
    }
}

struct Snapshot(Vec<u8>);

impl Raw for Snapshot {
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let start = offset as usize;
        self.0
            .get(start..start + len)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}
