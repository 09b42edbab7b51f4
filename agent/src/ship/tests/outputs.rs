//! Console and dead letters, which write to real places.

use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::world::*;
use crate::encode::{Encoding, Raw};
use crate::ship::dead_letters::{DeadLetterError, DeadLetterSettings, DeadLetters};
use crate::ship::*;

struct File(Vec<u8>);

impl Raw for File {
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let range = offset as usize..offset as usize + len;
        self.0.get(range).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

fn letter(document: u32) -> Letter {
    let reason = PoisonReason::Mapping;
    let kind = "mapper_parsing_exception".to_owned();
    Letter { document, cause: Cause { reason, status: 400, kind, text: "no \"long\"".into() } }
}

fn lines_in(directory: &std::path::Path) -> Vec<Value> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let text = paths.iter().map(|it| fs::read_to_string(it).unwrap()).collect::<String>();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

#[test]
fn dead_letters_tell_all() {
    let state = tempfile::tempdir().unwrap();
    let settings = DeadLetterSettings::in_state_directory(state.path());
    let mut store = DeadLetters::open(settings.clone()).unwrap();
    let docs = [doc(0, "a", 0), doc(0, "a", 5), doc(0, "a", 8), doc(0, "a", 90), doc(1, "b", 7)];
    let mut sealed = batch_as(1, &docs, Encoding::Gzip);
    sealed.slices[0].raw = Some(Arc::new(File(b"line\n\xff\x00\nrest".to_vec())));
    for (document, raw_len) in sealed.documents.iter_mut().zip([5, 3, 0, 4, 4]) {
        document.raw_len = raw_len;
    }
    let now = crate::core::Now { mono_ns: 1, wall_ns: 1_700_000_000_000_000_000 };
    store.write(now, &sealed, &(0..5).map(letter).collect::<Vec<_>>()).unwrap();

    let lines = lines_in(&settings.directory);
    assert_eq!(lines.len(), 5);
    let first = serde_json::json!({
        "time": "2023-11-14T22:13:20Z", "reason": "mapping", "status": 400,
        "error_type": "mapper_parsing_exception", "error_text": "no \"long\"",
        "index": "a", "id": id(&docs[0]), "source": "source 0", "offset": 0,
        "raw": "line\n", "document": source(&docs[0]),
    });
    assert_eq!(lines[0], first);
    assert_eq!((&lines[1]["raw"], &lines[1]["raw_base64"]), (&Value::Null, &"/wAK".into()));
    let note = |at: usize| lines[at]["raw_note"].as_str().unwrap().to_owned();
    assert!(note(2).contains("one place"));
    assert!(note(3).contains("reading again"));
    assert!(note(4).contains("not at hand"));
    assert_eq!(lines[4]["document"], source(&docs[4]));
}

#[test]
fn dead_letters_rotate_stop_at_the_cap_and_go_on_when_there_is_room() {
    let state = tempfile::tempdir().unwrap();
    let settings = DeadLetterSettings {
        file_bytes_max: 500,
        total_bytes_max: 2_000,
        ..DeadLetterSettings::in_state_directory(state.path())
    };
    let mut store = DeadLetters::open(settings.clone()).unwrap();
    let sealed = batch(1, &[doc(0, "a", 0)]);
    let write = |store: &mut DeadLetters, at: i64| {
        store.write(crate::core::Now { mono_ns: 1, wall_ns: at }, &sealed, &[letter(0)])
    };
    let mut count = 0;
    let error = loop {
        count += 1;
        if let Err(error) = write(&mut store, count) {
            break error;
        }
    };
    assert!(matches!(&error, DeadLetterError::Full { limit: 2_000, .. }), "{error}");
    assert!(error.to_string().contains("dead-letters have reached 2000 bytes; move files away"));
    let files = fs::read_dir(&settings.directory).unwrap().count();
    assert!((3..count as usize).contains(&files), "{files} files for {count} letters");
    assert_eq!(lines_in(&settings.directory).len() as i64, count - 1);

    // The cap holds over a restart, and an operator can make room under a running agent.
    let mut store = DeadLetters::open(settings.clone()).unwrap();
    assert!(write(&mut store, 100).unwrap_err().is_full());
    for entry in fs::read_dir(&settings.directory).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    write(&mut store, 101).unwrap();
    // The open file was moved away: the next letter goes to one that is there.
    fs::remove_dir_all(&settings.directory).unwrap();
    fs::create_dir(&settings.directory).unwrap();
    write(&mut store, 102).unwrap();
    assert_eq!(lines_in(&settings.directory).len(), 1);
}

/// A pipe whose reader goes away after some bytes.
#[derive(Clone)]
struct Pipe {
    taken: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = self.taken.lock().unwrap();
        if taken.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn console_prints_documents_and_ends_with_its_pipe() {
    let pipe = Pipe { taken: Arc::default(), limit: 200 };
    let (sender, mut receipts) = mpsc::unbounded_channel();
    let give: Receipts = Arc::new(move |worker, receipt| sender.send((worker, receipt)).unwrap());
    let runtime = tokio::runtime::Handle::current();
    let handle = console::start(4, pipe.clone(), give, &runtime).unwrap();
    let docs = [doc(0, "a", 0), doc(1, "a", 5)];
    handle.send(batch_as(1, &docs, Encoding::Gzip));
    let (worker, receipt) = receipts.recv().await.unwrap();
    assert_eq!((worker, receipt.batch.0), (3, 1));
    assert_eq!(receipt.outcomes, [Outcome::Acked, Outcome::Acked]);
    let printed = String::from_utf8(pipe.taken.lock().unwrap().clone()).unwrap();
    let expect = docs.iter().map(|it| format!("{}\n", source(it))).collect::<String>();
    assert_eq!(printed, expect);

    let many: Vec<Doc> = (0..50).map(|it| doc(0, "a", it)).collect();
    handle.send(batch(2, &many));
    handle.ended().await;
    assert!(handle.health().ended.unwrap().contains("broken pipe"));
    // Nothing is acknowledged, and a late batch harms nobody.
    handle.send(batch(3, &docs));
    assert!(receipts.recv().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn console_drains_what_it_has() {
    let pipe = Pipe { taken: Arc::default(), limit: 1 << 20 };
    let (sender, mut receipts) = mpsc::unbounded_channel();
    let give: Receipts = Arc::new(move |_, receipt| sender.send(receipt.batch.0).unwrap());
    let runtime = tokio::runtime::Handle::current();
    let handle = console::start(4, pipe, give, &runtime).unwrap();
    (1..=4).for_each(|it| handle.send(batch(it, &[doc(0, "a", it)])));
    assert!(handle.drain(Duration::from_secs(10)).await);
    let mut seen = Vec::new();
    while let Some(batch) = receipts.recv().await {
        seen.push(batch);
    }
    assert_eq!(seen, [1, 2, 3, 4]);
}
