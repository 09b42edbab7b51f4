//! What was written: the one side of every comparison.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Per source: how many lines, numbered from 0 without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    sources: BTreeMap<String, Written>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub lines: u64,
    /// Bytes of the texts, without source, number and checksum.
    pub text_bytes: u64,
}

impl Ledger {
    /// Notes the next line of a source.
    pub fn note(&mut self, source: &str, text_bytes: usize) {
        if let Some(written) = self.sources.get_mut(source) {
            written.lines += 1;
            written.text_bytes += text_bytes as u64;
        } else {
            let written = Written { lines: 1, text_bytes: text_bytes as u64 };
            self.sources.insert(source.to_owned(), written);
        }
    }

    /// States that a source wrote so many lines in all.
    pub fn set(&mut self, source: &str, written: Written) {
        self.sources.insert(source.to_owned(), written);
    }

    /// Adds the sources of another ledger; a source in both counts with the larger number.
    pub fn merge(&mut self, other: &Self) {
        for (source, written) in &other.sources {
            let mine = self.sources.entry(source.clone()).or_default();
            if written.lines > mine.lines {
                *mine = *written;
            }
        }
    }

    pub fn lines(&self) -> u64 {
        self.sources.values().map(|written| written.lines).sum()
    }

    pub fn get(&self, source: &str) -> Option<Written> {
        self.sources.get(source).copied()
    }

    pub fn sources(&self) -> impl Iterator<Item = (&str, Written)> {
        self.sources.iter().map(|(source, written)| (source.as_str(), *written))
    }

    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("ledger {}", path.display()))?;
        serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("ledger {}", path.display()))
    }

    /// Replaces the file in one step.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let fresh = path.with_extension("tmp");
        let mut file = BufWriter::new(
            File::create(&fresh).with_context(|| format!("ledger {}", fresh.display()))?,
        );
        serde_json::to_writer(&mut file, self)?;
        file.flush()?;
        std::fs::rename(&fresh, path).with_context(|| format!("ledger {}", path.display()))
    }
}
