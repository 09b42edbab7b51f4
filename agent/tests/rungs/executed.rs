//! Instructions that a write executes in the kernel, by the path that it takes through a program:
//! counted in the object's own bytes. An emulated processor counts none, and its clock is that of
//! the emulator.

use serde_json::{Value, json};
use sluice_ebpf::{OFFSETS, Offset, inode_key};

use crate::machine::{Done, Programs, World};

/// How a program is given its arguments.
#[derive(Clone, Copy)]
enum Arguments {
    /// Words, and behind those of a function its result.
    Words(&'static [Word]),
    /// `rdi` and `rsi` in a `pt_regs` of x86_64.
    Registers(&'static [Word]),
}

#[derive(Clone, Copy)]
enum Word {
    Any,
    File,
    Inode,
    Request,
    Iter,
    Root,
    Number,
    /// Bytes written, or an error.
    Result,
    /// Extents given back at the end of a write, or reserved at its beginning.
    Extents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// A write that failed, a read, the beginning of a write.
    NoWrite,
    NoFile,
    Unfollowed,
    Followed,
    Waking,
}

impl Path {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoWrite => "no write",
            Self::NoFile => "no regular file",
            Self::Unfollowed => "unfollowed",
            Self::Followed => "followed",
            Self::Waking => "followed, wakes the agent",
        }
    }
}

use Word::{Any, Extents, File, Inode, Iter, Number, Request, Result, Root};

const PROGRAMS: &[(&str, Arguments)] = &[
    ("fexit_vfs_write", Arguments::Words(&[File, Any, Any, Any, Result])),
    ("fexit_vfs_writev", Arguments::Words(&[File, Any, Any, Any, Any, Result])),
    ("fexit_iter_file_splice_write", Arguments::Words(&[Any, File, Any, Any, Any, Result])),
    ("fexit_io_write", Arguments::Words(&[Request, Any, Any])),
    ("kprobe_file", Arguments::Registers(&[File, Any])),
    ("kprobe_second_file", Arguments::Registers(&[Any, File])),
    ("tracepoint_inode", Arguments::Words(&[Inode])),
    ("tracepoint_iomap", Arguments::Words(&[Iter])),
    ("tracepoint_btrfs", Arguments::Words(&[Root, Number, Extents])),
];

/// The most on the way that every write of a node takes, and on the one of a followed log: half
/// more than on the longest.
const UNFOLLOWED_MAX: u64 = 90;
const FOLLOWED_MAX: u64 = 120;

/// Where the structures lie in the memory that is made up, each in its own part.
const FILE: u64 = 0x100;
const INODE: u64 = 0x200;
const SUPERBLOCK: u64 = 0x300;
const REQUEST: u64 = 0x400;
const ITER: u64 = 0x500;
const ROOT: u64 = 0x600;
const INFO: u64 = 0x700;

const DEVICE: u32 = 0x80_0003;
const NUMBER: u64 = 77;

pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) path: &'static str,
    pub(crate) instructions: u64,
    pub(crate) helpers: u64,
}

impl Row {
    pub(crate) fn record(&self) -> Value {
        let Self { program, path, instructions, helpers } = self;
        json!({"program": program, "path": path, "instructions": instructions, "helpers": helpers})
    }
}

/// Every path of every program of the news, and what it did that it should not have.
pub(crate) fn table() -> (Vec<Row>, Vec<String>) {
    let programs = Programs::load(&offsets());
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (program, arguments) in PROGRAMS {
        let (Arguments::Words(words) | Arguments::Registers(words)) = arguments;
        for path in [Path::NoWrite, Path::NoFile, Path::Unfollowed, Path::Followed, Path::Waking] {
            let has = |which: fn(&Word) -> bool| words.iter().any(which);
            let is_taken = match path {
                Path::NoWrite => has(|word| matches!(word, Result | Iter | Extents)),
                Path::NoFile => has(|word| matches!(word, File | Request)),
                _ => true,
            };
            if !is_taken {
                continue;
            }
            let done = programs.run(program, world(*arguments, path));
            faults.extend(wrong(path, done).map(|fault| format!("{program}, {path:?}: {fault}")));
            rows.push(Row {
                program,
                path: path.as_str(),
                instructions: done.executed,
                helpers: done.helpers,
            });
        }
    }
    (rows, faults)
}

fn wrong(path: Path, done: Done) -> Option<String> {
    let stores = matches!(path, Path::Followed | Path::Waking);
    let max = if stores { FOLLOWED_MAX } else { UNFOLLOWED_MAX };
    let is_right = done.stored == stores
        && done.woke == (path == Path::Waking)
        && (done.executed <= max || path == Path::Waking);
    (!is_right).then(|| format!("{done:?}, and at most {max} instructions"))
}

fn offsets() -> [u32; OFFSETS] {
    let mut offsets = [0; OFFSETS];
    // Apart from each other; which is first does not matter.
    for (place, offset) in offsets.iter_mut().enumerate() {
        *offset = 8 * place as u32;
    }
    offsets
}

fn world(arguments: Arguments, path: Path) -> World {
    let mut structures = vec![0; 0x800];
    let mut put = |structure: u64, member: Offset, bytes: &[u8]| {
        let from = structure as usize + offsets()[member as usize] as usize;
        structures[from..from + bytes.len()].copy_from_slice(bytes);
    };
    let pointer = |to: u64| World::at(to).to_le_bytes();
    let mode: u16 = if path == Path::NoFile { 0o010_644 } else { 0o100_644 };
    let is_write = path != Path::NoWrite;
    put(FILE, Offset::FileInode, &pointer(INODE));
    put(INODE, Offset::InodeMode, &mode.to_le_bytes());
    put(INODE, Offset::InodeNumber, &NUMBER.to_le_bytes());
    put(INODE, Offset::InodeSuperBlock, &pointer(SUPERBLOCK));
    put(SUPERBLOCK, Offset::SuperBlockDevice, &DEVICE.to_le_bytes());
    put(REQUEST, Offset::IoKiocbFile, &pointer(FILE));
    put(ITER, Offset::IomapIterInode, &pointer(INODE));
    put(ITER, Offset::IomapIterFlags, &u32::from(is_write).to_le_bytes());
    put(ROOT, Offset::BtrfsRootInfo, &pointer(INFO));
    put(INFO, Offset::BtrfsInfoSuperBlock, &pointer(SUPERBLOCK));
    let word = |word: &Word| match word {
        Any => 0,
        File => World::at(FILE),
        Inode => World::at(INODE),
        Request => World::at(REQUEST),
        Iter => World::at(ITER),
        Root => World::at(ROOT),
        Number => NUMBER,
        Result if is_write => 240,
        // EINTR
        Result => -4_i64 as u64,
        Extents if is_write => -1_i64 as u64,
        Extents => 1,
    };
    let context = match arguments {
        Arguments::Words(words) => words.iter().flat_map(|it| word(it).to_le_bytes()).collect(),
        Arguments::Registers(words) => {
            let mut registers = vec![0; 168];
            for (at, it) in [112, 104].into_iter().zip(words) {
                registers[at..at + 8].copy_from_slice(&word(it).to_le_bytes());
            }
            registers
        }
    };
    let is_followed = matches!(path, Path::Followed | Path::Waking);
    World {
        context,
        structures,
        followed: is_followed.then(|| inode_key(DEVICE, NUMBER)),
        agent_sleeps: path == Path::Waking,
    }
}
