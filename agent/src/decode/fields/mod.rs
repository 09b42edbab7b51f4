//! Fields out of the text of an event, by what its declaration says of the format.
//!
//! A text that is not of its format has no fields, and stays as it is: nothing here can lose a
//! line. All of it is linear in the length of the text.

mod access;
mod csv;
mod error_log;
mod json;
mod members;
mod name;
mod ruby;
#[cfg(test)]
mod tests;
mod time;

use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use members::Member;
pub use name::flat_name;
pub use time::Clock;

use members::{MEMBERS_MAX, Members};
use ruby::Ruby;
use time::TimeRule;

use super::escape::unescape_into;
use crate::core::{FieldFormat, FieldRules};

/// A longer text is not taken apart: no log line with fields is that long, and a field of it would
/// be refused by Elasticsearch anyway.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Buffers that have grown beyond this are given back to the allocator.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Those in use.
static SHARED: Mutex<Vec<(FieldRules, Weak<Extractor>)>> = Mutex::new(Vec::new());

/// Takes the texts of one declaration apart.
#[derive(Debug)]
pub struct Extractor {
    format: Format,
    time: Option<TimeRule>,
}

#[derive(Debug)]
enum Format {
    Raw,
    Json,
    Csv { keys: Vec<String> },
    Nginx,
    Apache2,
    ApacheError,
    Regexp(Ruby),
}

/// What a declaration asks for that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("the pattern has {bytes} bytes, and at most {max} are taken; write a shorter one")]
    PatternLength { bytes: usize, max: usize },
    /// At a byte of the pattern as it was written.
    #[error("the pattern cannot be used: {what} at byte {at}; {mend}")]
    Pattern { what: &'static str, at: usize, mend: &'static str },
    #[error("the pattern cannot be used: {0}")]
    Syntax(String),
    #[error("the pattern names no field; write a part that becomes one as `(?<name>...)`")]
    NoGroups,
    #[error("format csv needs the names of its columns; set `format.keys` to a list of them")]
    NoKeys,
    #[error("{keys} columns are named, and at most {max} are taken; name fewer")]
    TooManyKeys { keys: usize, max: usize },
    #[error("the time format {format:?} cannot be read: {fault}")]
    TimeFormat { format: String, fault: String },
}

/// The fields of one event. Kept from event to event for its buffers.
#[derive(Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    members: Members,
    json: json::Scratch,
    slots: ruby::Slots,
    time: Option<Time>,
}

/// The time that a text has.
#[derive(Debug)]
struct Time {
    text: [u8; 30],
    member: usize,
}

impl Extractor {
    /// Makes rules ready for use; also the check of a declaration.
    pub fn new(rules: &FieldRules) -> Result<Self, FieldError> {
        let FieldRules { format, time_key, time_format } = rules;
        let format = match format {
            FieldFormat::Raw => Format::Raw,
            FieldFormat::Json => Format::Json,
            FieldFormat::Csv { keys } if keys.is_empty() => return Err(FieldError::NoKeys),
            FieldFormat::Csv { keys } if keys.len() > MEMBERS_MAX => {
                return Err(FieldError::TooManyKeys { keys: keys.len(), max: MEMBERS_MAX });
            }
            FieldFormat::Csv { keys } => Format::Csv { keys: keys.clone() },
            FieldFormat::Nginx => Format::Nginx,
            FieldFormat::Apache2 => Format::Apache2,
            FieldFormat::ApacheError => Format::ApacheError,
            FieldFormat::Regexp { pattern } => Format::Regexp(Ruby::new(pattern)?),
        };
        let time = match format {
            Format::Nginx | Format::Apache2 => Some(TimeRule::access_log()),
            Format::ApacheError => Some(TimeRule::error_log()),
            _ => TimeRule::new(time_key.as_deref(), time_format.as_deref())?,
        };
        Ok(Self { format, time })
    }

    /// One for all that have these rules: ten thousand containers may have the same. `None` if
    /// texts stay as they are.
    pub fn shared(rules: &FieldRules) -> Option<Arc<Self>> {
        if rules.format == FieldFormat::Raw {
            return None;
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shared.iter().find(|(known, _)| known == rules);
        if let Some(extractor) = known.and_then(|(_, extractor)| extractor.upgrade()) {
            return Some(extractor);
        }
        let extractor = Arc::new(Self::new(rules).ok()?);
        shared.retain(|(_, extractor)| extractor.strong_count() > 0);
        shared.push((rules.clone(), Arc::downgrade(&extractor)));
        Some(extractor)
    }

    /// The name of the format; `None` if texts stay as they are.
    pub fn format(&self) -> Option<&'static str> {
        Some(match self.format {
            Format::Raw => return None,
            Format::Json => "json",
            Format::Csv { .. } => "csv",
            Format::Nginx => "nginx",
            Format::Apache2 => "apache2",
            Format::ApacheError => "apache_error",
            Format::Regexp(_) => "regexp",
        })
    }

    /// Takes a text apart: pieces of what stands between the quotes of a JSON string.
    ///
    /// `false` if it is not of the format; `fields` is empty then.
    pub fn extract(&self, text: &[&[u8]], clock: &Clock<'_>, fields: &mut Fields) -> bool {
        let Fields { text: plain, members, json, slots, time } = fields;
        members.clear();
        *time = None;
        if text.iter().map(|piece| piece.len()).sum::<usize>() > TEXT_BYTES_MAX {
            return false;
        }
        plain.clear();
        unescape_into(plain, text);
        let found = match &self.format {
            Format::Raw => false,
            Format::Json => json.members(plain, members),
            // What follows needs a `str`; the inside of a JSON string always is one.
            others => std::str::from_utf8(plain).is_ok_and(|text| match others {
                Format::Raw | Format::Json => false,
                Format::Csv { keys } => csv::members(text, keys, members),
                Format::Nginx => access::nginx(text, members).is_some(),
                Format::Apache2 => access::apache2(text, members).is_some(),
                Format::ApacheError => error_log::apache(text, members).is_some(),
                Format::Regexp(pattern) => pattern.members(text, slots, members),
            }),
        };
        if !found || members.is_over() {
            members.clear();
            return false;
        }
        if let Some(rule) = &self.time {
            let member = members.iter().enumerate().filter(|(_, it)| it.name == rule.key()).last();
            *time = member
                .and_then(|(member, it)| Some(Time { text: rule.read(it.value, clock)?, member }));
        }
        true
    }
}

impl Fields {
    /// In their order in the text; of two with one name the last holds.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.members.iter()
    }

    /// The event's time by its text, like [`super::Event::time`].
    pub fn time(&self) -> Option<&[u8; 30]> {
        self.time.as_ref().map(|time| &time.text)
    }

    /// Which of the members holds the time.
    pub fn time_member(&self) -> Option<usize> {
        self.time.as_ref().map(|time| time.member)
    }

    /// Gives back what one long event made large.
    pub fn trim(&mut self) {
        if self.text.capacity() > BUFFER_BYTES_KEPT || self.members.capacity() > BUFFER_BYTES_KEPT {
            *self = Self::default();
        }
    }
}
