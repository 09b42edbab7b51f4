//! The real driver against real servers, where `SLUICE_SEARCH_URLS` names some (space between);
//! without it the stand-in, made after their transcripts, has to do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use super::world::*;
use crate::encode::{Batch, Encoding};
use crate::ship::dead_letters::DeadLetterSettings;
use crate::ship::elasticsearch::*;
use crate::ship::*;

const PATIENCE: Duration = Duration::from_secs(60);

struct Rig {
    handle: ShipHandle,
    receipts: mpsc::UnboundedReceiver<Receipt>,
    state: tempfile::TempDir,
    /// Ids are new in each run: the servers keep theirs.
    run: u64,
}

impl Rig {
    fn start(url: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let letters = DeadLetterSettings::in_state_directory(state.path());
        let settings = ElasticsearchSettings::new(vec![url.to_owned()], letters);
        let (sender, receipts) = mpsc::unbounded_channel();
        let give: Receipts = Arc::new(move |_, receipt| {
            let _ = sender.send(receipt);
        });
        let runtime = tokio::runtime::Handle::current();
        let handle = start(settings, give, &runtime).unwrap();
        let run = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        Self { handle, receipts, state, run }
    }

    fn seal(&self, number: u64, docs: &[Doc]) -> Batch {
        let offset = self.run % (1 << 43);
        let docs: Vec<Doc> =
            docs.iter().map(|it| Doc { offset: offset + it.offset, ..it.clone() }).collect();
        batch_as(number, &docs, Encoding::Gzip)
    }

    async fn deliver(&mut self, batch: Batch) -> Vec<Outcome> {
        self.handle.send(batch);
        let receipt = tokio::time::timeout(PATIENCE, self.receipts.recv()).await;
        let health = self.handle.health();
        receipt.unwrap_or_else(|_| panic!("no receipt; {health:?}")).unwrap().outcomes
    }
}

async fn check(url: &str) {
    let mut rig = Rig::start(url);
    let docs: Vec<Doc> = (0..1_000).map(|it| doc(it % 2, "sluice-ship", it as u64)).collect();
    let acked = [Outcome::Acked, Outcome::Acked];
    let sealed = rig.seal(1, &docs);
    assert_eq!(rig.deliver(sealed).await, acked, "{url}");
    // The same again, as after a rewind.
    let sealed = rig.seal(2, &docs);
    assert_eq!(rig.deliver(sealed).await, acked, "{url}");
    let conflicts = &rig.handle.counters().conflicts;
    assert_eq!(conflicts.get_or_create(&ByKind { kind: "resent" }).get(), 1_000, "{url}");

    // Another process, with one file that differs.
    let run = rig.run;
    let mut other = Rig { run, ..Rig::start(url) };
    let mut changed = docs.clone();
    changed[1].text = "changed".into();
    let sealed = other.seal(3, &changed);
    assert_eq!(other.deliver(sealed).await, [Outcome::Acked, Outcome::Collided], "{url}");

    // Larger than `http.max_content_length` of 1 MB, with one document that is so alone.
    let mut large: Vec<Doc> = (0..60).map(|it| doc(0, "sluice-ship", 10_000 + it)).collect();
    for doc in &mut large {
        doc.text = "word ".repeat(10_000);
    }
    large[30].text = "word ".repeat(300_000);
    let sealed = rig.seal(4, &large);
    assert_eq!(rig.deliver(sealed).await, [Outcome::Acked], "{url}");
    let reason = PoisonReason::TooLarge.as_str();
    let letters = &rig.handle.counters().dead_letters;
    assert_eq!(letters.get_or_create(&ByReason { reason }).get(), 1, "{url}");
    let files = std::fs::read_dir(rig.state.path().join("dead-letters")).unwrap();
    assert_eq!(files.count(), 1);

    // An index name that no server takes: its slice waits, the other is delivered.
    let sealed = rig.seal(5, &[doc(0, "Capitals", 20_000), doc(1, "sluice-ship", 20_000)]);
    let outcomes = rig.deliver(sealed).await;
    assert!(matches!(outcomes[0], Outcome::Paused { .. }), "{url}: {outcomes:?}");
    assert_eq!(outcomes[1], Outcome::Acked, "{url}");
    assert!(rig.handle.drain(PATIENCE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn real_servers_take_what_the_stand_in_takes() {
    let Ok(urls) = std::env::var("SLUICE_SEARCH_URLS") else { return };
    for url in urls.split_whitespace() {
        check(url).await;
    }
}
