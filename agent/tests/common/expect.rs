//! The expectation that counts: every line once, whole and in order.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sluice_bench::load::Ledger;
use sluice_bench::standin::{Document, Standin};

use super::{IN_TIME, wait_until};

/// Waits until all lines are there, and asserts that nothing is missing, doubled, corrupt, out of
/// order or foreign. What comes twice may come late, so that the verdict belongs behind the agent's
/// end.
#[track_caller]
pub fn expect_exactly_once(standin: &Standin, ledger: &Ledger) {
    expect_exactly_once_but(standin, ledger, 0);
}

/// The same with so many lines that are meant not to arrive.
#[track_caller]
pub fn expect_exactly_once_but(standin: &Standin, ledger: &Ledger, missing: u64) {
    let expected = ledger.lines() - missing;
    let arrived = standin.wait_count(expected, IN_TIME);
    let summary = standin.verify(ledger);
    let total = summary.total();
    assert!(arrived, "after {IN_TIME:?}:\n{summary}{:#?}", standin.snapshot());
    assert_eq!(total.missing, missing, "{summary}");
    assert_eq!(total.doubled, 0, "{summary}{:#?}", twins(&standin.documents()));
    assert_eq!(total.corrupt, 0, "{summary}");
    assert_eq!(total.out_of_order, 0, "{summary}");
    assert_eq!(total.unwritten, 0, "{summary}");
    assert_eq!(summary.foreign, 0, "{summary}{:#?}", summary.foreign_examples);
    assert_eq!(summary.documents, expected, "{summary}");
    assert_eq!(standin.ids_seen_twice(), 0, "one id in two indices: {:?}", standin.snapshot());
    assert!(expected > 0, "a test of nothing");
}

/// Documents with one message, to be looked at: the first few, each with its other ids.
fn twins(documents: &[Document]) -> Vec<(String, Vec<String>)> {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for document in documents {
        let message = document.text(&["message"]).unwrap_or_default();
        let shown = message.chars().take(60).collect();
        let order = document.text(&["log", "order"]).unwrap_or_default();
        ids.entry(shown).or_default().push(format!("{} {} {order}", document.index, document.id));
    }
    ids.into_iter().filter(|(_, ids)| ids.len() > 1).take(5).collect()
}

/// Messages of one container and stream in the order of their sort keys, joined.
pub fn joined_by_order(documents: &[Document], container: &str, stream: &str) -> String {
    let mut pieces: Vec<(String, String)> = documents
        .iter()
        .filter(|document| {
            document.text(&["container", "name"]).as_deref() == Some(container)
                && document.text(&["stream"]).as_deref() == Some(stream)
        })
        .map(|document| {
            let order = document.text(&["log", "order"]).expect("has a sort key");
            (order, document.text(&["message"]).expect("has a message"))
        })
        .collect();
    pieces.sort();
    pieces.into_iter().map(|(_, message)| message).collect()
}

/// All dead letters of a state directory. Several letters of one document count once.
pub fn dead_letters(state_dir: &Path) -> Vec<Value> {
    let Ok(entries) = std::fs::read_dir(state_dir.join("dead-letters")) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("can be listed").path()).collect();
    paths.sort();
    let mut letters: Vec<Value> = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("can be read");
        // The last one may be on its way while the agent runs: it has no newline yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let letter: Value = serde_json::from_str(line).expect("each line is a JSON object");
            if !letters.iter().any(|known| known["id"] == letter["id"]) {
                letters.push(letter);
            }
        }
    }
    letters
}

/// Waits until there are at least so many dead letters.
#[track_caller]
pub fn wait_for_dead_letters(state_dir: &Path, letters: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let arrived = wait_until(IN_TIME, || {
        found = dead_letters(state_dir);
        found.len() >= letters
    });
    assert!(arrived, "{} of {letters} dead letters: {found:#?}", found.len());
    found
}
