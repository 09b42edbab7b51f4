//! Containers that write through a runtime: json-file records, in pieces, rotated.

use std::path::PathBuf;

use crate::disk::Disk;
use crate::rng::Rng;

pub(crate) struct Container {
    pub id: String,
    pub directory: PathBuf,
    pub current: String,
    inode: usize,
    number: u64,
    options: Options,
    /// What stands unfinished on each stream: pieces already on disk share this time.
    open: [Option<String>; 2],
    /// What each stream has written, without newlines.
    pub written: [String; 2],
    /// Lines that are no records, as a torn write leaves them.
    pub raw: Vec<String>,
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
}

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
            number,
            options,
            open: [None, None],
            written: [String::new(), String::new()],
            raw: Vec::new(),
            lines_left: lines,
            ended: false,
            to_compress: false,
        }
    }

    /// Writes one line, or a part of one. Returns whether names changed.
    pub(crate) fn write(&mut self, disk: &mut Disk, rng: &mut Rng, now_ns: i64) -> bool {
        if self.to_compress && rng.one_in(3) {
            let whole = rng.one_in(2);
            self.to_compress = !whole;
            disk.compress(&self.directory, &format!("{}.1", self.current), now_ns, whole);
            return true;
        }
        if self.lines_left == 0 {
            return self.end(disk, rng, now_ns);
        }
        self.lines_left -= 1;
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
        if !self.options.prompts {
            for stream in 0..2 {
                if self.open[stream].is_some() {
                    self.log(stream, "", true, disk, now_ns);
                }
            }
        }
        self.ended = true;
        true
    }

    fn text(&self, rng: &mut Rng) -> String {
        let mut text = format!("c{} n{} ", self.number, self.lines_left);
        let parts = if rng.one_in(10) { rng.between(10, 60) } else { rng.below(4) };
        for _ in 0..parts {
            text += ["plain text", "\"quoted\" ", "back\\slash", "<&>", "ünïcode 漢", "\t\r"]
                [rng.below(6) as usize];
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
            disk.rotate(&self.directory, &self.current);
            self.inode = disk.create(&self.directory, &self.current, now_ns);
            if self.options.compress {
                if self.to_compress {
                    // The runtime waits for the last one.
                    disk.compress(&self.directory, &format!("{}.2", self.current), now_ns, true);
                }
                self.to_compress = true;
            }
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
