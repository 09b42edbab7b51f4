//! What the server holds, against what was written.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;

use serde_json::{Value, json};

use super::common::{IN_TIME, wait_until};
use super::node::{Agent, Pod};
use super::server::{Server, log_pilots_properties};
use super::station::until;

/// Documents of one test.
const DOCUMENTS_MAX: u32 = 10_000;

pub(crate) struct Received<'a> {
    server: &'a Server,
}

/// Today's indices as log-pilot left them: its mapping, under its type where there are types.
pub(crate) fn put_todays_indices(server: &Server) {
    let properties = log_pilots_properties();
    // The agent has the machine's zone, as it has its `/etc/localtime`.
    let day = Command::new("date").arg("+%Y.%m.%d").output().expect("date can be started").stdout;
    let day = String::from_utf8(day).expect("digits").trim().to_owned();
    for target in ["catalina", "access"] {
        server.create_index_of("fluentd", &format!("{target}-{day}"), &properties);
    }
}

impl<'a> Received<'a> {
    pub(crate) fn of(server: &'a Server) -> Self {
        Self { server }
    }

    /// Any document of an index.
    pub(crate) fn one(&self, target: &str) -> Value {
        self.all(target).into_iter().next().expect("there is one")
    }

    fn all(&self, target: &str) -> Vec<Value> {
        let pattern = format!("{target}-*");
        if self.server.count(&pattern) == 0 {
            return Vec::new();
        }
        let query = json!({"size": DOCUMENTS_MAX});
        let answer = self.server.ask("POST", &format!("/{pattern}/_search"), &query);
        let hits = answer["hits"]["hits"].as_array().expect("hits").clone();
        hits.into_iter().map(|hit| hit["_source"].clone()).collect()
    }

    pub(crate) fn documents(&self) -> u64 {
        self.server.count("catalina-*") + self.server.count("access-*")
    }

    /// Lines in the file's index.
    pub(crate) fn lines(&self) -> usize {
        self.server.count("access-*") as usize
    }

    #[track_caller]
    pub(crate) fn await_lines(&self, pod: &Pod, lines: usize, agent: &Agent<'_>) {
        self.await_that(pod, agent, |stdout, file| stdout >= lines && file >= lines);
    }

    /// These lines of the container that log-pilot had collected, each once, and no others.
    #[track_caller]
    pub(crate) fn await_rest(&self, target: &str, lines: Range<usize>, agent: &Agent<'_>) {
        let messages = || {
            let all = self.all(target);
            let mut all: Vec<String> = all
                .iter()
                .map(|document| document["message"].as_str().unwrap_or_default().to_owned())
                .collect();
            all.sort();
            all
        };
        let mut expect: Vec<String> = lines.map(|number| format!("line {number}")).collect();
        expect.sort();
        let arrived = wait_until(IN_TIME, || messages().len() >= expect.len());
        assert!(arrived, "{:?}\n{}", messages(), agent.log());
        assert_eq!(messages(), expect, "{target}: {}", agent.log());
    }

    /// Everything that is in the pod's file, and as much of its output.
    #[track_caller]
    pub(crate) fn await_all(&self, pod: &Pod, agent: &Agent<'_>) {
        // It may still be written.
        until("the pod writes no more", IN_TIME, || {
            let before = pod.written().len();
            std::thread::sleep(std::time::Duration::from_millis(300));
            (pod.written().len() == before).then_some(())
        });
        let all = pod.written().len();
        self.await_that(pod, agent, |stdout, file| stdout >= all && file >= all);
    }

    #[track_caller]
    fn await_that(&self, pod: &Pod, agent: &Agent<'_>, is_it: impl Fn(usize, usize) -> bool) {
        let deadline = std::time::Instant::now() + IN_TIME;
        loop {
            let counts = (self.server.count("catalina-*") as usize, self.lines());
            if is_it(counts.0, counts.1) {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{counts:?} of stdout and file arrived, {} are written\n{}",
                pod.written().len(),
                agent.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// Each line of the file once in its index; of stdout each line that is in the file, and at most
    /// the one beyond it that was written when its container was killed.
    #[track_caller]
    pub(crate) fn expect_exactly_once(&self, pod: &Pod, agent: &Agent<'_>) {
        let counted = |target: &str| {
            let mut counts: BTreeMap<String, u32> = BTreeMap::new();
            for document in self.all(target) {
                let message = document["message"].as_str().unwrap_or_default().to_owned();
                *counts.entry(message).or_default() += 1;
            }
            counts
        };
        let written = pod.written();
        let file = counted("access");
        let stdout = counted("catalina");
        for counts in [&file, &stdout] {
            let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
            assert!(doubled.is_empty(), "doubled: {doubled:?}\n{}", agent.log());
            let missing: Vec<_> =
                written.iter().filter(|line| !counts.contains_key(*line)).collect();
            assert!(missing.is_empty(), "missing: {missing:?}\n{}", agent.log());
        }
        assert_eq!(file.len(), written.len(), "what nobody wrote\n{}", agent.log());
        assert!(stdout.len() <= written.len() + 4, "{} and {}", stdout.len(), written.len());
    }
}
