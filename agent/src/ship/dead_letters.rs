//! Documents that the output will never take, kept on disk with their raw bytes and the reason.
//!
//! Files of one JSON object per line in a directory of their own, each written by one run of the
//! agent only, so that a line torn by a power cut is the last of its file. A document can stand
//! here twice: it is written before it is acknowledged, and a crash in between repeats it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::apart::{self, CutError};
use super::comparison::document_id;
use super::{Cause, Letter};
use crate::core::Now;
use crate::encode::Batch;

#[derive(Clone, Debug)]
pub struct DeadLetterSettings {
    pub directory: PathBuf,
    /// A file of this size is closed and the next one begun.
    pub file_bytes_max: u64,
    /// All files together. At the cap nothing more is taken: the targets pause until an operator
    /// has moved files away.
    pub total_bytes_max: u64,
}

impl DeadLetterSettings {
    pub fn in_state_directory(state: &Path) -> Self {
        Self {
            directory: state.join("dead-letters"),
            file_bytes_max: 64 << 20,
            total_bytes_max: 1 << 30,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error("cannot make the dead-letter directory {}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot write dead letters to {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "dead letters in {} have reached {limit} bytes; move files away or raise the limit",
        path.display()
    )]
    Full { path: PathBuf, limit: u64 },
    #[error(transparent)]
    Cut(#[from] CutError),
}

impl DeadLetterError {
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// The store. Its calls block.
#[derive(Debug)]
pub struct DeadLetters {
    settings: DeadLetterSettings,
    open: Option<Open>,
    /// Of all files but the open one.
    closed_bytes: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    reason: &'static str,
    status: u16,
    error_type: &'a str,
    error_text: &'a str,
    index: &'a str,
    id: String,
    source: &'a str,
    offset: u64,
    /// The record as it stands in its file.
    raw: Option<String>,
    /// The same if it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
    /// Why there is no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_note: Option<String>,
    document: &'a RawValue,
}

impl DeadLetters {
    pub fn open(settings: DeadLetterSettings) -> Result<Self, DeadLetterError> {
        let path = &settings.directory;
        let fail = |source| DeadLetterError::Directory { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail)?;
        let closed_bytes = bytes_in(path).map_err(fail)?;
        Ok(Self { settings, open: None, closed_bytes })
    }

    /// Writes letters of one batch; on success they are on disk. On failure none of them counts.
    pub fn write(
        &mut self,
        now: Now,
        batch: &Batch,
        letters: &[Letter],
    ) -> Result<(), DeadLetterError> {
        let lines = lines(now, batch, letters)?;
        let path = self.settings.directory.clone();
        let fail = |source| DeadLetterError::Write { path: path.clone(), source };
        let limit = self.settings.total_bytes_max;
        if self.bytes() + lines.len() as u64 > limit {
            // Somebody may have moved files away.
            let open = self.open.as_ref().filter(|it| it.path.exists()).map_or(0, |it| it.bytes);
            self.closed_bytes = bytes_in(&path).map_err(fail)?.saturating_sub(open);
            self.open.take_if(|it| !it.path.exists());
        }
        if self.bytes() + lines.len() as u64 > limit {
            return Err(DeadLetterError::Full { path, limit });
        }
        let full = |it: &Open| it.bytes >= self.settings.file_bytes_max || !it.path.exists();
        if self.open.as_ref().is_some_and(full) {
            self.close();
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::create(&path, now).map_err(fail)?,
        };
        let result = open.append(&lines);
        self.open = Some(open);
        if result.is_err() {
            // What stands there is not known; nothing more goes behind it.
            self.close();
        }
        result.map_err(fail)
    }

    fn bytes(&self) -> u64 {
        self.closed_bytes + self.open.as_ref().map_or(0, |it| it.bytes)
    }

    fn close(&mut self) {
        self.closed_bytes += self.open.take().map_or(0, |it| it.bytes);
    }
}

impl Open {
    fn create(directory: &Path, now: Now) -> io::Result<Self> {
        let path = directory.join(format!("dead-letters-{:020}.ndjson", now.wall_ns.max(0)));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        // The name has to last as well as the bytes.
        File::open(directory)?.sync_all()?;
        Ok(Self { file, path, bytes: 0 })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        match &written {
            Ok(()) => self.bytes += lines.len() as u64,
            Err(_) => self.file.set_len(self.bytes)?,
        }
        written
    }
}

fn bytes_in(directory: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        // A file that is being moved away counts no more.
        sum += entry?.metadata().map_or(0, |it| it.len());
    }
    Ok(sum)
}

fn lines(now: Now, batch: &Batch, letters: &[Letter]) -> Result<Vec<u8>, DeadLetterError> {
    let time = jiff::Timestamp::from_nanosecond(now.wall_ns.into())
        .map_or_else(|_| String::new(), |it| it.to_string());
    let numbers: Vec<u32> = letters.iter().map(|it| it.document).collect();
    let sources = apart::sources(batch, &numbers)?;
    let mut out = Vec::new();
    for (Letter { document, cause }, source) in letters.iter().zip(sources) {
        let at = batch.documents[*document as usize];
        let slice = &batch.slices[usize::from(at.slice)];
        let Cause { reason, status, kind, text } = cause;
        let (raw, raw_base64, raw_note) = match raw_bytes(batch, *document) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => (Some(text), None, None),
                Err(error) => (None, Some(STANDARD.encode(error.as_bytes())), None),
            },
            Err(note) => (None, None, Some(note)),
        };
        let line = Line {
            time: time.clone(),
            reason: reason.as_str(),
            status: *status,
            error_type: kind,
            error_text: text,
            index: &batch.indices[usize::from(at.index)],
            id: document_id(slice.prefix, at.offset),
            source: &slice.name,
            offset: at.offset,
            raw,
            raw_base64,
            raw_note,
            document: &json(&source),
        };
        // A `Vec` takes everything and the line is plain data.
        serde_json::to_writer(&mut out, &line).map_err(|error| DeadLetterError::Write {
            path: PathBuf::from("memory"),
            source: error.into(),
        })?;
        out.push(b'\n');
    }
    Ok(out)
}

/// The document as it is, or as a string if it should be no JSON.
fn json(source: &[u8]) -> Box<RawValue> {
    serde_json::from_slice(source).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(source);
        let quoted = serde_json::Value::from(&*text).to_string();
        RawValue::from_string(quoted).unwrap_or_else(|_| RawValue::NULL.to_owned())
    })
}

fn raw_bytes(batch: &Batch, document: u32) -> Result<Vec<u8>, String> {
    let at = batch.documents[document as usize];
    let slice = &batch.slices[usize::from(at.slice)];
    if at.raw_len == 0 {
        return Err("the event does not stand in one place of its file".to_owned());
    }
    let raw = slice.raw.as_ref().ok_or_else(|| "the file is not at hand".to_owned())?;
    raw.read(at.offset, at.raw_len as usize).map_err(|error| format!("reading again: {error}"))
}
