//! What the driver wrote, read back naively: the log files of a container, all of them.
//!
//! Docker itself damages what applications write (bytes that are no UTF-8, characters of several
//! bytes at 16 KiB), so the files and not the applications say what has to arrive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sluice_bench::standin::Document;

/// Per stream, the texts of its lines in order.
pub(crate) type Streams = BTreeMap<String, Vec<String>>;

/// Reads all files of a container's directory, from the oldest to the current one.
///
/// The container must not write meanwhile. Pieces are joined; what has no newline at the end
/// counts as a line if the container has ended.
pub(crate) fn written(directory: &Path) -> Streams {
    let mut streams = Streams::new();
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    for bytes in files(directory).expect("the log files can be read") {
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Value = serde_json::from_slice(line).expect("Docker writes valid JSON");
            let stream = record["stream"].as_str().expect("a stream").to_owned();
            let text = record["log"].as_str().expect("a log");
            let begun = open.entry(stream.clone()).or_default();
            begun.push_str(text);
            if begun.ends_with('\n') {
                begun.pop();
                streams.entry(stream).or_default().push(std::mem::take(begun));
            }
        }
    }
    for (stream, rest) in open.into_iter().filter(|(_, rest)| !rest.is_empty()) {
        streams.entry(stream).or_default().push(rest);
    }
    streams
}

/// The same of what arrived of a container, in the order of the sortable key.
pub(crate) fn arrived(documents: &[Document], container_id: &str) -> Streams {
    let mut rows: Vec<(String, String, String)> = documents
        .iter()
        .filter(|document| {
            document.text(&["container", "id"]).is_some_and(|found| found == container_id)
        })
        .map(|document| {
            let field = |path: &[&str]| document.text(path).expect("every document has it");
            (field(&["log", "order"]), field(&["stream"]), field(&["message"]))
        })
        .collect();
    rows.sort();
    let mut streams = Streams::new();
    for (_, stream, message) in rows {
        streams.entry(stream).or_default().push(message);
    }
    streams
}

/// A panic that shows the first difference, and not megabytes of lines.
pub(crate) fn assert_same(arrived: &Streams, written: &Streams, what: &str) {
    for (stream, expected) in written {
        let nothing = Vec::new();
        let found = arrived.get(stream).unwrap_or(&nothing);
        let first =
            (0..expected.len().max(found.len())).find(|&at| expected.get(at) != found.get(at));
        if let Some(at) = first {
            let shown = |lines: &[String]| {
                lines.get(at).map(|line| line.chars().take(200).collect::<String>())
            };
            panic!(
                "{what}, {stream}: {} lines were written and {} arrived; the first that differs \
                 is number {at}:\nwritten {:?}\narrived {:?}",
                expected.len(),
                found.len(),
                shown(expected),
                shown(found)
            );
        }
    }
    for stream in arrived.keys() {
        assert!(written.contains_key(stream), "{what}: {stream} arrived and was never written");
    }
}

/// Records in the files, also while the container writes; 0 while there are none.
pub(crate) fn records(directory: &Path) -> usize {
    // A rotation in between moves files away under us; the next look sees them.
    let contents = files(directory).unwrap_or_default();
    contents.iter().flatten().filter(|&&byte| byte == b'\n').count()
}

/// Contents from the oldest to the newest: `-json.log.2.gz`, `-json.log.1`, `-json.log`.
fn files(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut found: Vec<(u32, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((_, rest)) = name.split_once("-json.log") else { continue };
        let is_compressed = rest.ends_with(".gz");
        let number = rest.trim_start_matches('.').trim_end_matches(".gz");
        let number = if number.is_empty() { Ok(0) } else { number.parse() };
        let Ok(number) = number else { continue };
        let mut bytes = Vec::new();
        let mut file = File::open(entry.path())?;
        if is_compressed {
            MultiGzDecoder::new(file).read_to_end(&mut bytes)?;
        } else {
            file.read_to_end(&mut bytes)?;
        }
        found.push((number, bytes));
    }
    // Plain and compressed of one number stand beside each other only while Docker compresses.
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    Ok(found.into_iter().map(|(_, bytes)| bytes).collect())
}
