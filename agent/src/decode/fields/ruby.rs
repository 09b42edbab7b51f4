//! Patterns as Ruby writes them, made ready for an engine that is linear in the text.
//!
//! What a pattern means is kept but for these: a possessive quantifier or an atomic group gives
//! back what it took if nothing else matches (so that more texts match, and those that matched
//! before have the same fields), and `[[:alpha:]]` and its like know ASCII only. What would need
//! to go back and try again without bound, as looking around or a back reference does, is refused:
//! a pattern is a tenant's, and the time is everybody's.

use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::atomic::{AtomicU64, Ordering};

use regex::{CaptureLocations, Regex, RegexBuilder};

use super::FieldError;
use super::members::{MEMBERS_MAX, Members};

/// The longest pattern that is taken.
const PATTERN_BYTES_MAX: usize = 4 << 10;

/// What a pattern may become, and again what the engine may remember of it for each worker: a
/// node may have hundreds of them.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// Numbers that were given to patterns.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// A pattern whose named groups are fields.
#[derive(Debug)]
pub(super) struct Ruby {
    /// Which pattern of this process it is.
    number: u64,
    regex: Regex,
    /// Names by the number of the group, from 1.
    names: Vec<String>,
}

/// Where the groups of the last match lie, and of which pattern they are.
#[derive(Debug, Default)]
pub(super) struct Slots(Option<(u64, CaptureLocations)>);

impl Ruby {
    /// Slashes around the pattern are taken off, with the letters `imx` behind them.
    pub(super) fn new(written: &str) -> Result<Self, FieldError> {
        let bytes = written.len();
        if bytes > PATTERN_BYTES_MAX {
            return Err(FieldError::PatternLength { bytes, max: PATTERN_BYTES_MAX });
        }
        let (pattern, flags) = without_slashes(written);
        let mut translation = Translation::new(pattern);
        translation.run()?;
        let Translation { out, names, .. } = translation;
        if names.is_empty() {
            return Err(FieldError::NoGroups);
        }
        // Ruby's ^ and $ are always those of a line.
        let regex = RegexBuilder::new(&out)
            .multi_line(true)
            .case_insensitive(flags.contains('i'))
            .dot_matches_new_line(flags.contains('m'))
            .ignore_whitespace(flags.contains('x'))
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .nest_limit(64)
            .build()
            .map_err(|error| FieldError::Syntax(one_line(&error)))?;
        // Only that each is another one counts.
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, regex, names })
    }

    /// The groups that took part in the first match. Of several with one name the last that did
    /// holds.
    pub(super) fn members(&self, text: &str, slots: &mut Slots, members: &mut Members) -> bool {
        // Those of another pattern are of no use to this one.
        slots.0.take_if(|(number, _)| *number != self.number);
        let (_, slots) =
            slots.0.get_or_insert_with(|| (self.number, self.regex.capture_locations()));
        if self.regex.captures_read(slots, text).is_none() {
            return false;
        }
        for (number, name) in self.names.iter().enumerate() {
            if let Some((begin, end)) = slots.get(number + 1) {
                members.string(name, &text[begin..end]);
            }
        }
        true
    }
}

fn without_slashes(written: &str) -> (&str, &str) {
    let parts = written.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    match parts {
        Some((pattern, flags)) if flags.chars().all(|c| "imx".contains(c)) => (pattern, flags),
        _ => (written, ""),
    }
}

/// The engine's message draws the pattern over several lines; the last one says what is wrong.
fn one_line(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = error {
        return "it becomes too large; write repetitions without a high number".to_owned();
    }
    let text = error.to_string();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
    last.trim().trim_start_matches("error: ").to_owned()
}

struct Translation<'a> {
    rest: Peekable<CharIndices<'a>>,
    pattern: &'a str,
    out: String,
    names: Vec<String>,
    /// Brackets that are open.
    class: usize,
}

impl<'a> Translation<'a> {
    fn new(pattern: &'a str) -> Self {
        let rest = pattern.char_indices().peekable();
        Self { rest, pattern, out: String::new(), names: Vec::new(), class: 0 }
    }

    fn run(&mut self) -> Result<(), FieldError> {
        while let Some((at, c)) = self.rest.next() {
            match c {
                '\\' => self.escape(at)?,
                '[' => self.open_class(),
                ']' if self.class > 0 => {
                    self.class -= 1;
                    self.out.push(']');
                }
                // A space means itself in a class, also where it is ignored elsewhere.
                ' ' | '#' | '~' if self.class > 0 => self.literal(c),
                c if self.class > 0 => self.out.push(c),
                '(' => self.group(at)?,
                '*' | '+' | '?' => self.quantifier(c),
                '{' => self.braces(at),
                '}' | ']' => self.literal(c),
                c => self.out.push(c),
            }
        }
        Ok(())
    }

    fn after(&self, at: usize) -> &'a str {
        &self.pattern[at..]
    }

    fn skip(&mut self, chars: usize) {
        for _ in 0..chars {
            self.rest.next();
        }
    }

    /// A character that means nothing else than itself.
    fn literal(&mut self, c: char) {
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
            self.out.push('\\');
            self.out.push(c);
        } else if c == ' ' {
            self.out.push_str("\\x20");
        } else {
            self.out.push(c);
        }
    }

    fn open_class(&mut self) {
        self.class += 1;
        self.out.push('[');
        if self.rest.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        if self.class > 1 && self.rest.next_if(|(_, c)| *c == ':').is_some() {
            // `[:alpha:]` stands inside of another bracket, and holds none.
            self.out.push(':');
        } else if self.rest.next_if(|(_, c)| *c == ']').is_some() {
            self.out.push_str("\\]");
        }
    }

    fn escape(&mut self, at: usize) -> Result<(), FieldError> {
        let refused = |what, mend| Err(FieldError::Pattern { what, at, mend });
        let Some((_, c)) = self.rest.next() else {
            return refused("a backslash without anything behind it", "write two for one");
        };
        let in_class = self.class > 0;
        let class = match c {
            // Without a flag these know ASCII only in Ruby.
            'd' => Some(("0-9", false)),
            'D' => Some(("0-9", true)),
            'w' => Some(("0-9A-Za-z_", false)),
            'W' => Some(("0-9A-Za-z_", true)),
            's' => Some((r"\x20\t\r\n\f\x0B", false)),
            'S' => Some((r"\x20\t\r\n\f\x0B", true)),
            'h' => Some(("0-9a-fA-F", false)),
            'H' => Some(("0-9a-fA-F", true)),
            _ => None,
        };
        if let Some((class, is_negated)) = class {
            let head = if is_negated { "[^" } else { "[" };
            self.out.push_str(head);
            self.out.push_str(class);
            self.out.push(']');
            return Ok(());
        }
        match c {
            'b' if in_class => self.out.push_str(r"\x08"),
            'A' | 'z' | 'b' | 'B' | 'n' | 't' | 'r' | 'f' | 'v' | 'a' | 'p' | 'P' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Z' => self.out.push_str(r"(?:\n?\z)"),
            'R' => self.out.push_str(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])"),
            'e' => self.out.push_str(r"\x1B"),
            'x' | 'u' => self.code(c, at)?,
            '0' => self.out.push_str(r"\x00"),
            '1'..='9' | 'k' => {
                return refused("a reference to another group", "write out what it stands for");
            }
            'g' => return refused("a call of another group", "write out what it stands for"),
            'G' | 'K' | 'X' | 'c' | 'C' | 'M' => {
                return refused("an escape that is not supported", "write it in another way");
            }
            c => self.literal(c),
        }
        Ok(())
    }

    /// `\x2f`, `\u002f`, `\u{2f}`.
    fn code(&mut self, kind: char, at: usize) -> Result<(), FieldError> {
        let is_braced = self.rest.next_if(|(_, c)| *c == '{').is_some();
        let max = match (is_braced, kind) {
            (true, _) => 6,
            (false, 'x') => 2,
            (false, _) => 4,
        };
        let mut digits = String::new();
        while digits.len() < max
            && let Some((_, digit)) = self.rest.next_if(|(_, c)| c.is_ascii_hexdigit())
        {
            digits.push(digit);
        }
        let is_closed = !is_braced || self.rest.next_if(|(_, c)| *c == '}').is_some();
        if digits.is_empty() || !is_closed {
            let (what, mend) = ("a character by its number, without one", "write \\x and 2 digits");
            return Err(FieldError::Pattern { what, at, mend });
        }
        self.out.extend(["\\x{", &digits, "}"]);
        Ok(())
    }

    fn group(&mut self, at: usize) -> Result<(), FieldError> {
        let refused = |what, mend| Err(FieldError::Pattern { what, at, mend });
        let Some(kind) = self.after(at).strip_prefix("(?") else {
            // Beside named groups the others capture nothing.
            self.out.push_str("(?:");
            return Ok(());
        };
        let is_look = ["=", "!", "<=", "<!"].iter().any(|look| kind.starts_with(look));
        if is_look {
            return refused(
                "a look ahead or behind",
                "match that part too, outside of the named groups",
            );
        }
        if let Some(close) = kind.chars().next().and_then(closing) {
            let Some(len) = kind[1..].find(close).filter(|len| *len > 0) else {
                return refused("a group without a name", "write (?<name>...)");
            };
            let name = &kind[1..=len];
            if self.names.len() >= MEMBERS_MAX {
                return refused("too many named groups", "name fewer");
            }
            self.names.push(name.to_owned());
            self.skip(2 + name.chars().count() + 1);
            self.out.push('(');
            return Ok(());
        }
        if let Some(comment) = kind.strip_prefix('#') {
            let Some(len) = comment.find(')') else {
                return refused("a comment without an end", "close it with )");
            };
            self.skip(2 + comment[..len].chars().count() + 1);
            return Ok(());
        }
        if kind.starts_with('>') {
            self.skip(2);
            self.out.push_str("(?:");
            return Ok(());
        }
        let Some(len) = kind.find([':', ')']) else {
            return refused("a group without an end", "close it with )");
        };
        let flags = &kind[..len];
        if !flags.chars().all(|c| "imx-".contains(c)) {
            return refused("a kind of group that is not supported", "write (?:...)");
        }
        self.skip(1 + flags.len() + 1);
        let flags = flags.trim_end_matches('-');
        match (&kind[len..=len], flags) {
            (")", "") => {}
            (end, flags) => {
                // Ruby's m lets the dot match a newline.
                self.out.push_str("(?");
                self.out.push_str(&flags.replace('m', "s"));
                self.out.push_str(end);
            }
        }
        Ok(())
    }

    fn quantifier(&mut self, c: char) {
        self.out.push(c);
        if self.rest.next_if(|(_, next)| *next == '?').is_some() {
            self.out.push('?');
        } else {
            // Possessive.
            self.rest.next_if(|(_, next)| *next == '+');
        }
    }

    /// A repetition; a brace that begins none is one of the text's.
    fn braces(&mut self, at: usize) {
        let inside = self.after(at + 1).split_once('}').map(|(inside, _)| inside);
        let is_count = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let repetition = inside.filter(|inside| match inside.split_once(',') {
            Some((from, to)) => is_count(from) && is_count(to) && inside.len() > 1,
            None => is_count(inside) && !inside.is_empty(),
        });
        let Some(repetition) = repetition else { return self.literal('{') };
        self.skip(repetition.len() + 1);
        let zero = if repetition.starts_with(',') { "0" } else { "" };
        self.out.extend(["{", zero, repetition, "}"]);
        if self.rest.next_if(|(_, next)| *next == '?').is_some() {
            self.out.push('?');
        }
    }
}

/// What ends a name that begins with this.
fn closing(open: char) -> Option<char> {
    match open {
        '<' => Some('>'),
        '\'' => Some('\''),
        _ => None,
    }
}
