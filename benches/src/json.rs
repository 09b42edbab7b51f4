//! A strict reader of JSON, as strict as the parser of the real servers and no stricter.
//!
//! `serde_json` could not be used for this: it takes the last of two equal keys, which the servers
//! refuse, and refuses a lone surrogate escape, which they take.

use std::borrow::Cow;
use std::fmt;

/// As the servers' parser has it.
const DEPTH_MAX: usize = 1000;

/// What is wrong with a text that should be a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing but white space.
    Empty,
    /// The text ends within a value; the offset in bytes.
    End(usize),
    Unexpected {
        at: usize,
        byte: u8,
    },
    Control {
        at: usize,
        byte: u8,
    },
    Utf8(usize),
    Duplicate {
        at: usize,
        key: String,
    },
    NoObject,
    /// Something follows the object.
    Extra(usize),
    Depth(usize),
    EmptyKey(usize),
}

impl Problem {
    /// Offset in bytes.
    pub fn at(&self) -> usize {
        match *self {
            Self::Empty | Self::NoObject => 0,
            Self::End(at) | Self::Utf8(at) | Self::Extra(at) | Self::Depth(at) => at,
            Self::EmptyKey(at) => at,
            Self::Unexpected { at, .. } | Self::Control { at, .. } | Self::Duplicate { at, .. } => {
                at
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "document is empty"),
            Self::End(_) => write!(f, "Unexpected end-of-input within/between Object entries"),
            Self::Unexpected { byte, .. } => {
                write!(f, "Unexpected character ('{}' (code {byte}))", char::from(*byte))
            }
            Self::Control { byte, .. } => write!(
                f,
                "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped using \
                 backslash to be included in string value"
            ),
            Self::Utf8(_) => write!(f, "Invalid UTF-8 start byte"),
            Self::Duplicate { key, .. } => write!(f, "Duplicate field '{key}'"),
            Self::NoObject => write!(f, "object expected"),
            Self::Extra(_) => write!(f, "Malformed content, found extra data after parsing"),
            Self::Depth(_) => write!(f, "Document nesting depth exceeds the maximum allowed"),
            Self::EmptyKey(_) => write!(f, "field name cannot be an empty string"),
        }
    }
}

/// Accepts exactly one JSON object with nothing but white space around it.
pub fn check(document: &[u8]) -> Result<(), Problem> {
    utf8(document)?;
    let mut reader = Reader { text: document, at: 0, keys: Vec::new() };
    reader.start()?;
    reader.object(0)?;
    reader.end()
}

/// The members of one object, in order: keys still escaped and without quotes, values raw.
pub fn members(object: &[u8]) -> Result<Vec<(&[u8], &[u8])>, Problem> {
    let mut reader = Reader { text: object, at: 0, keys: Vec::new() };
    let mut found = Vec::new();
    reader.start()?;
    reader.at += 1;
    reader.space();
    if reader.peek()? == b'}' {
        reader.at += 1;
        return reader.end().map(|()| found);
    }
    loop {
        let key = reader.key()?;
        let from = reader.at;
        reader.value(1)?;
        found.push((key, &object[from..reader.at]));
        if reader.next_member(b'}')? {
            return reader.end().map(|()| found);
        }
    }
}

/// The raw value at a path of keys, in a document that [`check`] accepted.
pub fn find<'a>(document: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    let (first, rest) = path.split_first()?;
    let value = members(document)
        .ok()?
        .into_iter()
        .find_map(|(key, value)| (key == first.as_bytes()).then_some(value))?;
    if rest.is_empty() { Some(value) } else { find(value, rest) }
}

/// The string that a raw value means; `None` if it is no string. A lone surrogate becomes U+FFFD.
pub fn string(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut at = 0;
    while at < inner.len() {
        let Some(escape) = memchr::memchr(b'\\', &inner[at..]) else {
            plain.extend_from_slice(&inner[at..]);
            break;
        };
        plain.extend_from_slice(&inner[at..at + escape]);
        at += escape + 1;
        match *inner.get(at)? {
            b'b' => plain.push(8),
            b'f' => plain.push(12),
            b'n' => plain.push(b'\n'),
            b'r' => plain.push(b'\r'),
            b't' => plain.push(b'\t'),
            b'u' => {
                let (character, used) = unicode(&inner[at + 1..])?;
                plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += used;
            }
            other => plain.push(other),
        }
        at += 1;
    }
    Some(Cow::Owned(plain))
}

/// The character of `XXXX` or `XXXX\uXXXX`, and how many bytes it took.
fn unicode(after: &[u8]) -> Option<(char, usize)> {
    let high = hex(after.get(..4)?)?;
    if let Some(character) = char::from_u32(high) {
        return Some((character, 4));
    }
    if high < 0xDC00 && after.get(4..6) == Some(b"\\u") {
        let low = hex(after.get(6..10)?)?;
        if (0xDC00..0xE000).contains(&low) {
            let both = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return char::from_u32(both).map(|character| (character, 10));
        }
    }
    Some((char::REPLACEMENT_CHARACTER, 4))
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn utf8(document: &[u8]) -> Result<(), Problem> {
    std::str::from_utf8(document).map(|_| ()).map_err(|error| Problem::Utf8(error.valid_up_to()))
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Keys of all objects that are open, the innermost last.
    keys: Vec<&'a [u8]>,
}

impl<'a> Reader<'a> {
    fn start(&mut self) -> Result<(), Problem> {
        self.space();
        match self.text.get(self.at) {
            None => Err(Problem::Empty),
            Some(b'{') => Ok(()),
            Some(_) => Err(Problem::NoObject),
        }
    }

    fn end(&mut self) -> Result<(), Problem> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Problem::Extra(self.at)) }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, Problem> {
        self.text.get(self.at).copied().ok_or(Problem::End(self.at))
    }

    fn unexpected<T>(&self) -> Result<T, Problem> {
        Err(Problem::Unexpected { at: self.at, byte: self.peek()? })
    }

    /// At `{`; leaves the reader behind `}`.
    fn object(&mut self, depth: usize) -> Result<(), Problem> {
        self.at += 1;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        let first = self.keys.len();
        loop {
            let start = self.at;
            let key = self.key()?;
            if key.is_empty() {
                return Err(Problem::EmptyKey(start));
            }
            if self.keys[first..].contains(&key) {
                let key = String::from_utf8_lossy(key).into_owned();
                return Err(Problem::Duplicate { at: start, key });
            }
            self.keys.push(key);
            self.value(depth + 1)?;
            if self.next_member(b'}')? {
                self.keys.truncate(first);
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Problem> {
        self.at += 1;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.next_member(b']')? {
                return Ok(());
            }
        }
    }

    /// A key with its colon; leaves the reader at the value.
    fn key(&mut self) -> Result<&'a [u8], Problem> {
        let text = self.text;
        let from = self.at + 1;
        if self.peek()? != b'"' {
            return self.unexpected();
        }
        self.string()?;
        let key = &text[from..self.at - 1];
        self.space();
        if self.peek()? != b':' {
            return self.unexpected();
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    /// Steps over a comma (false) or the closing byte (true).
    fn next_member(&mut self, close: u8) -> Result<bool, Problem> {
        self.space();
        let byte = self.peek()?;
        if byte != b',' && byte != close {
            return self.unexpected();
        }
        self.at += 1;
        if byte == b',' {
            self.space();
        }
        Ok(byte == close)
    }

    fn value(&mut self, depth: usize) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::Depth(self.at));
        }
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.unexpected(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Problem> {
        for &byte in word {
            if self.peek()? != byte {
                return self.unexpected();
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Problem> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Problem> {
        if !self.peek()?.is_ascii_digit() {
            return self.unexpected();
        }
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    /// At the opening quote; leaves the reader behind the closing one.
    fn string(&mut self) -> Result<(), Problem> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                byte @ 0..=0x1F => return Err(Problem::Control { at: self.at, byte }),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Problem> {
        let digits = match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
            b'u' => 4,
            _ => return self.unexpected(),
        };
        self.at += 1;
        for _ in 0..digits {
            if !self.peek()?.is_ascii_hexdigit() {
                return self.unexpected();
            }
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_servers_take() {
        for document in [
            r#"{}"#,
            r#" {"a":[1,-0.5e+3,true,null,"x"],"b":{"a":{}}} "#,
            r#"{"m":"\ud800"}"#,
            r#"{"m":"\u00e9\n/"}"#,
        ] {
            assert_eq!(check(document.as_bytes()), Ok(()), "{document}");
        }
    }

    #[test]
    fn refuses_what_the_servers_refuse() {
        let refused: [(&[u8], fn(&Problem) -> bool); 9] = [
            (b"", |p| *p == Problem::Empty),
            (b"{\"n\":", |p| *p == Problem::End(5)),
            (b"{\"n\":1,\"n\":2}", |p| matches!(p, Problem::Duplicate { .. })),
            (b"{\"m\":\"\xff\"}", |p| *p == Problem::Utf8(6)),
            (b"{\"m\":\"\x01\"}", |p| matches!(p, Problem::Control { byte: 1, .. })),
            (b"[1]", |p| *p == Problem::NoObject),
            (b"{} {}", |p| matches!(p, Problem::Extra(_))),
            (b"{\"a\":01}", |p| matches!(p, Problem::Unexpected { .. })),
            (b"{\"\":1}", |p| matches!(p, Problem::EmptyKey(_))),
        ];
        for (document, expected) in refused {
            let problem = check(document).expect_err("must be refused");
            assert!(expected(&problem), "{problem:?}");
        }
    }

    #[test]
    fn finds_and_unescapes() {
        let document = br#"{"log":{"offset":7,"order":"a\u00e9\ud83d\ude00\"\n"}}"#;
        assert_eq!(find(document, &["log", "offset"]), Some(&b"7"[..]));
        let order = string(find(document, &["log", "order"]).expect("is there")).expect("string");
        assert_eq!(std::str::from_utf8(&order), Ok("aé😀\"\n"));
    }
}
