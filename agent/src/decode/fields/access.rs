//! The access logs of nginx and Apache: format `combined`, `common`, and one field behind it.
//!
//! The fields and their names are those of fluentd 1.2's parsers `nginx` and `apache2`.

use super::members::Members;

/// Takes a line apart from its front.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

/// What is asked for: method and path.
struct Request<'a> {
    method: &'a str,
    path: Option<&'a str>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(self) -> &'a str {
        self.rest
    }

    pub(super) fn take(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Up to a character, which is taken too.
    pub(super) fn until(&mut self, end: char) -> Option<&'a str> {
        let (part, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(part)
    }

    /// Up to the next blank or the end.
    fn word(&mut self) -> &'a str {
        let len = self.rest.find(' ').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        word
    }

    /// Between quotes; a backslash keeps a quote from being the last one.
    fn quoted(&mut self) -> Option<&'a str> {
        self.take("\"")?;
        let mut is_escaped = false;
        let end = self.rest.bytes().position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        })?;
        let part = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(part)
    }

    fn plainly_quoted(&mut self) -> Option<&'a str> {
        self.take("\"")?;
        self.until('"')
    }
}

impl<'a> Request<'a> {
    /// `GET /a HTTP/1.1`; a path may have blanks, and whatever a port scanner sends is a method.
    fn parse(text: &'a str) -> Option<Self> {
        let (method, rest) = match text.split_once(' ') {
            Some((method, rest)) => (method, Some(rest.trim_start_matches(' '))),
            None => (text, None),
        };
        let path = rest.map(|rest| match rest.rsplit_once(' ') {
            Some((path, _protocol)) => path.trim_end_matches(' '),
            None => rest,
        });
        (!method.is_empty()).then_some(Self { method, path })
    }
}

/// nginx's `combined`, and a last value in or without quotes.
pub(super) fn nginx(text: &str, members: &mut Members) -> Option<()> {
    let mut line = Cursor::new(text);
    for name in ["remote", "host", "user"] {
        members.string(name, line.until(' ')?);
    }
    line.take("[")?;
    members.string("time", line.until(']')?);
    line.take(" ")?;
    let request = Request::parse(line.plainly_quoted()?)?;
    members.string("method", request.method);
    if let Some(path) = request.path {
        members.string("path", path);
    }
    for name in ["code", "size"] {
        line.take(" ")?;
        members.string(name, line.word());
    }
    if line.is_at_end() {
        return Some(());
    }
    for name in ["referer", "agent"] {
        line.take(" ")?;
        members.string(name, line.plainly_quoted()?);
    }
    let forwarded_for = line.rest();
    if forwarded_for.trim().is_empty() {
        return Some(());
    }
    let value = forwarded_for.strip_prefix(' ')?.trim();
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => value,
    };
    // More than one value belongs to a format of its own, which a regexp can tell.
    let is_one = !value.contains('"') && (value.contains(", ") || !value.contains(' '));
    is_one.then(|| members.string("http_x_forwarded_for", value))
}

/// Apache's `combined` or `common`. What it has no value for is `-`, and has no field.
pub(super) fn apache2(text: &str, members: &mut Members) -> Option<()> {
    let mut line = Cursor::new(text);
    let known = |members: &mut Members, name: &str, value: &str| {
        if value != "-" {
            members.string(name, value);
        }
    };
    known(members, "host", line.until(' ')?);
    line.until(' ')?;
    known(members, "user", line.until(' ')?);
    line.take("[")?;
    members.string("time", line.until(']')?);
    line.take(" ")?;
    let request = Request::parse(line.quoted()?)?;
    members.string("method", request.method);
    if let Some(path) = request.path {
        members.string("path", path);
    }
    line.take(" ")?;
    // No status is 0.
    let code = leading_number(line.word());
    if code != 0 {
        number(members, "code", code);
    }
    line.take(" ")?;
    let size = line.word();
    if size != "-" {
        number(members, "size", leading_number(size));
    }
    if line.is_at_end() {
        return Some(());
    }
    for name in ["referer", "agent"] {
        line.take(" ")?;
        known(members, name, line.quoted()?);
    }
    line.is_at_end().then_some(())
}

fn number(members: &mut Members, name: &str, value: u64) {
    members.json(name, |out| {
        out.extend_from_slice(value.to_string().as_bytes());
        true
    });
}

/// As many digits as a word begins with, like Ruby's `to_i`.
fn leading_number(word: &str) -> u64 {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    word[..digits].parse().unwrap_or(0)
}
