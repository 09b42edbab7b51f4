//! From what is said of one log to its declaration.

use std::collections::BTreeMap;

use crate::core::limits::{
    DECLARATION_VALUE_BYTES_MAX, PATHS_PER_LOG_MAX, TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX,
    TAGS_PER_LOG_MAX,
};

use super::STDOUT;
use super::declaration::{Declaration, LogSource, ProblemKind};
use super::keys::{Draft, Property, Said};
use super::pattern::{PathPattern, PatternError, split_list};
use super::problems::{Problems, quoted};
use super::properties;

/// One value of each property, and where to complain.
pub(super) struct Chosen<'d, 'p> {
    pub(super) name: &'d str,
    said: BTreeMap<Property, &'d Said<'d>>,
    problems: &'p mut Problems,
}

/// `None` if it is not known where the log is.
pub(super) fn declaration(draft: &Draft, problems: &mut Problems) -> Option<Declaration> {
    let (name, source_said) = draft.sources.iter().max_by_key(|(_, said)| said.weight)?;
    for (_, other) in &draft.sources {
        note_overridden(other, source_said, name, problems);
    }
    if name.is_empty() {
        let what = "a log has no name";
        problems.add(ProblemKind::Mistake, source_said, None, what, "write one behind 'logs'");
        return None;
    }
    let source = source(name, source_said, draft, problems)?;
    let said = chosen(draft, name, source_said, problems);
    let mut chosen = Chosen { name, said, problems };
    let fields = properties::fields(&mut chosen);
    let join = properties::join(&mut chosen);
    let target = chosen.text(Property::Target).map(|(text, _)| text.trim().to_owned());
    let target = target.filter(|target| !target.is_empty());
    let tags = tags(draft, &mut chosen);
    let (name, written) = ((*name).to_owned(), source_said.written());
    Some(Declaration { name, written, source, fields, join, tags, target })
}

impl<'d> Chosen<'d, '_> {
    /// The value of a property that was written, unless it is longer than any that is meant.
    pub(super) fn text(&mut self, property: Property) -> Option<(&'d str, &'d Said<'d>)> {
        let said = self.said.get(&property).copied()?;
        if said.value.len() > DECLARATION_VALUE_BYTES_MAX {
            let what = format!("the value is longer than {DECLARATION_VALUE_BYTES_MAX} bytes");
            self.mistake(said, what, "it has no effect; write a shorter one");
            return None;
        }
        Some((said.value, said))
    }

    /// Whether it was written, however badly.
    pub(super) fn said(&self, property: Property) -> Option<&'d Said<'d>> {
        self.said.get(&property).copied()
    }

    pub(super) fn mistake(
        &mut self,
        said: &Said,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.problems.add(ProblemKind::Mistake, said, Some(self.name), what, mend);
    }
}

/// Of each property the value that counts. A log that is declared again under another prefix loses
/// what was said of it under the first, as in log-pilot.
fn chosen<'d>(
    draft: &'d Draft,
    name: &str,
    source: &Said,
    problems: &mut Problems,
) -> BTreeMap<Property, &'d Said<'d>> {
    let replaced: Vec<usize> = draft
        .sources
        .iter()
        .map(|(_, said)| said.weight.prefix)
        .filter(|prefix| *prefix < source.weight.prefix)
        .collect();
    let stands = |said: &Said| !said.weight.own || !replaced.contains(&said.weight.prefix);
    let mut chosen = BTreeMap::new();
    for (property, all) in &draft.properties {
        let Some(best) = all.iter().filter(|said| stands(said)).max_by_key(|said| said.weight)
        else {
            if let Some(said) = all.first() {
                note_overridden(said, source, name, problems);
            }
            continue;
        };
        for other in all {
            note_overridden(other, best, name, problems);
        }
        chosen.insert(*property, best);
    }
    chosen
}

fn note_overridden(other: &Said, counts: &Said, name: &str, problems: &mut Problems) {
    if other.weight == counts.weight || other.value == counts.value {
        return;
    }
    let what = format!("{} counts instead of it", counts.written());
    problems.add(ProblemKind::Overridden, other, Some(name), what, "keep one of the two");
}

fn source(name: &str, said: &Said, draft: &Draft, problems: &mut Problems) -> Option<LogSource> {
    let mut problem = |kind, what: String, mend: &str| {
        problems.add(kind, said, Some(name), what, mend);
    };
    let mistake = ProblemKind::Mistake;
    let value = said.value.trim();
    if value == STDOUT {
        return Some(LogSource::Stdout);
    }
    if value.is_empty() {
        problem(mistake, "the value is empty".to_owned(), "write 'stdout' or an absolute path");
        return None;
    }
    if value.len() > DECLARATION_VALUE_BYTES_MAX {
        let what = format!("the value is longer than {DECLARATION_VALUE_BYTES_MAX} bytes");
        problem(mistake, what, "write shorter paths with '*'");
        return None;
    }
    let mut patterns: Vec<PathPattern> = Vec::new();
    for (at, path) in split_list(value).enumerate() {
        if at == PATHS_PER_LOG_MAX {
            let what = format!("paths beyond the first {at} are left out");
            problem(mistake, what, "write patterns with '*', or several names");
            break;
        }
        if let Some(mend) = misplaced_stream(path) {
            let what = format!("{} cannot be read as a path beside others", quoted(path));
            problem(mistake, what, mend);
            continue;
        }
        match PathPattern::parse(path) {
            Ok(pattern) => {
                if let Some(unknown) = pattern.unknown_date() {
                    let what = format!("{} is no part of a date", quoted(&format!("%{unknown}")));
                    problem(mistake, what, "it stands for itself; write '%%' if that is meant");
                }
                if !patterns.contains(&pattern) {
                    patterns.push(pattern);
                }
            }
            Err(PatternError::NotAbsolute) => {
                let (kind, what, mend) = no_source(path, draft);
                problem(kind, what, mend);
            }
            Err(error) => problem(mistake, error.to_string(), error.mend()),
        }
    }
    (!patterns.is_empty()).then_some(LogSource::Files(patterns))
}

/// `stdout` or `stderr` in a list of paths: the mend.
fn misplaced_stream(path: &str) -> Option<&'static str> {
    let (first, last) = (path.split(',').next()?.trim(), path.rsplit(',').next()?.trim());
    let is_stream = |word: &str| matches!(word, "stdout" | "stderr");
    // Alone it is told apart below.
    let in_list = path.contains(',') || path == STDOUT;
    (in_list && (is_stream(first) || is_stream(last)))
        .then_some("declare the container's output under a name of its own, as 'stdout'")
}

/// A value that is neither `stdout` nor an absolute path.
fn no_source(value: &str, draft: &Draft) -> (ProblemKind, String, &'static str) {
    let what = format!("{} is neither 'stdout' nor an absolute path", quoted(value));
    let lower = value.to_ascii_lowercase();
    if lower == STDOUT {
        return (ProblemKind::Mistake, what, "write 'stdout' in small letters");
    }
    if lower == "stderr" {
        return (ProblemKind::Mistake, what, "write 'stdout', which is both streams");
    }
    let like_path = value.contains(['/', '*']) || lower.contains(".log");
    if like_path || !draft.properties.is_empty() {
        return (ProblemKind::Mistake, what, PatternError::NotAbsolute.mend());
    }
    // It may be anything, so it is not shown.
    let what = "the value is neither 'stdout' nor an absolute path".to_owned();
    (ProblemKind::Neighbour, what, "it is left alone")
}

/// Fields of `custom_config`, then tags, which win.
fn tags(draft: &Draft, chosen: &mut Chosen) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for (name, said) in &draft.fields {
        add_tag(name, said.value, said, &mut tags, chosen);
    }
    let Some((list, said)) = chosen.text(Property::Tags) else { return tags };
    // A comma at the end harms nothing.
    for tag in list.split(',').filter(|tag| !tag.trim().is_empty()) {
        // The value is not shown, as it may be anything.
        let (tag, value) = tag.split_once('=').unwrap_or((tag, ""));
        add_tag(tag.trim(), value.trim(), said, &mut tags, chosen);
    }
    tags
}

fn add_tag(
    name: &str,
    value: &str,
    said: &Said,
    tags: &mut BTreeMap<String, String>,
    chosen: &mut Chosen,
) {
    if name.is_empty() || value.is_empty() {
        let what = format!("the tag {} has no name or no value", quoted(name));
        chosen.mistake(said, what, "it is left out; write 'name=value'");
    } else if name.len() > TAG_NAME_BYTES_MAX || value.len() > TAG_VALUE_BYTES_MAX {
        let what = format!("the tag {} is too long", quoted(name));
        let mend = format!(
            "it is left out; names have at most {TAG_NAME_BYTES_MAX} bytes and values \
             {TAG_VALUE_BYTES_MAX}"
        );
        chosen.mistake(said, what, mend);
    } else if tags.len() == TAGS_PER_LOG_MAX && !tags.contains_key(name) {
        let what = format!("the tag {} is beyond the first {TAGS_PER_LOG_MAX}", quoted(name));
        chosen.mistake(said, what, "it is left out; write fewer");
    } else {
        tags.insert(name.to_owned(), value.to_owned());
    }
}
