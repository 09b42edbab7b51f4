//! One numbered source of lines.

use super::json_file::{JsonFileWriter, Stream};
use super::ledger::{Ledger, Written};
use super::text::{Kind, Texts};
use crate::line::write_line;

/// Makes the lines of one source, each with its number and checksum.
#[derive(Clone, Debug)]
pub struct LineSource {
    source: String,
    texts: Texts,
    written: Written,
    text: Vec<u8>,
    line: Vec<u8>,
}

impl LineSource {
    /// `source` names it in every line: no spaces.
    pub fn new(source: &str, kind: Kind, seed: u64) -> Self {
        assert!(
            !source.is_empty() && !source.contains([' ', '\n']),
            "a source's name is one word: {source:?}"
        );
        Self {
            source: source.to_owned(),
            texts: Texts::new(kind, seed),
            written: Written::default(),
            text: Vec::new(),
            line: Vec::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.source
    }

    /// Lines made so far.
    pub fn written(&self) -> Written {
        self.written
    }

    /// The next line, without its newline.
    pub fn next_line(&mut self) -> &[u8] {
        self.text.clear();
        self.texts.next_into(&mut self.text);
        self.line.clear();
        write_line(&mut self.line, &self.source, self.written.lines, &self.text);
        self.written.lines += 1;
        self.written.text_bytes += self.text.len() as u64;
        &self.line
    }

    /// Writes so many lines to a container's log and notes them in the ledger.
    pub fn write_to(
        &mut self,
        writer: &mut JsonFileWriter,
        stream: Stream,
        lines: u64,
        ledger: &mut Ledger,
    ) -> anyhow::Result<()> {
        for _ in 0..lines {
            let line = self.next_line();
            writer.write_line(stream, line)?;
            let written = self.written;
            ledger.set(&self.source, written);
        }
        Ok(())
    }
}
