//! Where reading begins in a file that nothing is known of.

use std::io;

use super::StartAt;
use super::file::OpenFile;

/// A line that crosses a probe is looked for within this.
const PROBE_BYTES: usize = 256 << 10;

/// The offset of the first record to read: at a record's beginning, or at the end. Blocks.
pub(super) fn start_offset(file: &OpenFile, start: StartAt) -> io::Result<u64> {
    let size = file.stat()?.size;
    match (start, &file.archive) {
        (StartAt::Head, _) | (StartAt::Since(_), Some(_)) => Ok(0),
        // What was compressed was complete before anyone asked for what is new.
        (StartAt::End, Some(_)) => Ok(u64::MAX >> 1),
        (StartAt::End, None) => line_start_before(file, size),
        // Its offsets are those of the inflated bytes in any case.
        (StartAt::Offset(offset), Some(_)) => Ok(offset),
        (StartAt::Offset(offset), None) => line_start_before(file, offset.min(size)),
        (StartAt::Since(wall_ns), None) => first_since(file, size, wall_ns),
    }
}

/// The beginning of the line that reaches beyond `end`, or `end` itself behind a newline.
fn line_start_before(file: &OpenFile, end: u64) -> io::Result<u64> {
    let mut end = end;
    let mut buffer = vec![0; PROBE_BYTES];
    while end > 0 {
        let start = end.saturating_sub(PROBE_BYTES as u64);
        let wanted = (end - start) as usize;
        let bytes = file.read_at(&mut buffer[..wanted], start)?;
        if let Some(newline) = memchr::memrchr(b'\n', &buffer[..bytes]) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Bisects by the times of the records, which rise but for a jitter between the two streams.
fn first_since(file: &OpenFile, size: u64, wall_ns: i64) -> io::Result<u64> {
    // Everything that begins before `low` is too old, and `high` is a beginning that is not, or
    // the end.
    let (mut low, mut high) = (0, line_start_before(file, size)?);
    while low < high {
        // At a record's beginning, at or before the middle, and not before `low`.
        let middle = line_start_before(file, low + (high - low) / 2)?.max(low);
        if time_at(file, middle)?.is_some_and(|time| time < wall_ns) {
            // Without a newline in reach it is a record that is still being written.
            low = newline_from(file, middle)?.map_or(high, |newline| newline + 1);
        } else {
            high = middle;
        }
    }
    Ok(high)
}

fn newline_from(file: &OpenFile, from: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; PROBE_BYTES];
    let bytes = file.read_at(&mut buffer, from)?;
    Ok(memchr::memchr(b'\n', &buffer[..bytes]).map(|at| from + at as u64))
}

fn time_at(file: &OpenFile, start: u64) -> io::Result<Option<i64>> {
    let mut buffer = vec![0; PROBE_BYTES];
    let bytes = file.read_at(&mut buffer, start)?;
    let line = buffer[..bytes].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(at) = memchr::memmem::rfind(line, b"\"time\":\"") else { return Ok(None) };
    let text = line[at + 8..].split(|byte| *byte == b'"').next().unwrap_or_default();
    let time = std::str::from_utf8(text).ok().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(time.and_then(|time| i64::try_from(time.as_nanosecond()).ok()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(lines: u32) -> (OpenFile, Vec<u64>) {
        let mut file = tempfile::tempfile().unwrap();
        let mut starts = Vec::new();
        let mut text = String::new();
        for number in 0..lines {
            starts.push(text.len() as u64);
            let pad = "x".repeat((number as usize * 7919) % 300);
            let time = format!("2026-11-25T10:{:02}:{:02}Z", number / 60, number % 60);
            text.push_str("{\"log\":\"");
            text.push_str(&pad);
            text.push_str("\\n\",\"stream\":\"stdout\",\"time\":\"");
            text.push_str(&time);
            text.push_str("\"}\n");
        }
        file.write_all(text.as_bytes()).unwrap();
        (OpenFile::from_file(file).unwrap(), starts)
    }

    #[test]
    fn the_end_is_behind_the_last_newline() {
        let (open, _) = file(10);
        let size = open.stat().unwrap().size;
        assert_eq!(start_offset(&open, StartAt::End).unwrap(), size);
        let mut torn = open.file();
        torn.write_all(b"{\"log\":\"half").unwrap();
        assert_eq!(start_offset(&open, StartAt::End).unwrap(), size);
        assert_eq!(start_offset(&open, StartAt::Head).unwrap(), 0);
    }

    #[test]
    fn since_finds_the_first_record_that_is_young_enough() {
        let (open, starts) = file(600);
        let size = open.stat().unwrap().size;
        let base = "2026-11-25T10:00:00Z".parse::<jiff::Timestamp>().unwrap();
        let base = i64::try_from(base.as_nanosecond()).unwrap();
        for number in (0..600).step_by(7) {
            let since = base + i64::from(number) * 1_000_000_000;
            let found = start_offset(&open, StartAt::Since(since)).unwrap();
            assert_eq!(found, starts[number as usize], "record {number}");
        }
        assert_eq!(start_offset(&open, StartAt::Since(base + (1 << 50))).unwrap(), size);
        assert_eq!(start_offset(&open, StartAt::Since(base - (1 << 50))).unwrap(), 0);
    }
}
