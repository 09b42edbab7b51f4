//! Members of a JSON object in the making.

use crate::decode::escape_into;

/// Members of one event, those of nested objects included. Elasticsearch has 1000 fields to an
/// index by default, and what comes near to that is no log line.
pub(super) const MEMBERS_MAX: usize = 256;

/// Names and values of one event together. Control characters become six bytes each.
const BYTES_MAX: usize = 4 << 20;

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// As the text has it; any string.
    pub name: &'a str,
    /// Valid JSON.
    pub value: &'a [u8],
}

impl Member<'_> {
    /// It is a string, and stands between quotes.
    pub fn is_string(&self) -> bool {
        self.value.first() == Some(&b'"')
    }
}

#[derive(Debug, Default)]
pub(super) struct Members {
    names: String,
    values: Vec<u8>,
    /// Where name and value of each end.
    ends: Vec<(usize, usize)>,
}

impl Members {
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.values.clear();
        self.ends.clear();
    }

    /// Too much of it for a document.
    pub(super) fn is_over(&self) -> bool {
        self.ends.len() > MEMBERS_MAX || self.names.len() + self.values.len() > BYTES_MAX
    }

    pub(super) fn capacity(&self) -> usize {
        self.names.capacity() + self.values.capacity()
    }

    pub(super) fn string(&mut self, name: &str, value: &str) {
        self.values.push(b'"');
        escape_into(&mut self.values, value);
        self.values.push(b'"');
        self.end(name);
    }

    /// A member whose value `write` appends; without one if that says so.
    pub(super) fn json(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let wrote = write(&mut self.values);
        self.end(name);
        wrote
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        let begins = std::iter::once(&(0, 0)).chain(&self.ends);
        begins.zip(&self.ends).map(|(begin, end)| Member {
            name: &self.names[begin.0..end.0],
            value: &self.values[begin.1..end.1],
        })
    }

    fn end(&mut self, name: &str) {
        self.names.push_str(name);
        self.ends.push((self.names.len(), self.values.len()));
    }
}
