//! Each way in which bytes get into a file.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use io_uring::IoUring;
use rustix::fs::{FallocateFlags, OFlags, copy_file_range, fallocate, sendfile};
use rustix::pipe::{SpliceFlags, splice};

use crate::sys::{Aio, Mapped, ring_write};

/// A block of every file system here, and of the disks, so that `O_DIRECT` can write it.
const BLOCK_BYTES: usize = 4096;

/// What a file has before it is written.
const OLD_BYTES: usize = 4 * BLOCK_BYTES;

const OLD: u8 = b'a';
const NEW: u8 = b'b';

#[derive(Clone, Copy, Debug)]
pub struct Writer {
    pub name: &'static str,
    effect: Effect,
    /// Everything up to the write, so that nothing but the write can be signalled.
    prepare: fn(&Files) -> io::Result<Action>,
}

/// The write. What it gives back is to be kept until the signal was looked for: a close or the end
/// of a mapping may be signalled as well.
pub type Action = Box<dyn FnOnce() -> io::Result<Box<dyn Any>>>;

#[derive(Clone, Copy, Debug)]
enum Effect {
    /// A block of new bytes behind the old ones.
    Appended,
    /// A block of new bytes in place of the first.
    Overwritten,
    /// Half of the bytes gone.
    Cut,
    /// A block of zeros behind the old ones.
    Extended,
}

/// The file that is written, and one beside it that bytes can come from.
#[derive(Debug)]
pub struct Files {
    target: PathBuf,
    source: PathBuf,
}

pub const WRITERS: &[Writer] = &[
    Writer { name: "write", effect: Effect::Appended, prepare: write },
    Writer { name: "writev", effect: Effect::Appended, prepare: writev },
    Writer { name: "pwrite", effect: Effect::Appended, prepare: pwrite },
    Writer { name: "O_APPEND", effect: Effect::Appended, prepare: append },
    Writer { name: "O_DIRECT", effect: Effect::Appended, prepare: direct },
    Writer { name: "sendfile", effect: Effect::Appended, prepare: send },
    Writer { name: "splice", effect: Effect::Appended, prepare: splice_pipe },
    Writer { name: "copy_file_range", effect: Effect::Appended, prepare: copy },
    Writer { name: "io_uring", effect: Effect::Appended, prepare: ring },
    Writer { name: "aio", effect: Effect::Appended, prepare: aio },
    Writer { name: "mmap", effect: Effect::Overwritten, prepare: map },
    Writer { name: "truncate", effect: Effect::Cut, prepare: truncate },
    Writer { name: "fallocate", effect: Effect::Extended, prepare: allocate },
];

impl Writer {
    pub fn prepare(&self, files: &Files) -> io::Result<Action> {
        (self.prepare)(files)
    }

    /// Whether the bytes of `file` are what this writer should have made of them.
    pub fn verify(&self, files: &Files) -> io::Result<bool> {
        let mut expect = vec![OLD; OLD_BYTES];
        match self.effect {
            Effect::Appended => expect.extend_from_slice(&[NEW; BLOCK_BYTES]),
            Effect::Overwritten => expect[..BLOCK_BYTES].fill(NEW),
            Effect::Cut => expect.truncate(OLD_BYTES / 2),
            Effect::Extended => expect.extend_from_slice(&[0; BLOCK_BYTES]),
        }
        Ok(fs::read(&files.target)? == expect)
    }
}

impl Files {
    /// Makes both in `directory`, on disk, under names that begin with `name`.
    pub fn make(directory: &Path, name: &str) -> io::Result<Self> {
        let files = Self {
            target: directory.join(format!("{name}.log")),
            source: directory.join(format!("{name}.source")),
        };
        for (path, byte, length) in
            [(&files.target, OLD, OLD_BYTES), (&files.source, NEW, BLOCK_BYTES)]
        {
            let mut file = File::create(path)?;
            file.write_all(&vec![byte; length])?;
            // What is still to be written back could be taken for the writer's.
            file.sync_all()?;
        }
        Ok(files)
    }

    pub fn target(&self) -> &Path {
        &self.target
    }

    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.target)?;
        fs::remove_file(&self.source)
    }

    fn open(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(&self.target)
    }

    /// With the descriptor's position at the end.
    fn open_at_end(&self) -> io::Result<File> {
        let mut file = self.open()?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }
}

fn write(files: &Files) -> io::Result<Action> {
    let mut file = files.open_at_end()?;
    Ok(Box::new(move || {
        whole(file.write(&[NEW; BLOCK_BYTES])?)?;
        Ok(Box::new(file))
    }))
}

fn writev(files: &Files) -> io::Result<Action> {
    let mut file = files.open_at_end()?;
    Ok(Box::new(move || {
        let half = [NEW; BLOCK_BYTES / 2];
        whole(file.write_vectored(&[IoSlice::new(&half), IoSlice::new(&half)])?)?;
        Ok(Box::new(file))
    }))
}

fn pwrite(files: &Files) -> io::Result<Action> {
    let file = files.open()?;
    Ok(Box::new(move || {
        whole(file.write_at(&[NEW; BLOCK_BYTES], OLD_BYTES as u64)?)?;
        Ok(Box::new(file))
    }))
}

fn append(files: &Files) -> io::Result<Action> {
    let mut file = File::options().append(true).open(&files.target)?;
    Ok(Box::new(move || {
        whole(file.write(&[NEW; BLOCK_BYTES])?)?;
        Ok(Box::new(file))
    }))
}

fn direct(files: &Files) -> io::Result<Action> {
    let flags = OFlags::DIRECT.bits() as i32;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(&files.target)?;
    Ok(Box::new(move || {
        let bytes = [NEW; 2 * BLOCK_BYTES];
        let start = bytes.as_ptr().align_offset(BLOCK_BYTES);
        whole(file.write_at(&bytes[start..start + BLOCK_BYTES], OLD_BYTES as u64)?)?;
        Ok(Box::new(file))
    }))
}

fn send(files: &Files) -> io::Result<Action> {
    let (file, source) = (files.open_at_end()?, File::open(&files.source)?);
    Ok(Box::new(move || {
        whole(sendfile(&file, &source, None, BLOCK_BYTES)?)?;
        Ok(Box::new(file))
    }))
}

fn splice_pipe(files: &Files) -> io::Result<Action> {
    let file = files.open()?;
    let (output, mut input) = io::pipe()?;
    input.write_all(&[NEW; BLOCK_BYTES])?;
    Ok(Box::new(move || {
        let mut offset = OLD_BYTES as u64;
        let flags = SpliceFlags::empty();
        whole(splice(&output, None, &file, Some(&mut offset), BLOCK_BYTES, flags)?)?;
        Ok(Box::new((file, input)))
    }))
}

fn copy(files: &Files) -> io::Result<Action> {
    let (file, source) = (files.open_at_end()?, File::open(&files.source)?);
    Ok(Box::new(move || {
        whole(copy_file_range(&source, None, &file, None, BLOCK_BYTES)?)?;
        Ok(Box::new(file))
    }))
}

fn ring(files: &Files) -> io::Result<Action> {
    let file = files.open()?;
    let mut ring = IoUring::new(1)?;
    Ok(Box::new(move || {
        whole(ring_write(&mut ring, &file, &[NEW; BLOCK_BYTES], OLD_BYTES as u64)?)?;
        Ok(Box::new((file, ring)))
    }))
}

fn aio(files: &Files) -> io::Result<Action> {
    let file = files.open()?;
    let mut aio = Aio::new()?;
    Ok(Box::new(move || {
        whole(aio.write(&file, &[NEW; BLOCK_BYTES], OLD_BYTES as u64)?)?;
        Ok(Box::new((file, aio)))
    }))
}

fn map(files: &Files) -> io::Result<Action> {
    let mut mapped = Mapped::new(&files.open()?, OLD_BYTES)?;
    Ok(Box::new(move || {
        mapped.store(&[NEW; BLOCK_BYTES]);
        Ok(Box::new(mapped))
    }))
}

fn truncate(files: &Files) -> io::Result<Action> {
    let file = files.open()?;
    Ok(Box::new(move || {
        file.set_len(OLD_BYTES as u64 / 2)?;
        Ok(Box::new(file))
    }))
}

fn allocate(files: &Files) -> io::Result<Action> {
    let file = files.open()?;
    Ok(Box::new(move || {
        fallocate(&file, FallocateFlags::empty(), OLD_BYTES as u64, BLOCK_BYTES as u64)?;
        Ok(Box::new(file))
    }))
}

/// A short write would be a fault of the file system or of us; a second one would blur the signal.
fn whole(written: usize) -> io::Result<()> {
    if written == BLOCK_BYTES {
        return Ok(());
    }
    Err(io::Error::other(format!("wrote {written} of {BLOCK_BYTES} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On whatever the temporary directory lies; what it refuses is told by [`crate::table`].
    #[test]
    fn each_writer_has_the_effect_that_it_claims() {
        let directory = std::env::temp_dir().join(format!("sluice-writers-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        for writer in WRITERS {
            let files = Files::make(&directory, writer.name).unwrap();
            assert!(!writer.verify(&files).unwrap(), "{} before", writer.name);
            match writer.prepare(&files).and_then(|action| action()) {
                Ok(_kept) => assert!(writer.verify(&files).unwrap(), "{}", writer.name),
                // A sandbox may forbid io_uring, aio or O_DIRECT; never these.
                Err(error) => assert!(
                    !["write", "writev", "pwrite", "O_APPEND", "mmap", "truncate"]
                        .contains(&writer.name),
                    "{}: {error}",
                    writer.name
                ),
            }
            files.remove().unwrap();
        }
        fs::remove_dir(&directory).unwrap();
    }
}
