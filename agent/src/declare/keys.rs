//! Which variables and labels are declarations, and what their keys say.
//!
//! log-pilot reads a variable as the label with a `.` for each `_`, so the two are one in keys, and
//! names that differ in nothing else are one name. In a label the name of a log ends at a `.`, and
//! in a variable at either.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::core::limits::DECLARATION_KEY_BYTES_MAX;
use crate::discover::Container;

use super::declaration::{ProblemKind, Written};
use super::problems::{Problems, quoted};
use super::{Language, STDOUT};

/// Everything after `<prefix>.logs.<name>.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Property {
    Format,
    Pattern,
    Keys,
    TimeKey,
    TimeFormat,
    Tags,
    Target,
    JoinPattern,
    JoinNegate,
    JoinMatch,
    JoinFlush,
    JoinLines,
    JoinTimeout,
}

impl Property {
    /// With their suffixes, the longest first, as `format` also ends `format.time.format`.
    pub(super) const ALL: [(&'static str, Self); 13] = [
        ("multiline.flush.pattern", Self::JoinFlush),
        ("multiline.max.lines", Self::JoinLines),
        ("format.time.format", Self::TimeFormat),
        ("multiline.pattern", Self::JoinPattern),
        ("multiline.timeout", Self::JoinTimeout),
        ("multiline.negate", Self::JoinNegate),
        ("multiline.match", Self::JoinMatch),
        ("format.time.key", Self::TimeKey),
        ("format.pattern", Self::Pattern),
        ("format.keys", Self::Keys),
        ("format", Self::Format),
        ("target", Self::Target),
        ("tags", Self::Tags),
    ];

    /// Whether a path or `stdout` can be its value. Where it cannot, the key is a log's name that
    /// happens to end like this.
    fn takes_any_text(self) -> bool {
        match self {
            Self::Pattern
            | Self::Keys
            | Self::TimeKey
            | Self::TimeFormat
            | Self::Target
            | Self::JoinPattern
            | Self::JoinFlush => true,
            Self::Format
            | Self::Tags
            | Self::JoinNegate
            | Self::JoinMatch
            | Self::JoinLines
            | Self::JoinTimeout => false,
        }
    }
}

/// Suffixes of Alibaba's own collectors, which use the same prefix on the same containers.
const NEIGHBOURS: [&str; 5] = ["project", "logstore", "ttl", "shard", "machinegroup"];

/// A variable or label whose key begins like a declaration.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) variable: bool,
    /// What follows the prefix.
    rest: &'a str,
    /// `rest` with `.` for `_`.
    dotted: String,
    pub(super) value: &'a str,
    pub(super) weight: Weight,
}

/// Of several values for the same thing the heaviest counts: one of the log's own over one of
/// `custom_config`; of two prefixes the one that is sorted last, as in log-pilot; a variable over a
/// label; the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    pub(super) own: bool,
    pub(super) prefix: usize,
    pub(super) variable: bool,
    pub(super) order: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Said<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    pub(super) weight: Weight,
}

/// What is said of one log, before any value is looked at.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    /// As spelled by each of its sources.
    pub(super) sources: Vec<(&'a str, Said<'a>)>,
    pub(super) properties: BTreeMap<Property, Vec<Said<'a>>>,
    /// `fields.*` of `custom_config`.
    pub(super) fields: Vec<(&'a str, Said<'a>)>,
}

/// The logs of a container by their dotted names, and the texts of `custom_config`.
#[derive(Debug, Default)]
pub(super) struct Drafts<'a> {
    pub(super) logs: HashMap<String, Draft<'a>>,
    pub(super) custom: Vec<Said<'a>>,
}

impl Said<'_> {
    pub(super) fn written(&self) -> Written {
        let key = self.key.to_owned();
        if self.weight.variable { Written::Variable(key) } else { Written::Label(key) }
    }
}

impl<'a> Entry<'a> {
    fn said(&self) -> Said<'a> {
        Said { key: self.key, value: self.value, weight: self.weight }
    }

    /// The properties that the key may be, the longest suffix first, each with the name's length.
    fn properties(&self) -> impl Iterator<Item = (usize, Property)> {
        Property::ALL.iter().filter_map(|(suffix, property)| {
            let name = self.dotted.strip_suffix(suffix)?.strip_suffix('.')?;
            let ends_here = self.variable || self.rest.as_bytes()[name.len()] == b'.';
            (ends_here && !name.is_empty()).then_some((name.len(), *property))
        })
    }

    fn is_source(&self) -> bool {
        let value = self.value.trim();
        value == STDOUT || value.starts_with('/')
    }
}

/// Every entry goes to the log that it belongs to, or to the problems.
pub(super) fn drafts<'a>(
    container: &'a Container,
    language: &Language,
    problems: &mut Problems,
) -> Drafts<'a> {
    let mut entries = entries(container, language, problems);
    // A name is shorter than its properties' keys, so it is known when they come.
    entries.sort_by_key(|entry| (entry.dotted.len(), entry.weight));
    let mut drafts = Drafts::default();
    for entry in &entries {
        drafts.add(entry, problems);
    }
    drafts
}

fn entries<'a>(
    container: &'a Container,
    language: &Language,
    problems: &mut Problems,
) -> Vec<Entry<'a>> {
    let labels = container.labels.iter().map(|(key, value)| (false, key, value));
    let env = container.env.iter().map(|(key, value)| (true, key, value));
    let mut entries = Vec::new();
    for (order, (variable, key, value)) in labels.chain(env).enumerate() {
        let Some((prefix, rest)) = language.rest_of(key, variable) else { continue };
        let weight = Weight { own: true, prefix, variable, order };
        let entry = Entry { key, variable, rest, dotted: String::new(), value, weight };
        if rest.len() > DECLARATION_KEY_BYTES_MAX {
            let cut = &key[..key.floor_char_boundary(DECLARATION_KEY_BYTES_MAX)];
            let said = Said { key: cut, ..entry.said() };
            let what = format!("the name is longer than {DECLARATION_KEY_BYTES_MAX} bytes");
            problems.add(ProblemKind::Mistake, &said, None, what, "choose a shorter one");
        } else {
            entries.push(Entry { dotted: rest.replace('_', "."), ..entry });
        }
    }
    entries
}

impl<'a> Drafts<'a> {
    fn add(&mut self, entry: &Entry<'a>, problems: &mut Problems) {
        let said = entry.said();
        if entry.dotted == "custom.config" && !entry.is_source() {
            self.custom.push(said);
            return;
        }
        let whole_is_name = !entry.variable && !entry.rest.contains('.');
        if !whole_is_name {
            for (name, property) in entry.properties() {
                if entry.is_source() && !property.takes_any_text() {
                    continue;
                }
                if let Some(draft) = self.logs.get_mut(&entry.dotted[..name]) {
                    draft.properties.entry(property).or_default().push(said);
                    return;
                }
            }
        }
        if entry.is_source() || whole_is_name && !is_neighbour(&entry.dotted) {
            self.name(entry);
            return;
        }
        let orphan = entry.properties().next();
        if let Some((name, _)) = orphan {
            let what = format!("no log {} is declared", quoted(&entry.rest[..name]));
            let mend =
                "it is left alone; if it was meant for sluice, declare the log or mend the name";
            problems.add(ProblemKind::Neighbour, &said, None, what, mend);
        } else if is_neighbour(&entry.dotted) {
            let what = "it is a setting of Alibaba's own collector".to_owned();
            problems.add(ProblemKind::Neighbour, &said, None, what, "it is left alone");
        } else if let Some((name, unknown)) = self.owner(&entry.dotted) {
            let what = format!("a log has no property {}", quoted(unknown));
            // Comparing is the dearest thing here, and nobody reads more than is listed.
            let nearest = if problems.is_full() { None } else { nearest(unknown) };
            let mend = match nearest {
                Some(suffix) => format!("write {suffix}"),
                None => "leave it out, or give a path or 'stdout' to make it a log".to_owned(),
            };
            problems.add(ProblemKind::Mistake, &said, Some(&entry.rest[..name]), what, mend);
        } else {
            self.name(entry);
        }
    }

    fn name(&mut self, entry: &Entry<'a>) {
        let draft = self.logs.entry(entry.dotted.clone()).or_default();
        draft.sources.push((entry.rest, entry.said()));
    }

    /// The log that an unknown property is most likely meant for, and the property.
    fn owner<'k>(&self, dotted: &'k str) -> Option<(usize, &'k str)> {
        // No property has more parts.
        dotted.rmatch_indices('.').take(3).find_map(|(at, _)| {
            self.logs.contains_key(&dotted[..at]).then(|| (at, &dotted[at + 1..]))
        })
    }
}

fn is_neighbour(dotted: &str) -> bool {
    dotted.rsplit('.').next().is_some_and(|last| NEIGHBOURS.contains(&last))
}

fn nearest(unknown: &str) -> Option<&'static str> {
    Property::ALL
        .iter()
        .map(|(suffix, _)| (*suffix, strsim::normalized_damerau_levenshtein(suffix, unknown)))
        .filter(|(_, likeness)| *likeness >= 0.7)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(suffix, _)| suffix)
}

impl Language {
    /// What of a key follows its prefix, and the prefix's rank. The longest prefix counts, should
    /// one begin like another's logs.
    fn rest_of<'k>(&self, key: &'k str, variable: bool) -> Option<(usize, &'k str)> {
        let infix = if variable { "_logs_" } else { ".logs." };
        let mut found = None;
        for (rank, prefix) in self.ranked().iter().enumerate() {
            let rest = key.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix(infix));
            let Some(rest) = rest else { continue };
            found = found.max(Some((Reverse(rest.len()), rank)));
        }
        found.map(|(length, rank)| (rank, &key[key.len() - length.0..]))
    }
}
