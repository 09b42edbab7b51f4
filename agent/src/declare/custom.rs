//! `custom_config`: a text with one `name.key=value` per line, for all logs of a container.
//!
//! log-pilot gives most of it to Filebeat as it stands. Here a line is an extra field or a rule
//! for joining, and anything else has no effect and is said.

use crate::core::limits::CUSTOM_CONFIG_BYTES_MAX;

use super::declaration::ProblemKind;
use super::keys::{Drafts, Property, Said, Weight};
use super::problems::{Problems, quoted};

/// Gives each line to the log that it names.
pub(super) fn apply(drafts: &mut Drafts<'_>, problems: &mut Problems) {
    let mut texts = std::mem::take(&mut drafts.custom);
    texts.sort_unstable_by_key(|said| said.weight);
    let Some(counts) = texts.pop() else { return };
    for other in texts {
        let what = format!("{} counts instead of it", counts.written());
        problems.add(ProblemKind::Overridden, &other, None, what, "write all lines into one");
    }
    let mut text = counts.value;
    if text.len() > CUSTOM_CONFIG_BYTES_MAX {
        let cut = &text[..text.floor_char_boundary(CUSTOM_CONFIG_BYTES_MAX)];
        text = &cut[..cut.rfind('\n').unwrap_or(0)];
        let what = format!("what is beyond its first {CUSTOM_CONFIG_BYTES_MAX} bytes is left out");
        problems.add(ProblemKind::Mistake, &counts, None, what, "write less");
    }
    for (order, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let weight = Weight { own: false, order, ..counts.weight };
        apply_line(line, &Said { weight, ..counts.clone() }, drafts, problems);
    }
}

fn apply_line<'a>(
    line: &'a str,
    text: &Said<'a>,
    drafts: &mut Drafts<'a>,
    problems: &mut Problems,
) {
    let Some((key, value)) = line.split_once('=') else {
        let what = format!("the line {} has no '='", quoted(line.trim()));
        problems.add(ProblemKind::Mistake, text, None, what, "write 'name.key=value'");
        return;
    };
    let key = key.trim();
    let said = Said { value: unquoted(value.trim()), ..text.clone() };
    let Some((name, setting)) = split_key(key, drafts) else {
        let what = format!("no log that is declared has the setting {}", quoted(key));
        problems.add(ProblemKind::Mistake, text, None, what, "begin with a log's whole name");
        return;
    };
    let dotted = name.replace('_', ".");
    let Some(draft) = drafts.logs.get_mut(&dotted) else { return };
    if let Some(field) = setting.strip_prefix("fields.").filter(|field| !field.is_empty()) {
        draft.fields.push((field, said));
    } else if let Some(property) = join_property(setting) {
        draft.properties.entry(property).or_default().push(said);
    } else {
        let what = format!("the setting {} has no effect", quoted(setting));
        let mend = "only fields.* and multiline.* are known here";
        problems.add(ProblemKind::Mistake, text, Some(name), what, mend);
    }
}

/// The log's name, which may hold dots, and what follows it. The longest name counts.
fn split_key<'k>(key: &'k str, drafts: &Drafts) -> Option<(&'k str, &'k str)> {
    // What follows a name and is known begins with one of these.
    let known = [".fields.", ".multiline."].iter().filter_map(|infix| key.find(infix)).min();
    let at_known = known.into_iter();
    let first = key.find('.').into_iter();
    let last = key.rfind('.').into_iter();
    at_known.chain(last).chain(first).find_map(|at| {
        let name = &key[..at];
        drafts.logs.contains_key(&name.replace('_', ".")).then(|| (name, &key[at + 1..]))
    })
}

fn join_property(setting: &str) -> Option<Property> {
    let dotted = setting.strip_prefix("multiline.")?.replace('_', ".");
    Property::ALL.iter().find_map(|(suffix, property)| {
        (suffix.strip_prefix("multiline.")? == dotted).then_some(*property)
    })
}

/// The text used to stand in YAML, where quotes are not part of the value.
fn unquoted(value: &str) -> &str {
    ['\'', '"']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}
