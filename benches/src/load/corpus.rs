//! Large logs for measurements, made faster than they can be read.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::escape::escape_into;
use super::json_file::Stream;
use super::ledger::{Ledger, Written};
use super::stamp::Stamp;
use super::text::{Kind, Texts};
use crate::rng::Rng;

/// Texts are made once and used in turn: 16 384 of them are far more than a compressor's window
/// of 32 KiB, so that it sees no repetition.
const POOL_TEXTS: usize = 16 * 1024;
/// Written at once.
const BLOCK_BYTES: usize = 1 << 20;
/// Mean time between two lines.
const STEP_NANOS: u64 = 43_000;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    pub bytes: u64,
    pub lines: u64,
    /// Bytes of the texts as the application wrote them.
    pub text_bytes: u64,
}

/// A json-file log of at least so many bytes and at most one record more: access, Java, stack
/// and JSON lines, about 231 bytes a record, one time in ten shorter than nine digits.
pub fn corpus(path: &Path, bytes: u64, seed: u64) -> anyhow::Result<Corpus> {
    write(path, bytes, seed, None)
}

/// The same with a number and a checksum before each text, so that a delivery can be verified;
/// records are longer by the name of the source and about 18 bytes.
pub fn corpus_numbered(
    path: &Path,
    bytes: u64,
    seed: u64,
    source: &str,
) -> anyhow::Result<(Corpus, Ledger)> {
    let made = write(path, bytes, seed, Some(source))?;
    let mut ledger = Ledger::default();
    ledger.set(source, Written { lines: made.lines, text_bytes: made.text_bytes });
    Ok((made, ledger))
}

struct PoolText {
    escaped: Vec<u8>,
    length: u64,
    /// Eight hex digits and a space.
    crc: [u8; 9],
    stream: Stream,
}

fn pool(rng: &mut Rng) -> Vec<PoolText> {
    let mut texts = Texts::new(Kind::Mixed, rng.next());
    let mut text = Vec::new();
    let mut made = Vec::with_capacity(POOL_TEXTS);
    for _ in 0..POOL_TEXTS {
        text.clear();
        texts.next_into(&mut text);
        let mut escaped = Vec::new();
        escape_into(&mut escaped, &text);
        let mut crc = [b' '; 9];
        let digits = format!("{:08x}", crc32fast::hash(&text));
        crc[..8].copy_from_slice(digits.as_bytes());
        let stream = if rng.below(16) == 0 { Stream::Stderr } else { Stream::Stdout };
        made.push(PoolText { escaped, length: text.len() as u64, crc, stream });
    }
    made
}

fn write(path: &Path, bytes: u64, seed: u64, source: Option<&str>) -> anyhow::Result<Corpus> {
    let mut rng = Rng::new(seed);
    let pool = pool(&mut rng);
    let mut file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let mut block = Vec::with_capacity(BLOCK_BYTES + 64 * 1024);
    let mut made = Corpus::default();
    let mut time = Time::new(Stamp(1_767_323_045_000_000_000));
    while made.bytes + (block.len() as u64) < bytes {
        let text = &pool[made.lines as usize % POOL_TEXTS];
        block.extend_from_slice(b"{\"log\":\"");
        if let Some(source) = source {
            block.extend_from_slice(source.as_bytes());
            block.push(b' ');
            decimal(&mut block, made.lines);
            block.push(b' ');
            block.extend_from_slice(&text.crc);
        }
        block.extend_from_slice(&text.escaped);
        block.extend_from_slice(match text.stream {
            Stream::Stdout => b"\\n\",\"stream\":\"stdout\",\"time\":\"",
            Stream::Stderr => b"\\n\",\"stream\":\"stderr\",\"time\":\"",
        });
        time.advance(rng.below(2 * STEP_NANOS));
        time.write(&mut block);
        block.extend_from_slice(b"\"}\n");
        made.lines += 1;
        made.text_bytes += text.length;
        if block.len() >= BLOCK_BYTES {
            file.write_all(&block).with_context(|| format!("writing {}", path.display()))?;
            made.bytes += block.len() as u64;
            block.clear();
        }
    }
    file.write_all(&block).with_context(|| format!("writing {}", path.display()))?;
    made.bytes += block.len() as u64;
    Ok(made)
}

/// A clock that keeps the text of its second.
struct Time {
    second: Vec<u8>,
    stamp: u64,
}

impl Time {
    fn new(stamp: Stamp) -> Self {
        let mut time = Self { second: Vec::new(), stamp: stamp.0 };
        time.render();
        time
    }

    fn advance(&mut self, nanos: u64) {
        let before = self.stamp / 1_000_000_000;
        self.stamp += nanos;
        if self.stamp / 1_000_000_000 != before {
            self.render();
        }
    }

    fn render(&mut self) {
        self.second.clear();
        Stamp(self.stamp / 1_000_000_000 * 1_000_000_000).write_trimmed(&mut self.second);
        self.second.pop();
    }

    /// As [`Stamp::write_trimmed`].
    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.second);
        let mut nanos = self.stamp % 1_000_000_000;
        if nanos > 0 {
            let mut digits = [b'.'; 10];
            for digit in digits[1..].iter_mut().rev() {
                *digit = b'0' + (nanos % 10) as u8;
                nanos /= 10;
            }
            let end = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
            into.extend_from_slice(&digits[..end]);
        }
        into.push(b'Z');
    }
}

fn decimal(into: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            into.extend_from_slice(&digits[at..]);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;

    use super::super::json_file::write_record;
    use super::*;
    use crate::line::Line;

    #[test]
    fn every_record_is_dockers_to_the_byte() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("corpus.log");
        let (made, ledger) = corpus_numbered(&path, 3_000_000, 1, "bulk").expect("writes");
        let content = std::fs::read(&path).expect("is there");
        assert_eq!(content.len() as u64, made.bytes);
        let mut short_times = 0;
        for (number, line) in content.lines().enumerate() {
            let line = line.expect("is text");
            let record: serde_json::Value = serde_json::from_str(&line).expect("is JSON");
            let text = |key: &str| record[key].as_str().expect("is text");
            let time = text("time");
            short_times += usize::from(time.len() < 30);
            let stream = if text("stream") == "stdout" { Stream::Stdout } else { Stream::Stderr };
            let log = text("log");
            let parsed =
                Line::parse(log.strip_suffix('\n').expect("ends").as_bytes()).expect("is ours");
            assert!(parsed.is_intact() && parsed.seq == number as u64);
            let mut again = Vec::new();
            write_record(&mut again, stream, b"", Stamp(0), log.as_bytes());
            let again = String::from_utf8(again).expect("is text");
            assert_eq!(again.replace("1970-01-01T00:00:00Z", time).trim_end(), line);
        }
        assert_eq!(ledger.lines(), made.lines);
        let share = short_times as f64 / made.lines as f64;
        assert!((0.08..0.12).contains(&share), "{share}");
    }

    #[test]
    fn records_have_the_length_of_real_ones() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("corpus.log");
        let made = corpus(&path, 5_000_000, 1).expect("writes");
        let mean = made.bytes as f64 / made.lines as f64;
        assert!((221.0..241.0).contains(&mean), "{mean}");
    }
}
