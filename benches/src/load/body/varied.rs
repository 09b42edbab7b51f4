//! Logs of many kinds of program, one after the other, as whoever collects a directory of them
//! sees them.

use super::fields::{Fields, uuid};
use super::template::{Field, Part, parse};
use crate::rng::Rng;

/// `# name`, and below it the lines that such a program writes.
const PROGRAMS: &str = include_str!("programs.txt");
/// Of one log, before the next begins.
const LOG_BYTES: std::ops::Range<u64> = 8 << 10..64 << 10;
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const PORTS: [u16; 10] = [443, 443, 80, 22, 53, 8080, 5432, 6379, 9092, 3306];

/// The lines of one kind of program.
type Program = Vec<Vec<Part>>;

pub(super) struct Varied {
    rng: Rng,
    programs: Vec<Program>,
    /// Which one writes.
    program: usize,
    /// The line it wrote last.
    line: usize,
    fields: Fields,
    bytes_left: usize,
    sequence: u64,
    micros: u64,
}

impl Varied {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let fields = Fields::new(&mut rng);
        let (sequence, micros) = (0, 0);
        let programs = programs();
        Self { rng, programs, program: 0, line: 0, fields, bytes_left: 0, sequence, micros }
    }

    pub(super) fn next_into(&mut self, line: &mut Vec<u8>) {
        if self.bytes_left == 0 {
            self.next_log();
        }
        let rng = &mut self.rng;
        let lines = &self.programs[self.program];
        // Half of what is written follows from what was written before.
        let step = if rng.below(2) == 0 { 1 } else { rng.below(lines.len() as u64) as usize };
        self.line = (self.line + step) % lines.len();
        self.micros += rng.below(800_000);
        self.sequence += rng.below(3);
        let mut filling =
            Filling { rng, fields: &self.fields, sequence: self.sequence, micros: self.micros };
        filling.parts(&lines[self.line], line);
        self.bytes_left = self.bytes_left.saturating_sub(line.len());
    }

    fn next_log(&mut self) {
        let rng = &mut self.rng;
        self.program = rng.below(self.programs.len() as u64) as usize;
        self.fields = Fields::new(rng);
        self.bytes_left = (LOG_BYTES.start + rng.below(LOG_BYTES.end - LOG_BYTES.start)) as usize;
        self.sequence = rng.below(1_000_000);
        self.micros = rng.below(86_400_000_000);
    }
}

fn programs() -> Vec<Program> {
    let mut programs = Vec::new();
    for line in PROGRAMS.lines() {
        if is_name(line) {
            programs.push(Vec::new());
        } else if let Some(program) = programs.last_mut() {
            program.push(parse(line));
        }
    }
    programs
}

fn is_name(line: &str) -> bool {
    line.strip_prefix("# ").is_some_and(|name| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

struct Filling<'a> {
    rng: &'a mut Rng,
    fields: &'a Fields,
    sequence: u64,
    micros: u64,
}

impl Filling<'_> {
    fn parts(&mut self, parts: &[Part], line: &mut Vec<u8>) {
        for part in parts {
            match part {
                Part::Text(text) => line.extend_from_slice(text.as_bytes()),
                Part::OneOf(alternatives) => {
                    let chosen = self.rng.pick(alternatives);
                    self.parts(chosen, line);
                }
                Part::Field(field) => self.field(*field, line),
            }
        }
    }

    fn field(&mut self, field: Field, line: &mut Vec<u8>) {
        let Self { rng, fields, sequence, micros } = self;
        let seconds = *micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let time = format!("{hour:02}:{minute:02}:{second:02}");
        let text = match field {
            Field::Address => fields.addresses.pick(rng).clone(),
            Field::Agent => (*fields.agents.pick(rng)).to_owned(),
            Field::Base36(len) => letters(rng, len, BASE36),
            Field::Base64(len) => letters(rng, len, BASE64),
            Field::ClfTime => format!("28/Nov/2026:{time} +0000"),
            Field::Date => "Nov 28".to_owned(),
            Field::Digits(len) => letters(rng, len, b"0123456789"),
            Field::Epoch => (1_795_824_000 + seconds).to_string(),
            Field::Hex(len) => rng.hex(len),
            Field::Host => fields.hosts.pick(rng).clone(),
            Field::Iso => format!("2026-11-28T{time}"),
            Field::Name => (*fields.names.pick(rng)).to_owned(),
            Field::Number(below) => {
                let below = rng.below(below) + 1;
                rng.below(below).to_string()
            }
            Field::Path => fields.paths.pick(rng).clone(),
            Field::Port => rng.pick(&PORTS).to_string(),
            Field::Process => fields.processes.pick(rng).to_string(),
            Field::Sentence => fields.sentences.pick(rng).clone(),
            Field::Sequence => sequence.to_string(),
            Field::Time => time,
            Field::Url => fields.urls.pick(rng).clone(),
            Field::User => fields.users.pick(rng).clone(),
            Field::UserId => (1000 + fields.processes.pick(rng) % 20).to_string(),
            // Requests and pods are spoken of more than once.
            Field::Uuid if rng.below(2) == 0 => fields.ids.pick(rng).clone(),
            Field::Uuid => uuid(rng),
            Field::Word => (*fields.words.pick(rng)).to_owned(),
            Field::WordUpper => {
                let word = fields.words.pick(rng);
                word[..1].to_ascii_uppercase() + &word[1..]
            }
            Field::Year => "2026".to_owned(),
        };
        line.extend_from_slice(text.as_bytes());
    }
}

fn letters(rng: &mut Rng, len: usize, alphabet: &[u8]) -> String {
    (0..len).map(|_| char::from(*rng.pick(alphabet))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_sixty_kinds_and_no_gap_left_open() {
        let programs = programs();
        assert!(programs.len() >= 55, "{}", programs.len());
        assert!(programs.iter().all(|program| !program.is_empty()));
        let mut varied = Varied::new(1);
        for _ in 0..20_000 {
            let mut line = Vec::new();
            varied.next_into(&mut line);
            assert!(!line.contains(&b'\n'));
            for open in [&b"{ip}"[..], b"{word}", b"{hms}", b"{n:", b"{x:", b"{d:"] {
                let found = line.windows(open.len()).any(|window| window == open);
                assert!(!found, "{}", String::from_utf8_lossy(&line));
            }
        }
    }
}
