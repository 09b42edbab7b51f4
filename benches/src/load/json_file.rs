//! Docker's json-file driver: records, pieces of long lines, rotation.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};

use super::escape::escape_into;
use super::stamp::{Clock, Stamp};

/// The copier's buffer per stream: a line that fills it becomes a piece.
pub const PIECE_BYTES: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The driver's options as they are given to `docker run --log-opt`.
#[derive(Clone, Debug)]
pub struct JsonFileOptions {
    /// Bytes; `None`: no rotation.
    pub max_size: Option<u64>,
    /// With 1 a rotation deletes.
    pub max_file: usize,
    pub compress: bool,
    /// What `labels`, `env` and `tag` put into each record.
    pub attrs: BTreeMap<String, String>,
    pub clock: Clock,
}

impl Default for JsonFileOptions {
    fn default() -> Self {
        Self {
            max_size: None,
            max_file: 1,
            compress: false,
            attrs: BTreeMap::new(),
            clock: Clock::System,
        }
    }
}

/// Writes the log of one container, to the byte as the daemon would.
pub struct JsonFileWriter {
    path: PathBuf,
    options: JsonFileOptions,
    file: File,
    size: u64,
    /// `{"tag":"x"},` with its key, or nothing.
    attrs: Vec<u8>,
    stdout: Copier,
    stderr: Copier,
    record: Vec<u8>,
    last: Stamp,
    rotations: u64,
}

/// What a stream has read and not yet written as a record.
#[derive(Default)]
struct Copier {
    pending: Vec<u8>,
    /// Set while pieces of one line are written: they share the first one's time.
    time: Option<Stamp>,
}

impl JsonFileWriter {
    /// Opens `<dir>/<container id>-json.log`, and goes on at its end if it is there.
    pub fn new(dir: &Path, container_id: &str, options: JsonFileOptions) -> anyhow::Result<Self> {
        let path = dir.join(format!("{container_id}-json.log"));
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        let size = file.metadata()?.len();
        let mut attrs = Vec::new();
        if !options.attrs.is_empty() {
            attrs.extend_from_slice(b"\"attrs\":");
            write_attrs(&mut attrs, &options.attrs);
            attrs.push(b',');
        }
        Ok(Self {
            path,
            options,
            file,
            size,
            attrs,
            stdout: Copier::default(),
            stderr: Copier::default(),
            record: Vec::new(),
            last: Stamp(0),
            rotations: 0,
        })
    }

    /// The current file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rotations that this writer did.
    pub fn rotations(&self) -> u64 {
        self.rotations
    }

    /// What the container wrote. Whole lines and full pieces become records at once, the rest
    /// waits for its end, as in the daemon.
    pub fn write(&mut self, stream: Stream, mut bytes: &[u8]) -> anyhow::Result<()> {
        let mut copier = std::mem::take(self.copier(stream));
        let outcome = loop {
            if bytes.is_empty() {
                break Ok(());
            }
            let room = PIECE_BYTES - copier.pending.len();
            let (window, _) = bytes.split_at(bytes.len().min(room));
            let newline = memchr::memchr(b'\n', window);
            let taken = newline.map_or(window.len(), |at| at + 1);
            copier.pending.extend_from_slice(&window[..taken]);
            bytes = &bytes[taken..];
            let is_full = copier.pending.len() == PIECE_BYTES;
            if newline.is_none() && !is_full {
                break Ok(());
            }
            let time = copier.time.take().unwrap_or_else(|| self.options.clock.read());
            if newline.is_none() {
                copier.time = Some(time);
            }
            if let Err(error) = self.write_record(stream, time, &copier.pending) {
                break Err(error);
            }
            copier.pending.clear();
        };
        *self.copier(stream) = copier;
        outcome
    }

    /// One line; the newline is added.
    pub fn write_line(&mut self, stream: Stream, line: &[u8]) -> anyhow::Result<()> {
        self.write(stream, line)?;
        self.write(stream, b"\n")
    }

    /// The container ended: what has no newline yet is written without one.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let copier = std::mem::take(self.copier(stream));
            if !copier.pending.is_empty() {
                let time = copier.time.unwrap_or_else(|| self.options.clock.read());
                self.write_record(stream, time, &copier.pending)?;
            }
        }
        Ok(())
    }

    /// One record as it is, whatever the size of `log`.
    pub fn write_record(&mut self, stream: Stream, time: Stamp, log: &[u8]) -> anyhow::Result<()> {
        if self.options.max_size.is_some_and(|max_size| self.size >= max_size) {
            self.rotate()?;
        }
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        write_record(&mut record, stream, &self.attrs, time, log);
        self.last = time;
        let outcome = self.write_raw(&record);
        self.record = record;
        outcome
    }

    /// Bytes that are no record, as after a crash or a full disk.
    pub fn write_raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| format!("writing {}", self.path.display()))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// In the daemon's order: close, drop the oldest, rename upward, make the new file, compress.
    /// The new file is opened without `O_APPEND`, as the daemon does it.
    pub fn rotate(&mut self) -> anyhow::Result<()> {
        let log = self.path.clone();
        // The writer is done with the inode for good before any name changes.
        self.file = File::open("/dev/null").context("opening /dev/null")?;
        if self.options.max_file < 2 {
            std::fs::remove_file(&log).with_context(|| format!("removing {}", log.display()))?;
        } else {
            self.rename_upward()?;
        }
        self.file = OpenOptions::new()
            .write(true)
            .truncate(true)
            .create(true)
            .mode(0o640)
            .open(&log)
            .with_context(|| format!("making {}", log.display()))?;
        self.size = 0;
        self.rotations += 1;
        if self.options.compress && self.options.max_file >= 2 {
            self.compress()?;
        }
        Ok(())
    }

    fn copier(&mut self, stream: Stream) -> &mut Copier {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn rename_upward(&self) -> anyhow::Result<()> {
        let extension = if self.options.compress { ".gz" } else { "" };
        let numbered = |number: usize| {
            let name = format!("{}.{number}{extension}", self.path.display());
            PathBuf::from(name)
        };
        let oldest = self.options.max_file - 1;
        remove_if_there(&numbered(oldest))?;
        for number in (1..oldest).rev() {
            rename_if_there(&numbered(number), &numbered(number + 1))?;
        }
        let first = PathBuf::from(format!("{}.1", self.path.display()));
        rename_if_there(&self.path, &first)
    }

    /// `.1` to `.1.gz`, with the time of the last record in the header's extra field.
    fn compress(&self) -> anyhow::Result<()> {
        let plain = PathBuf::from(format!("{}.1", self.path.display()));
        let packed = PathBuf::from(format!("{}.1.gz", self.path.display()));
        let mut bytes = Vec::new();
        File::open(&plain)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .with_context(|| format!("reading {}", plain.display()))?;
        let file = OpenOptions::new()
            .write(true)
            .truncate(true)
            .create(true)
            .mode(0o640)
            .open(&packed)
            .with_context(|| format!("making {}", packed.display()))?;
        let extra = format!(r#"{{"lastTime":"{}"}}"#, self.last.trimmed());
        let mut encoder = GzBuilder::new().extra(extra).write(file, Compression::default());
        encoder
            .write_all(&bytes)
            .and_then(|()| encoder.finish().map(|_| ()))
            .with_context(|| format!("writing {}", packed.display()))?;
        std::fs::remove_file(&plain).with_context(|| format!("removing {}", plain.display()))
    }
}

/// One record with its newline. `attrs` is `"attrs":{…},` or nothing.
pub(super) fn write_record(
    into: &mut Vec<u8>,
    stream: Stream,
    attrs: &[u8],
    time: Stamp,
    log: &[u8],
) {
    into.push(b'{');
    if !log.is_empty() {
        into.extend_from_slice(b"\"log\":\"");
        escape_into(into, log);
        into.extend_from_slice(b"\",");
    }
    into.extend_from_slice(b"\"stream\":\"");
    into.extend_from_slice(stream.name().as_bytes());
    into.extend_from_slice(b"\",");
    into.extend_from_slice(attrs);
    into.extend_from_slice(b"\"time\":\"");
    time.write_trimmed(into);
    into.extend_from_slice(b"\"}\n");
}

/// By Go's standard encoder, which the daemon uses for this member: it has `\t`, `\b` and `\f`
/// where the log's own has `\u00XX`.
fn write_attrs(into: &mut Vec<u8>, attrs: &BTreeMap<String, String>) {
    let string = |into: &mut Vec<u8>, text: &str| {
        into.push(b'"');
        for part in text.split_inclusive(['\t', '\u{8}', '\u{c}']) {
            let plain = part.trim_end_matches(['\t', '\u{8}', '\u{c}']);
            escape_into(into, plain.as_bytes());
            into.extend_from_slice(match part.as_bytes().last() {
                Some(b'\t') => b"\\t",
                Some(8) => b"\\b",
                Some(12) => b"\\f",
                _ => b"",
            });
        }
        into.push(b'"');
    };
    for (at, (key, value)) in attrs.iter().enumerate() {
        into.push(if at == 0 { b'{' } else { b',' });
        string(into, key);
        into.push(b':');
        string(into, value);
    }
    into.push(b'}');
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn rename_if_there(from: &Path, to: &Path) -> anyhow::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("renaming {}", from.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;

    fn options() -> JsonFileOptions {
        JsonFileOptions { clock: Clock::steps(), ..JsonFileOptions::default() }
    }

    fn writer(options: JsonFileOptions) -> (tempfile::TempDir, JsonFileWriter) {
        let dir = tempfile::tempdir().expect("a directory");
        let writer = JsonFileWriter::new(dir.path(), "c0ffee", options).expect("opens");
        (dir, writer)
    }

    fn content(writer: &JsonFileWriter) -> String {
        std::fs::read_to_string(writer.path()).expect("is there")
    }

    fn logs(writer: &JsonFileWriter) -> Vec<(String, String)> {
        content(writer)
            .lines()
            .map(|line| {
                let record: serde_json::Value = serde_json::from_str(line).expect("is JSON");
                let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
                (text("log"), text("time"))
            })
            .collect()
    }

    #[test]
    fn records_to_the_byte() {
        let (_dir, mut writer) = writer(options());
        writer.write(Stream::Stdout, b"a<b\t\"c\"\nrest").expect("writes");
        writer.write(Stream::Stderr, b"\n").expect("writes");
        writer.finish().expect("writes");
        writer.write_record(Stream::Stdout, Stamp(0), b"").expect("writes");
        assert_eq!(
            content(&writer),
            concat!(
                r#"{"log":"a\u003cb\u0009\"c\"\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#,
                "\n",
                r#"{"log":"\n","stream":"stderr","time":"2026-01-02T03:04:05.000123456Z"}"#,
                "\n",
                r#"{"log":"rest","stream":"stdout","time":"2026-01-02T03:04:05.000246912Z"}"#,
                "\n",
                r#"{"stream":"stdout","time":"1970-01-01T00:00:00Z"}"#,
                "\n",
            )
        );
    }

    #[test]
    fn attributes_stand_before_the_time() {
        let attrs = [("tag", "a\tb&c"), ("env", "prod")];
        let attrs = attrs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let (_dir, mut writer) = writer(JsonFileOptions { attrs, ..options() });
        writer.write_line(Stream::Stdout, b"x").expect("writes");
        assert_eq!(
            content(&writer),
            "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"env\":\"prod\",\"tag\":\
             \"a\\tb\\u0026c\"},\"time\":\"2026-01-02T03:04:05Z\"}\n"
        );
    }

    #[test]
    fn pieces_of_long_lines() {
        let check = |length: usize, expected: &[(usize, &str)]| {
            let (_dir, mut writer) = writer(options());
            writer.write_line(Stream::Stdout, &vec![b'a'; length]).expect("writes");
            let records = logs(&writer);
            let found: Vec<(usize, &str)> = records
                .iter()
                .map(|(log, _)| (log.trim_end().len(), &log[log.trim_end().len()..]))
                .collect();
            assert_eq!(found, expected, "{length}");
            assert!(records.iter().all(|(_, time)| *time == records[0].1), "pieces share a time");
        };
        check(16_383, &[(16_383, "\n")]);
        check(16_384, &[(16_384, ""), (0, "\n")]);
        check(16_385, &[(16_384, ""), (1, "\n")]);
        check(40_000, &[(16_384, ""), (16_384, ""), (7232, "\n")]);
    }

    #[test]
    fn a_piece_per_stream() {
        let (_dir, mut writer) = writer(options());
        writer.write(Stream::Stdout, &[b'x'; 20_000]).expect("writes");
        writer.write_line(Stream::Stderr, b"between").expect("writes");
        writer.write_line(Stream::Stdout, b"").expect("writes");
        let lengths: Vec<usize> = logs(&writer).iter().map(|(log, _)| log.len()).collect();
        assert_eq!(lengths, [16_384, 8, 3617]);
    }

    #[test]
    fn a_character_across_pieces_is_damaged_as_by_docker() {
        let (_dir, mut writer) = writer(options());
        let line = ["a".repeat(16_383), "€".to_owned()].concat();
        writer.write_line(Stream::Stdout, line.as_bytes()).expect("writes");
        let records = logs(&writer);
        assert!(records[0].0.ends_with("a\u{fffd}"));
        assert_eq!(records[1].0, "\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn rotation_renames_upward() {
        let (dir, mut writer) =
            writer(JsonFileOptions { max_size: Some(100), max_file: 3, ..options() });
        for line in 0..8 {
            writer.write_line(Stream::Stdout, format!("line {line}").as_bytes()).expect("writes");
        }
        let read = |suffix: &str| {
            let path = dir.path().join(format!("c0ffee-json.log{suffix}"));
            std::fs::read_to_string(path).unwrap_or_default().matches("line").count()
        };
        // A file may exceed the size by its last record.
        assert_eq!((read(""), read(".1"), read(".2"), read(".3")), (2, 2, 2, 0));
        assert_eq!(writer.rotations(), 3);
        let files = std::fs::read_dir(dir.path()).expect("is there").count();
        assert_eq!(files, 3);
    }

    #[test]
    fn a_single_file_is_deleted() {
        let (dir, mut writer) = writer(JsonFileOptions { max_size: Some(1), ..options() });
        writer.write_line(Stream::Stdout, b"gone").expect("writes");
        writer.write_line(Stream::Stdout, b"kept").expect("writes");
        assert!(content(&writer).contains("kept") && !content(&writer).contains("gone"));
        assert_eq!(std::fs::read_dir(dir.path()).expect("is there").count(), 1);
    }

    #[test]
    fn compressed_rotation_carries_the_last_time() {
        let (dir, mut writer) =
            writer(JsonFileOptions { max_size: Some(1), max_file: 3, compress: true, ..options() });
        for line in ["one", "two", "three", "four"] {
            writer.write_line(Stream::Stdout, line.as_bytes()).expect("writes");
        }
        let read = |number: usize| {
            let path = dir.path().join(format!("c0ffee-json.log.{number}.gz"));
            let mut decoder = GzDecoder::new(File::open(path).expect("is there"));
            let mut text = String::new();
            decoder.read_to_string(&mut text).expect("inflates");
            let extra = decoder.header().and_then(|header| header.extra()).map(<[u8]>::to_vec);
            (text, String::from_utf8(extra.expect("has the field")).expect("is text"))
        };
        let (text, extra) = read(1);
        assert!(text.contains("three"));
        assert_eq!(extra, r#"{"lastTime":"2026-01-02T03:04:05.000246912Z"}"#);
        assert!(read(2).0.contains("two"));
        assert_eq!(std::fs::read_dir(dir.path()).expect("is there").count(), 3);
    }
}
