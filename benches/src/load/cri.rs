//! Kubernetes' log files: the records of containerd and of conmon, and kubelet's rotation.
//!
//! `<time> <stream> <P or F> <content>`; the content is the container's bytes as they are.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::json_file::Stream;
use super::stamp::{Clock, Stamp};

/// containerd splits content that is longer.
const CONTAINERD_PIECE_BYTES: usize = 16 * 1024;

/// Which runtime's habits are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Times without trailing zeros, `Z`; pieces of exactly 16 384 bytes, each with its own
    /// time; a CR before the LF is removed.
    Containerd,
    /// Times with nine digits and `+00:00`; each write's unfinished rest is a piece, however
    /// short; a CR is kept.
    Conmon,
}

/// Writes the log of one run of a Kubernetes container.
pub struct CriWriter {
    path: PathBuf,
    runtime: Runtime,
    clock: Clock,
    file: File,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    record: Vec<u8>,
}

impl CriWriter {
    /// Opens `<pod directory>/<container>/<run>.log`; the pod's directory is
    /// `/var/log/pods/<namespace>_<pod>_<uid>`.
    pub fn new(
        pod_dir: &Path,
        container: &str,
        run: u32,
        runtime: Runtime,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let dir = pod_dir.join(container);
        std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let path = dir.join(format!("{run}.log"));
        let file = open(&path)?;
        Ok(Self {
            path,
            runtime,
            clock,
            file,
            stdout: Vec::new(),
            stderr: Vec::new(),
            record: Vec::new(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the container wrote in one write. Whole lines become records; of the rest conmon
    /// makes a piece at once, containerd when it is long enough.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> anyhow::Result<()> {
        let mut pending = std::mem::take(self.pending(stream));
        pending.extend_from_slice(bytes);
        let mut rest = pending.as_slice();
        // conmon stamps a read, containerd a record.
        let of_read = self.clock.read();
        let mut is_first = true;
        loop {
            let newline = memchr::memchr(b'\n', rest);
            let limit = match self.runtime {
                Runtime::Containerd => CONTAINERD_PIECE_BYTES,
                Runtime::Conmon => usize::MAX,
            };
            let length = newline.unwrap_or(rest.len());
            let is_unfinished = self.runtime == Runtime::Conmon && length > 0;
            if newline.is_none() && length <= limit && !is_unfinished {
                break;
            }
            let time = match self.runtime {
                Runtime::Containerd if !is_first => self.clock.read(),
                _ => of_read,
            };
            is_first = false;
            if length > limit {
                self.write_record(stream, time, "P", &rest[..limit])?;
                rest = &rest[limit..];
            } else if newline.is_some() {
                let content = &rest[..length];
                let content = match self.runtime {
                    Runtime::Containerd => content.strip_suffix(b"\r").unwrap_or(content),
                    Runtime::Conmon => content,
                };
                self.write_record(stream, time, "F", content)?;
                rest = &rest[length + 1..];
            } else {
                self.write_record(stream, time, "P", rest)?;
                rest = &[];
            }
        }
        *self.pending(stream) = rest.to_vec();
        Ok(())
    }

    pub fn write_line(&mut self, stream: Stream, line: &[u8]) -> anyhow::Result<()> {
        self.write(stream, &[line, b"\n"].concat())
    }

    /// The container ended: what has no newline yet is a last piece.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let pending = std::mem::take(self.pending(stream));
            if !pending.is_empty() {
                let time = self.clock.read();
                self.write_record(stream, time, "P", &pending)?;
            }
        }
        Ok(())
    }

    /// One record as it is; `tag` is `P` or `F`, with whatever else a test wants.
    pub fn write_record(
        &mut self,
        stream: Stream,
        time: Stamp,
        tag: &str,
        content: &[u8],
    ) -> anyhow::Result<()> {
        self.record.clear();
        match self.runtime {
            Runtime::Containerd => time.write_trimmed(&mut self.record),
            Runtime::Conmon => {
                let padded = time.padded();
                self.record.extend_from_slice(&padded.as_bytes()[..padded.len() - 1]);
                self.record.extend_from_slice(b"+00:00");
            }
        }
        for part in [stream.name(), tag] {
            self.record.push(b' ');
            self.record.extend_from_slice(part.as_bytes());
        }
        self.record.push(b' ');
        self.record.extend_from_slice(content);
        self.record.push(b'\n');
        self.file
            .write_all(&self.record)
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// Kubelet's first step: the file gets its dated name, the runtime still writes to it.
    /// `stamp` is kubelet's local time as `YYYYMMDD-HHMMSS`.
    pub fn rename(&self, stamp: &str) -> anyhow::Result<PathBuf> {
        let dated = PathBuf::from(format!("{}.{stamp}", self.path.display()));
        std::fs::rename(&self.path, &dated)
            .with_context(|| format!("renaming {}", self.path.display()))?;
        Ok(dated)
    }

    /// Its second step, an answer to `ReopenContainerLog`: from now on a new file is written.
    /// conmon makes it under another name first.
    pub fn reopen(&mut self) -> anyhow::Result<()> {
        self.file = match self.runtime {
            Runtime::Containerd => open(&self.path)?,
            Runtime::Conmon => {
                let fresh = PathBuf::from(format!("{}.tmp", self.path.display()));
                let file =
                    File::create(&fresh).with_context(|| format!("making {}", fresh.display()))?;
                std::fs::rename(&fresh, &self.path)
                    .with_context(|| format!("renaming {}", fresh.display()))?;
                file
            }
        };
        Ok(())
    }

    /// What kubelet does to a dated file with the next rotation: `.tmp`, then `.gz`, then the
    /// plain one goes.
    pub fn compress(dated: &Path) -> anyhow::Result<PathBuf> {
        let bytes = std::fs::read(dated).with_context(|| format!("reading {}", dated.display()))?;
        let fresh = PathBuf::from(format!("{}.tmp", dated.display()));
        let packed = PathBuf::from(format!("{}.gz", dated.display()));
        let file = File::create(&fresh).with_context(|| format!("making {}", fresh.display()))?;
        let mut encoder = GzEncoder::new(file, Compression::default());
        encoder
            .write_all(&bytes)
            .and_then(|()| encoder.finish().map(|_| ()))
            .and_then(|()| std::fs::rename(&fresh, &packed))
            .and_then(|()| std::fs::remove_file(dated))
            .with_context(|| format!("compressing {}", dated.display()))?;
        Ok(packed)
    }

    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(runtime: Runtime) -> (tempfile::TempDir, CriWriter) {
        let dir = tempfile::tempdir().expect("a directory");
        let pod = dir.path().join("shop_web-1_0123");
        let writer = CriWriter::new(&pod, "web", 0, runtime, Clock::steps()).expect("opens");
        (dir, writer)
    }

    /// Tag and length of the content of each record.
    fn records(writer: &CriWriter) -> Vec<(String, usize)> {
        let log = std::fs::read_to_string(writer.path()).expect("is there");
        log.lines()
            .map(|line| {
                let mut parts = line.splitn(4, ' ').skip(2);
                let tag = parts.next().expect("has a tag").to_owned();
                (tag, parts.next().expect("has a content").len())
            })
            .collect()
    }

    #[test]
    fn containerd_splits_long_lines() {
        let check = |length: usize, expected: &[(&str, usize)]| {
            let (_dir, mut writer) = writer(Runtime::Containerd);
            writer.write_line(Stream::Stdout, &vec![b'a'; length]).expect("writes");
            let records = records(&writer);
            let found: Vec<(&str, usize)> =
                records.iter().map(|(tag, length)| (tag.as_str(), *length)).collect();
            assert_eq!(found, expected, "{length}");
        };
        check(16_384, &[("F", 16_384)]);
        check(16_385, &[("P", 16_384), ("F", 1)]);
        check(32_769, &[("P", 16_384), ("P", 16_384), ("F", 1)]);
    }

    #[test]
    fn containerd_to_the_byte() {
        let (_dir, mut writer) = writer(Runtime::Containerd);
        writer.write(Stream::Stdout, b"test1\r\ntest2").expect("writes");
        writer.write(Stream::Stderr, b"\n").expect("writes");
        writer.finish().expect("writes");
        assert_eq!(
            std::fs::read_to_string(writer.path()).expect("is there"),
            "2026-01-02T03:04:05Z stdout F test1\n\
             2026-01-02T03:04:05.000123456Z stderr F \n\
             2026-01-02T03:04:05.000246912Z stdout P test2\n"
        );
    }

    #[test]
    fn conmon_splits_at_every_write() {
        let (_dir, mut writer) = writer(Runtime::Conmon);
        writer.write(Stream::Stdout, b"abc").expect("writes");
        writer.write(Stream::Stdout, b"\n").expect("writes");
        assert_eq!(
            std::fs::read_to_string(writer.path()).expect("is there"),
            "2026-01-02T03:04:05.000000000+00:00 stdout P abc\n\
             2026-01-02T03:04:05.000123456+00:00 stdout F \n"
        );
    }

    #[test]
    fn rotation_step_by_step() {
        for runtime in [Runtime::Containerd, Runtime::Conmon] {
            let (_dir, mut writer) = writer(runtime);
            writer.write_line(Stream::Stdout, b"one").expect("writes");
            let dated = writer.rename("20260102-030405").expect("is renamed");
            writer.write_line(Stream::Stdout, b"two").expect("writes");
            writer.reopen().expect("opens");
            writer.write_line(Stream::Stdout, b"three").expect("writes");
            let old = std::fs::read_to_string(&dated).expect("is there");
            assert!(old.contains("one") && old.contains("two"));
            let new = std::fs::read_to_string(writer.path()).expect("is there");
            assert!(new.contains("three") && !new.contains("two"));
            let packed = CriWriter::compress(&dated).expect("is compressed");
            assert!(packed.exists() && !dated.exists());
        }
    }
}
