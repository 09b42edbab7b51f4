//! Containers that write: through a runtime, json-file records in pieces, or lines of text into a
//! file; rotated.

use std::path::PathBuf;

use sluice::core::{JoinRules, JoinSide, SourceKey};
use sluice::decode::Format;

use crate::disk::Disk;
use crate::rng::Rng;

pub(crate) struct Container {
    pub id: String,
    pub directory: PathBuf,
    pub current: String,
    inode: usize,
    /// The file that has the name already, while the old one is still written, and since when.
    reopens: Option<(usize, i64)>,
    number: u64,
    options: Options,
    /// What stands unfinished on each stream: pieces already on disk share this time.
    open: [Option<String>; 2],
    /// What each stream has written, without newlines.
    pub written: [String; 2],
    /// Lines that are no records, as a torn write leaves them.
    pub raw: Vec<String>,
    /// Files that another one has replaced, and what was written to them after that.
    left: Vec<usize>,
    pub late: Vec<String>,
    pub lines_left: u64,
    pub ended: bool,
    to_compress: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub piece: usize,
    pub max_size: usize,
    pub compress: bool,
    pub attrs: bool,
    /// Some lines are no records.
    pub raw: bool,
    /// Lines may be left unfinished for a while.
    pub prompts: bool,
    /// It writes a file of its own, and what the other options say of records has no meaning.
    pub text: bool,
    /// Some lines belong to others.
    pub joins: Option<Joins>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Joins {
    pub side: JoinSide,
    pub lines_max: u32,
    pub timeout_ms: u32,
}

impl Joins {
    pub(crate) fn rules(&self) -> JoinRules {
        let pattern = match self.side {
            JoinSide::Before => "^  ",
            JoinSide::Behind => r"\+$",
        };
        JoinRules {
            pattern: pattern.to_owned(),
            side: self.side,
            lines_max: self.lines_max,
            timeout_ms: self.timeout_ms,
            ..JoinRules::default()
        }
    }

    /// Whether two lines in a row are of one event.
    pub(crate) fn belong(&self, line: &str, next: &str) -> bool {
        match self.side {
            JoinSide::Before => next.starts_with("  "),
            JoinSide::Behind => line.ends_with('+'),
        }
    }
}

/// No run lasts so long.
pub(crate) const NEVER_MS: u32 = u32::MAX;

/// Less than a worker waits before it leaves a rotated file.
const REOPENS_NS_MAX: i64 = 3_000_000_000;

/// How lines begin that are written to a file after it was replaced: they have no place in the order
/// of the others.
pub(crate) const LATE: &str = "late ";

const STREAMS: [&str; 2] = ["stdout", "stderr"];

impl Container {
    pub(crate) fn new(
        number: u64,
        options: Options,
        lines: u64,
        disk: &mut Disk,
        now_ns: i64,
    ) -> Self {
        let id = format!("{number:064x}");
        let directory = PathBuf::from(format!("/containers/{id}"));
        let current = format!("{id}-json.log");
        let inode = disk.create(&directory, &current, now_ns);
        Self {
            id,
            directory,
            current,
            inode,
            reopens: None,
            number,
            options,
            open: [None, None],
            written: [String::new(), String::new()],
            raw: Vec::new(),
            left: Vec::new(),
            late: Vec::new(),
            lines_left: lines,
            ended: false,
            to_compress: false,
        }
    }

    pub(crate) fn key(&self) -> SourceKey {
        match self.format() {
            Format::Docker => SourceKey::docker(&self.id),
            Format::Text => SourceKey::docker_file(&self.id, "/app.log"),
        }
    }

    pub(crate) fn joins(&self) -> Option<Joins> {
        self.options.joins
    }

    /// All lines have an end, and no timer ends an event of theirs.
    pub(crate) fn is_steady(&self) -> bool {
        let is_patient = self.options.joins.is_none_or(|joins| joins.timeout_ms == NEVER_MS);
        !self.options.prompts && !self.options.text && is_patient
    }

    pub(crate) fn format(&self) -> Format {
        if self.options.text { Format::Text } else { Format::Docker }
    }

    /// Writes one line, or a part of one. Returns whether names changed.
    pub(crate) fn write(&mut self, disk: &mut Disk, rng: &mut Rng, now_ns: i64) -> bool {
        if self.to_compress && self.reopens.is_none() && rng.one_in(3) {
            let whole = rng.one_in(2);
            self.to_compress = !whole;
            disk.compress(&self.directory, &format!("{}.1", self.current), now_ns, whole);
            return true;
        }
        if self.lines_left == 0 {
            return self.end(disk, rng, now_ns);
        }
        self.lines_left -= 1;
        if self.options.text {
            return self.line(disk, rng, now_ns);
        }
        if self.options.raw && rng.one_in(40) {
            let line = format!("no record c{} n{} \"", self.number, self.lines_left);
            disk.inodes[self.inode].bytes.extend_from_slice(line.as_bytes());
            disk.inodes[self.inode].bytes.push(b'\n');
            self.raw.push(line);
            return false;
        }
        let stream = usize::from(rng.one_in(4));
        let text = self.text(rng);
        let unfinished = self.options.prompts && rng.one_in(8);
        self.written[stream].push_str(&text);
        self.log(stream, &text, !unfinished, disk, now_ns)
    }

    fn end(&mut self, disk: &mut Disk, rng: &mut Rng, now_ns: i64) -> bool {
        if self.ended || !rng.one_in(3) {
            return false;
        }
        if !self.options.prompts && !self.options.text {
            for stream in 0..2 {
                if self.open[stream].is_some() {
                    self.log(stream, "", true, disk, now_ns);
                }
            }
        }
        self.ended = true;
        true
    }

    /// A line of text, or a part of one. A file has a first line with an end.
    fn line(&mut self, disk: &mut Disk, rng: &mut Rng, now_ns: i64) -> bool {
        let begins = self.open[0].is_none();
        let is_full = disk.inodes[self.inode].bytes.len() >= self.options.max_size;
        let rotates = begins && is_full && self.reopens.is_none() && rng.one_in(2);
        if rotates {
            let old = self.inode;
            self.rotate(disk, now_ns);
            self.reopens = Some((std::mem::replace(&mut self.inode, old), now_ns));
        }
        // The writer goes on with the old file until it is told, or a timer of its own tells it.
        if let Some((new, since)) = self.reopens
            && begins
            && (rng.one_in(3) || now_ns - since > REOPENS_NS_MAX)
        {
            self.left.push(std::mem::replace(&mut self.inode, new));
            self.reopens = None;
        }
        // A process that nobody told goes on with a file for as long as it lives.
        let is_kept = !self.options.compress && !self.left.is_empty();
        if is_kept && begins && rng.one_in(6) {
            let inode = self.left[rng.below(self.left.len() as u64) as usize];
            let line = format!("{LATE}c{} n{}", self.number, self.lines_left);
            disk.inodes[inode].bytes.extend_from_slice(line.as_bytes());
            disk.inodes[inode].bytes.push(b'\n');
            self.late.push(line);
            return rotates;
        }
        // What a line feed stands behind goes with it.
        let text = self.text(rng).replace('\r', "");
        self.written[0].push_str(&text);
        let bytes = &mut disk.inodes[self.inode].bytes;
        bytes.extend_from_slice(text.as_bytes());
        let may_wait = self.options.prompts && bytes.contains(&b'\n');
        if may_wait && rng.one_in(8) {
            self.open[0] = Some(String::new());
        } else {
            bytes.push(b'\n');
            self.open[0] = None;
        }
        rotates
    }

    fn rotate(&mut self, disk: &mut Disk, now_ns: i64) {
        disk.rotate(&self.directory, &self.current);
        self.inode = disk.create(&self.directory, &self.current, now_ns);
        if self.options.compress {
            if self.to_compress {
                // The runtime waits for the last one.
                disk.compress(&self.directory, &format!("{}.2", self.current), now_ns, true);
            }
            self.to_compress = true;
        }
    }

    fn text(&self, rng: &mut Rng) -> String {
        let mut text = format!("c{} n{} ", self.number, self.lines_left);
        let parts = if rng.one_in(10) { rng.between(10, 60) } else { rng.below(4) };
        for _ in 0..parts {
            text += ["plain text", "\"quoted\" ", "back\\slash", "<&>", "ünïcode 漢", "\t\r"]
                [rng.below(6) as usize];
        }
        match self.options.joins {
            Some(joins) if rng.one_in(2) => match joins.side {
                JoinSide::Before => text.insert_str(0, "  "),
                JoinSide::Behind => text.push('+'),
            },
            _ => {}
        }
        text
    }

    fn log(
        &mut self,
        stream: usize,
        text: &str,
        finish: bool,
        disk: &mut Disk,
        now_ns: i64,
    ) -> bool {
        let mut names = false;
        let time = self.open[stream].clone().unwrap_or_else(|| stamp(now_ns));
        let mut pieces: Vec<String> = Vec::new();
        let mut piece = String::new();
        for character in text.chars() {
            piece.push(character);
            if piece.len() >= self.options.piece {
                pieces.push(std::mem::take(&mut piece));
            }
        }
        if finish {
            piece.push('\n');
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        for piece in pieces {
            names |= self.record(STREAMS[stream], &piece, &time, disk, now_ns);
        }
        self.open[stream] = if finish { None } else { Some(time) };
        names
    }

    fn record(
        &mut self,
        stream: &str,
        text: &str,
        time: &str,
        disk: &mut Disk,
        now_ns: i64,
    ) -> bool {
        let mut names = false;
        if disk.inodes[self.inode].bytes.len() >= self.options.max_size {
            self.rotate(disk, now_ns);
            names = true;
        }
        let attrs = if self.options.attrs { "\"attrs\":{\"tag\":\"a<b\"}," } else { "" };
        let line = format!(
            "{{\"log\":\"{}\",\"stream\":\"{stream}\",{attrs}\"time\":\"{time}\"}}\n",
            escape(text)
        );
        disk.inodes[self.inode].bytes.extend_from_slice(line.as_bytes());
        names
    }
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '<' | '>' | '&' => out += &format!("\\u{:04x}", character as u32),
            c if (c as u32) < 0x20 => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out
}

/// Docker's form: zeros at the end of the fraction are dropped.
fn stamp(wall_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(wall_ns)).expect("a legal time").to_string()
}
