//! Formats and the joining of lines.

use crate::core::limits::CSV_KEYS_MAX;
use crate::core::{FieldFormat, FieldRules, JoinRules, JoinSide};

use super::keys::Property;
use super::log::Chosen;
use super::problems::quoted;

pub(super) const FORMATS: &str = "none, json, csv, nginx, apache2, apache_error, regexp";

/// Lines of one event. Ten thousand are a thread dump of a large program.
const LINES_MAX: u32 = 10_000;

/// Times that an event may wait for its next line.
const TIMEOUT_MS: std::ops::RangeInclusive<u32> = 100..=600_000;

/// How a log is taken apart. One that cannot be as it is declared is left as it is, so that
/// nothing is lost and no half of it goes to fields that nobody meant.
pub(super) fn fields(chosen: &mut Chosen) -> FieldRules {
    let format = chosen.text(Property::Format).map(|(text, said)| (text.trim(), said));
    let (name, said) = match format {
        Some((name, said)) => (name, Some(said)),
        None => ("none", None),
    };
    let allowed: &[Property] = match name {
        "none" | "nonex" | "" | "nginx" | "apache2" | "apache_error" => &[],
        "json" => &[Property::TimeKey, Property::TimeFormat],
        "csv" => &[Property::Keys, Property::TimeKey, Property::TimeFormat],
        // log-pilot refuses the key of its time by an oversight.
        "regexp" => &[Property::Pattern, Property::TimeKey, Property::TimeFormat],
        unknown => {
            if let Some(said) = said {
                let what =
                    format!("there is no format {}; the lines stay as they are", quoted(unknown));
                chosen.mistake(said, what, format!("write one of {FORMATS}"));
            }
            return FieldRules::default();
        }
    };
    let mut fits = true;
    let all = [Property::Pattern, Property::Keys, Property::TimeKey, Property::TimeFormat];
    for property in all.into_iter().filter(|property| !allowed.contains(property)) {
        let Some(said) = chosen.said(property) else { continue };
        let what =
            format!("the format {} has no such property; the lines stay as they are", quoted(name));
        chosen.mistake(said, what, "leave it out, or name the format that it belongs to");
        fits = false;
    }
    let format = if fits { format_named(name, chosen) } else { None };
    let Some(format) = format else { return FieldRules::default() };
    let mut text = |property| {
        let (text, _) = chosen.text(property)?;
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    };
    let (time_key, time_format) = (text(Property::TimeKey), text(Property::TimeFormat));
    FieldRules { format, time_key, time_format }
}

fn format_named(name: &str, chosen: &mut Chosen) -> Option<FieldFormat> {
    match name {
        "json" => Some(FieldFormat::Json),
        "nginx" => Some(FieldFormat::Nginx),
        "apache2" => Some(FieldFormat::Apache2),
        "apache_error" => Some(FieldFormat::ApacheError),
        "csv" => csv(chosen),
        "regexp" => regexp(chosen),
        _ => None,
    }
}

fn csv(chosen: &mut Chosen) -> Option<FieldFormat> {
    let mend = "write the names of all columns into format_keys, as in 'time,user,text'";
    let Some((list, said)) = chosen.text(Property::Keys) else {
        let said = chosen.said(Property::Format)?;
        chosen.mistake(said, "csv has no names of columns; the lines stay as they are", mend);
        return None;
    };
    let keys: Vec<String> =
        list.split(',').take(CSV_KEYS_MAX + 1).map(|key| key.trim().to_owned()).collect();
    if keys.len() > CSV_KEYS_MAX || keys.iter().any(String::is_empty) {
        let what = format!(
            "a column has no name, or there are more than {CSV_KEYS_MAX}; the lines stay as they are"
        );
        chosen.mistake(said, what, mend);
        return None;
    }
    Some(FieldFormat::Csv { keys })
}

fn regexp(chosen: &mut Chosen) -> Option<FieldFormat> {
    let pattern = chosen.text(Property::Pattern).map(|(pattern, _)| bare(pattern));
    let Some(pattern) = pattern.filter(|pattern| !pattern.trim().is_empty()) else {
        let said = chosen.said(Property::Format)?;
        let what = "regexp has no pattern; the lines stay as they are";
        chosen.mistake(said, what, "write one with named groups into format_pattern");
        return None;
    };
    Some(FieldFormat::Regexp { pattern: pattern.to_owned() })
}

/// A pattern without the slashes that Ruby has around it.
fn bare(pattern: &str) -> &str {
    let inner = pattern.trim().strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    inner.unwrap_or(pattern)
}

/// How lines are joined, if that is declared.
pub(super) fn join(chosen: &mut Chosen) -> Option<JoinRules> {
    let others = [
        Property::JoinNegate,
        Property::JoinMatch,
        Property::JoinFlush,
        Property::JoinLines,
        Property::JoinTimeout,
    ];
    let pattern = chosen.text(Property::JoinPattern).map(|(pattern, _)| pattern);
    let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
        if let Some(said) = others.into_iter().find_map(|property| chosen.said(property)) {
            let what = "there is no pattern by which lines are joined; each is an event";
            chosen.mistake(said, what, "write one into multiline_pattern");
        }
        return None;
    };
    let mut rules = JoinRules { pattern: pattern.to_owned(), ..JoinRules::default() };
    value(chosen, Property::JoinNegate, "true or false", &mut rules.negate, |text| match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    });
    value(chosen, Property::JoinMatch, "after or before", &mut rules.side, |text| match text {
        "after" => Some(JoinSide::Before),
        "before" => Some(JoinSide::Behind),
        _ => None,
    });
    value(chosen, Property::JoinLines, "a number from 1 to 10000", &mut rules.lines_max, |text| {
        text.parse().ok().filter(|lines| (1..=LINES_MAX).contains(lines))
    });
    value(chosen, Property::JoinTimeout, "a time such as 5s", &mut rules.timeout_ms, timeout_ms);
    let flush = chosen.text(Property::JoinFlush).map(|(pattern, _)| pattern.to_owned());
    rules.flush_pattern = flush.filter(|pattern| !pattern.is_empty());
    Some(rules)
}

/// Reads one value, or leaves Filebeat's default and says so.
fn value<T>(
    chosen: &mut Chosen,
    property: Property,
    expected: &str,
    place: &mut T,
    parse: impl FnOnce(&str) -> Option<T>,
) {
    let Some((text, said)) = chosen.text(property) else { return };
    if let Some(value) = parse(text.trim()) {
        *place = value;
    } else {
        let what = format!("{} is not {expected}; the default counts", quoted(text));
        chosen.mistake(said, what, format!("write {expected}"));
    }
}

/// One number and its unit, from 100ms to 10m.
fn timeout_ms(text: &str) -> Option<u32> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let unit_ms = match &text[unit_at..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let ms = text[..unit_at].parse::<u32>().ok()?.checked_mul(unit_ms)?;
    TIMEOUT_MS.contains(&ms).then_some(ms)
}
