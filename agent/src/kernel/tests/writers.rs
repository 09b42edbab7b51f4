//! Ways of writing on each file system that can be mounted here: which make a signal.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, OFlags};

use super::*;

/// Between two writes to tmpfs, of which only the first in a tick of the clock makes a signal; the
/// longest tick is 10 ms.
const TICK: Duration = Duration::from_millis(12);

const BLOCK: usize = 4096;

type Writing = fn(&Path) -> io::Result<()>;

struct Writer {
    name: &'static str,
    write: Writing,
    /// Whoever writes logs may write so: it has to signal wherever news can be had.
    must: bool,
}

const WRITERS: &[Writer] = &[
    Writer { name: "write", must: true, write: |path| open(path)?.write_all(b"line\n") },
    Writer {
        name: "append",
        must: true,
        write: |path| File::options().append(true).open(path)?.write_all(b"line\n"),
    },
    Writer {
        name: "writev",
        must: true,
        write: |path| {
            open(path)?.write_vectored(&[IoSlice::new(b"a "), IoSlice::new(b"line\n")]).map(drop)
        },
    },
    Writer {
        name: "pwrite",
        must: true,
        write: |path| Ok(rustix::io::pwrite(open(path)?, b"line\n", 100).map(drop)?),
    },
    Writer {
        name: "sendfile",
        must: true,
        write: |path| Ok(rustix::fs::sendfile(open(path)?, source()?, None, BLOCK).map(drop)?),
    },
    Writer {
        name: "splice",
        must: true,
        write: |path| {
            let (read, mut write) = io::pipe()?;
            write.write_all(b"line\n")?;
            let flags = rustix::pipe::SpliceFlags::empty();
            Ok(rustix::pipe::splice(read, None, open(path)?, None, 5, flags).map(drop)?)
        },
    },
    Writer {
        name: "copy_file_range",
        must: false,
        write: |path| {
            let source = File::open(path.with_file_name("source"))?;
            Ok(rustix::fs::copy_file_range(source, None, open(path)?, None, BLOCK).map(drop)?)
        },
    },
    Writer {
        name: "O_DIRECT",
        must: false,
        write: |path| {
            let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
            let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
            // Room for one aligned block, wherever the buffer begins.
            let buffer = vec![b'x'; 2 * BLOCK];
            let skip = buffer.as_ptr().align_offset(BLOCK);
            Ok(rustix::io::write(file, &buffer[skip..skip + BLOCK]).map(drop)?)
        },
    },
    Writer { name: "truncate", must: false, write: |path| open(path)?.set_len(10) },
    Writer {
        name: "fallocate",
        must: false,
        write: |path| {
            let flags = FallocateFlags::empty();
            Ok(rustix::fs::fallocate(open(path)?, flags, 0, 1 << 20)?)
        },
    },
];

fn open(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

/// Some bytes that are no log.
fn source() -> io::Result<OwnedFd> {
    let mut file = tempfile::tempfile()?;
    file.write_all(&[b'x'; BLOCK])?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// A file system for the time of a test.
struct Mounted {
    dir: TempDir,
    is_mounted: bool,
}

impl Mounted {
    fn make(kind: &str) -> Option<Self> {
        let this = |dir| Self { dir, is_mounted: false };
        let mut mounted = this(TempDir::new().unwrap());
        let point = mounted.dir.path().to_owned();
        let done = if kind == "tmpfs" {
            run("mount", &["-t", "tmpfs", "sluice-test"], &point)
        } else {
            let images = TempDir::new().unwrap();
            let image = images.path().join("image");
            // Sparse; the smallest that xfs takes is 300 MB.
            File::create(&image).and_then(|file| file.set_len(400 << 20)).unwrap();
            // The loop device keeps the image when its name has gone.
            run(&format!("mkfs.{kind}"), &["-q"], &image)
                .and_then(|()| run("mount", &["-o", "loop", &image.to_string_lossy()], &point))
        };
        match done {
            Ok(()) => {
                mounted.is_mounted = true;
                Some(mounted)
            }
            Err(error) => {
                skipped(&format!("writers on {kind}"), error);
                None
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = run("umount", &["-l"], self.dir.path());
        }
    }
}

fn run(program: &str, arguments: &[&str], last: &Path) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .arg(last)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", text.trim())) }
}

/// One row of the table: what signalled and what the sweep has to find.
fn row(kernel: &mut Kernel, kind: &str, dir: &Path) {
    fs::write(dir.join("source"), [b'x'; BLOCK]).unwrap();
    let path = dir.join("log");
    // With a first block on disk, as a log has.
    fs::write(&path, [b'x'; 100]).unwrap();
    let identity = Identity::of(open(&path).unwrap()).unwrap();
    let slot = match kernel.follow(identity) {
        Ok(slot) => slot,
        Err(error) => return skipped(&format!("writers on {kind}"), error),
    };
    let mut cells = Vec::new();
    for Writer { name, write, must } in WRITERS {
        std::thread::sleep(TICK);
        changed(kernel);
        if let Err(error) = write(&path) {
            cells.push(format!("{name} not there ({error})"));
            continue;
        }
        let signals = changed(kernel).contains(&slot);
        assert!(signals || !must, "{name} on {kind} makes no signal");
        cells.push(format!("{name} {}", if signals { "signal" } else { "sweep" }));
    }
    kernel.unfollow(identity.id);
    let _ = writeln!(io::stderr(), "kernel watcher, writers on {kind}: {}", cells.join(", "));
}

#[test]
fn each_way_of_writing_signals_or_is_known_not_to() {
    for highest in [Variant::Fexit, Variant::Kprobe, Variant::Tracepoint] {
        let settings = Settings { highest, ..Settings::default() };
        let Some(mut kernel) = super::open("writers", &settings) else { return };
        let taken = kernel.verdicts()[0].taken;
        if highest != Variant::Tracepoint && taken != Some(highest) {
            skipped("writers", &kernel.verdicts()[0]);
            continue;
        }
        for kind in ["ext4", "xfs", "btrfs", "tmpfs"] {
            if let Some(mounted) = Mounted::make(kind) {
                row(&mut kernel, &format!("{kind} by {}", highest.as_str()), mounted.dir.path());
            }
        }
    }
}

#[test]
fn overlayfs_is_followed_through_its_upper_directory() {
    let what = "overlayfs";
    let base = TempDir::new().unwrap();
    let Some(mut kernel) = open_in(what, &Settings::default(), base.path()) else { return };
    let dir = |name: &str| {
        let dir = base.path().join(name);
        fs::create_dir(&dir).unwrap();
        dir
    };
    let (lower, upper, work, merged) = (dir("lower"), dir("upper"), dir("work"), dir("merged"));
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    if let Err(error) = run("mount", &["-t", "overlay", "overlay", "-o", &options], &merged) {
        return skipped(what, error);
    }
    let mut log = File::create(merged.join("log")).unwrap();
    let through_merged = Identity::of(&log).map_err(|error| error.to_string());
    let (_, identity) = file(&upper, "log");
    let slot = kernel.follow(identity).unwrap();
    log.write_all(b"line\n").unwrap();
    let heard = changed(&mut kernel);
    drop(log);
    run("umount", &[], &merged).unwrap();
    assert!(through_merged.unwrap_err().contains("upper directory"));
    assert_eq!(heard, [slot]);
}
