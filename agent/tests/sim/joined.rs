//! When an event of several lines is sent that no next one ends.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sluice::core::{JoinRules, Now, Origin, SourceKey, SourceToken};
use sluice::decode::Format;
use sluice::encode::{Codec, Rules, Shape, Target, document, inflate};
use sluice::read::Begin;
use sluice::ship::{Outcome, Receipt};
use sluice::watch::{Begun, News};
use sluice::worker::{Follow, Input, Output, Worker, WorkerCounters, WorkerSettings};

use crate::disk::{Disk, SimFiles};
use crate::rng::Rng;

const MILLISECOND: u64 = 1_000_000;
const TOKEN: SourceToken = SourceToken(0);

/// One log, one worker, and a store that keeps at once whatever it is given.
struct Node {
    disk: Rc<RefCell<Disk>>,
    inode: usize,
    worker: Worker<SimFiles>,
    now: Now,
    inputs: Vec<Input>,
    /// What was sent, and when.
    sent: Vec<(u64, Value)>,
}

impl Node {
    fn new(timeout_ms: u32) -> Self {
        let disk = Rc::new(RefCell::new(Disk::default()));
        let directory = PathBuf::from("/containers/c");
        let inode = disk.borrow_mut().create(&directory, "c-json.log", 0);
        let settings = WorkerSettings {
            index: 0,
            shape: Shape::Ecs,
            codec: Codec::Stored,
            batch_bytes: 1 << 20,
            flush_interval: Duration::ZERO,
            partial_timeout: Duration::from_secs(5),
            commit_interval: Duration::from_secs(1),
        };
        let rng = Rng::new(0);
        let files = SimFiles { disk: disk.clone(), rng, late: Vec::new(), scans: Vec::new() };
        let join = JoinRules { pattern: "^ ".to_owned(), timeout_ms, ..JoinRules::default() };
        let rules = Rules {
            target: "t".to_owned(),
            event_bytes_max: 4 << 20,
            join: Some(join),
            ..Rules::default()
        };
        let follow = Follow {
            source: TOKEN,
            key: SourceKey::docker("c"),
            directory: directory.into(),
            format: Format::Docker,
            current: "c-json.log".to_owned(),
            path: "/log".to_owned(),
            origin: Origin::default(),
            target: Target::new(rules).expect("a legal zone").into(),
            opened: Vec::new(),
            record: None,
            begin: Begin::default(),
            ended: false,
        };
        Self {
            disk,
            inode,
            worker: Worker::new(settings, WorkerCounters::default(), files),
            now: Now { mono_ns: 1_000 * MILLISECOND, wall_ns: 1_795_651_200_000_000_000 },
            inputs: vec![Input::Follow(Box::new(follow))],
            sent: Vec::new(),
        }
    }

    fn write(&mut self, stream: &str, text: &str) {
        let line = format!(
            "{{\"log\":\"{text}\",\"stream\":\"{stream}\",\"time\":\"2026-11-26T00:00:00.1Z\"}}\n"
        );
        self.disk.borrow_mut().inodes[self.inode].bytes.extend_from_slice(line.as_bytes());
        self.inputs.push(Input::News(News {
            source: TOKEN,
            names: false,
            begun: Begun::default(),
        }));
    }

    fn milliseconds(&self) -> u64 {
        self.now.mono_ns / MILLISECOND
    }

    /// Lets 10 ms pass.
    fn pass(&mut self) {
        self.now.mono_ns += 10 * MILLISECOND;
        for _ in 0..100 {
            let mut outputs = Vec::new();
            self.worker.step(self.now, self.inputs.drain(..), &mut outputs);
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::Commit(commit) => self.inputs.push(Input::Committed(commit.sequence)),
                    Output::Send(batch) => {
                        let body = inflate(&batch).expect("the batch is whole");
                        for number in 0..batch.documents.len() {
                            let text = std::str::from_utf8(&body[document(&batch, number)]);
                            let line = text.expect("JSON").lines().nth(1).expect("a document");
                            let value = serde_json::from_str(line).expect("JSON");
                            self.sent.push((self.milliseconds(), value));
                        }
                        let outcomes = vec![Outcome::Acked; batch.slices.len()];
                        self.inputs.push(Input::Receipt(Receipt { batch: batch.id, outcomes }));
                    }
                    Output::Lost(loss) => panic!("{loss:?}"),
                    Output::Gone(..) => {}
                }
            }
        }
        panic!("the worker never comes to rest");
    }

    fn when(&self, message: &str) -> Option<u64> {
        self.sent.iter().find(|(_, value)| value["message"] == message).map(|(at, _)| *at)
    }
}

#[test]
fn a_busy_stream_does_not_hold_back_the_event_of_the_other_one() {
    let mut node = Node::new(2_000);
    node.pass();
    node.write("stdout", "a\\n");
    node.write("stdout", " b\\n");
    let written = node.milliseconds();
    for number in 0..400 {
        if number % 5 == 0 {
            node.write("stderr", &format!("busy {number}\\n"));
        }
        node.pass();
        if number == 100 {
            assert_eq!(node.when("a\n b"), None);
        }
    }
    let waited = node.when("a\n b").expect("it was sent") - written;
    assert!((2_000..2_500).contains(&waited), "after {waited} ms");
    // The busy one's events end each other.
    assert!(node.when("busy 0").is_some_and(|at| at - written < 1_000));
    assert!(node.sent.iter().all(|(_, value)| value["event"]["partial"].is_null()));
}

#[test]
fn an_unfinished_line_has_the_time_of_one() {
    let mut node = Node::new(500);
    node.pass();
    node.write("stdout", "a\\n");
    node.write("stdout", " prompt");
    let written = node.milliseconds();
    for _ in 0..600 {
        node.pass();
    }
    for message in ["a", " prompt"] {
        let waited = node.when(message).expect("it was sent") - written;
        assert!((5_000..5_500).contains(&waited), "{message:?} after {waited} ms");
    }
}
