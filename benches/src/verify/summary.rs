//! The result of a comparison, and its table.

use std::fmt;
use std::ops::Range;

use super::received::{EXAMPLES_MAX, Received, SourceReceived};
use crate::load::ledger::Ledger;

/// Rows of sources that the table shows at most, the faulty ones first.
const ROWS_MAX: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSummary {
    pub source: String,
    /// Lines in the ledger.
    pub written: u64,
    /// Distinct lines that arrived.
    pub received: u64,
    pub missing: u64,
    /// The first ranges of missing lines.
    pub missing_ranges: Vec<Range<u64>>,
    /// Times that a line came again, as another document.
    pub doubled: u64,
    pub doubled_examples: Vec<u64>,
    pub corrupt: u64,
    pub corrupt_examples: Vec<u64>,
    /// Lines whose sort key is below that of the line before.
    pub out_of_order: u64,
    pub out_of_order_examples: Vec<u64>,
    /// Lines with a number that was never written.
    pub unwritten: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub sources: Vec<SourceSummary>,
    pub documents: u64,
    /// Lines of no known source or of another format.
    pub foreign: u64,
    pub foreign_examples: Vec<String>,
}

impl Summary {
    pub(super) fn new(ledger: &Ledger, received: &Received) -> Self {
        let nothing = SourceReceived::default();
        let sources = ledger.sources().map(|(source, written)| {
            let arrived = received.sources.get(source).unwrap_or(&nothing);
            SourceSummary::new(source, written.lines, arrived)
        });
        let sources = sources.collect();
        let unknown: Vec<_> =
            received.sources.iter().filter(|(source, _)| ledger.get(source).is_none()).collect();
        let mut foreign_examples = received.foreign_examples.clone();
        foreign_examples
            .extend(unknown.iter().map(|(source, _)| format!("source {source} is in no ledger")));
        Self {
            sources,
            documents: received.documents,
            foreign: received.foreign
                + unknown.iter().map(|(_, source)| source.lines + source.doubled).sum::<u64>(),
            foreign_examples,
        }
    }

    /// Sum of all sources.
    pub fn total(&self) -> SourceSummary {
        let mut total = SourceSummary { source: "total".to_owned(), ..SourceSummary::default() };
        for source in &self.sources {
            total.written += source.written;
            total.received += source.received;
            total.missing += source.missing;
            total.doubled += source.doubled;
            total.corrupt += source.corrupt;
            total.out_of_order += source.out_of_order;
            total.unwritten += source.unwritten;
        }
        total
    }

    /// Every line once, whole and in order. Foreign lines do not count against it: a shared
    /// server has other documents too.
    pub fn is_clean(&self) -> bool {
        self.total().is_clean()
    }
}

impl SourceSummary {
    fn new(source: &str, written: u64, received: &SourceReceived) -> Self {
        let mut summary = Self {
            source: source.to_owned(),
            written,
            received: received.lines,
            doubled: received.doubled,
            doubled_examples: received.doubled_examples.iter().copied().collect(),
            corrupt: received.corrupt,
            corrupt_examples: received.corrupt_examples.iter().copied().collect(),
            ..Self::default()
        };
        let mut expected = 0;
        let mut last_key = 0;
        for (seq, key) in received.seen() {
            if seq >= written {
                summary.unwritten += 1;
                continue;
            }
            summary.note_gap(expected..seq);
            expected = seq + 1;
            if key == 0 {
                continue;
            }
            if key < last_key {
                summary.out_of_order += 1;
                if summary.out_of_order_examples.len() < EXAMPLES_MAX {
                    summary.out_of_order_examples.push(seq);
                }
            }
            last_key = key;
        }
        summary.note_gap(expected..written);
        summary
    }

    pub fn is_clean(&self) -> bool {
        self.missing == 0
            && self.doubled == 0
            && self.corrupt == 0
            && self.out_of_order == 0
            && self.unwritten == 0
    }

    fn note_gap(&mut self, gap: Range<u64>) {
        if gap.is_empty() {
            return;
        }
        self.missing += gap.end - gap.start;
        if self.missing_ranges.len() < EXAMPLES_MAX {
            self.missing_ranges.push(gap);
        }
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        writeln!(
            f,
            "{:<width$}  {:>10}  {:>10}  {:>9}  {:>9}  {:>9}  {:>9}",
            self.source,
            self.written,
            self.received,
            self.missing,
            self.doubled,
            self.corrupt,
            self.out_of_order,
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<&SourceSummary> = self.sources.iter().collect();
        rows.sort_by_key(|source| source.is_clean());
        let left_out = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        let width = rows.iter().map(|row| row.source.len()).max().unwrap_or(0).max(6);
        writeln!(
            f,
            "{:<width$}  {:>10}  {:>10}  {:>9}  {:>9}  {:>9}  {:>9}",
            "source", "written", "received", "missing", "doubled", "corrupt", "disorder",
        )?;
        for row in &rows {
            row.row(f, width)?;
        }
        if left_out > 0 {
            writeln!(f, "… and {left_out} more")?;
        }
        self.total().row(f, width)?;
        writeln!(f, "{} documents, {} foreign lines", self.documents, self.foreign)?;
        for row in rows.iter().filter(|row| !row.is_clean()) {
            writeln!(
                f,
                "{}: missing {:?} doubled {:?} corrupt {:?} disorder {:?} unwritten {}",
                row.source,
                &row.missing_ranges[..row.missing_ranges.len().min(5)],
                &row.doubled_examples[..row.doubled_examples.len().min(5)],
                &row.corrupt_examples[..row.corrupt_examples.len().min(5)],
                &row.out_of_order_examples[..row.out_of_order_examples.len().min(5)],
                row.unwritten,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::write_line;

    fn ledger(lines: u64) -> Ledger {
        let mut ledger = Ledger::default();
        (0..lines).for_each(|_| ledger.note("web", 4));
        ledger
    }

    fn message(seq: u64) -> Vec<u8> {
        let mut message = Vec::new();
        write_line(&mut message, "web", seq, b"text");
        message
    }

    fn order(seq: u64) -> Vec<u8> {
        format!("2026-11-25T08:00:00.000000000Z-{seq:011x}").into_bytes()
    }

    #[test]
    fn a_whole_delivery_is_clean() {
        let mut received = Received::new();
        for seq in (0..10_000).rev() {
            received.take(&message(seq), Some(&order(seq)));
        }
        let summary = Summary::new(&ledger(10_000), &received);
        assert!(summary.is_clean(), "{summary}");
        assert_eq!(summary.total().received, 10_000);
    }

    #[test]
    fn planted_faults_are_found() {
        let mut received = Received::new();
        for seq in 0..100 {
            let mut text = message(seq);
            match seq {
                17 | 18 | 99 => continue,
                40 => *text.last_mut().expect("not empty") = b'!',
                50 => received.take(&text, Some(&order(seq))),
                _ => {}
            }
            let key = if seq == 70 { order(0) } else { order(seq) };
            received.take(&text, Some(&key));
        }
        received.take(b"not of this load", None);
        let summary = Summary::new(&ledger(100), &received);
        let web = &summary.sources[0];
        assert_eq!(web.missing_ranges, [17..19, 99..100]);
        assert_eq!(web.missing, 3);
        assert_eq!((web.corrupt, &web.corrupt_examples[..]), (1, &[40][..]));
        assert_eq!((web.doubled, &web.doubled_examples[..]), (1, &[50][..]));
        assert_eq!((web.out_of_order, &web.out_of_order_examples[..]), (1, &[70][..]));
        assert_eq!(summary.foreign, 1);
        assert!(!summary.is_clean());
        assert!(summary.to_string().contains("missing [17..19, 99..100]"), "{summary}");
    }
}
