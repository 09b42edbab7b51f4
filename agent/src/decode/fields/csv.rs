//! Comma separated values, quoted as in RFC 4180.

use std::borrow::Cow;

use super::members::Members;

/// The values of a line under their columns' names. A value that is missing or empty has no
/// member: an empty string is refused where Elasticsearch expects a number. Values beyond the last
/// name have none to go by.
///
/// `false` if a quote is not where it can be.
pub(super) fn members(text: &str, keys: &[String], members: &mut Members) -> bool {
    let mut keys = keys.iter();
    let mut rest = Some(text);
    while let Some(line) = rest {
        let Some((value, is_quoted, more)) = value(line) else { return false };
        if let Some(key) = keys.next()
            && (is_quoted || !value.is_empty())
        {
            members.string(key, &value);
        }
        rest = more;
    }
    true
}

/// The first value, whether it was quoted, and what follows its comma if there is one.
fn value(line: &str) -> Option<(Cow<'_, str>, bool, Option<&str>)> {
    let Some(mut quoted) = line.strip_prefix('"') else {
        let (value, rest) = match line.split_once(',') {
            Some((value, rest)) => (value, Some(rest)),
            None => (line, None),
        };
        return (!value.contains('"')).then_some((Cow::Borrowed(value), false, rest));
    };
    let mut value = Cow::Borrowed("");
    loop {
        let (part, rest) = quoted.split_once('"')?;
        if value.is_empty() {
            value = Cow::Borrowed(part);
        } else {
            value.to_mut().push_str(part);
        }
        if let Some(rest) = rest.strip_prefix('"') {
            value.to_mut().push('"');
            quoted = rest;
        } else if rest.is_empty() {
            return Some((value, true, None));
        } else {
            return Some((value, true, Some(rest.strip_prefix(',')?)));
        }
    }
}
