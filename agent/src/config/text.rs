//! A value as written, with its place; and the expansion of variables in it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// One scalar, unexpanded, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) raw: String,
    pub(super) spot: Spot,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// 1-based, as editors count.
    Line {
        line: u64,
        column: u64,
    },
    Flag(&'static str),
    /// A variable of log-pilot's, or a file of its; taken as it stands.
    Variable(&'static str),
}

impl Text {
    pub(super) fn of_flag(flag: &'static str, value: &str) -> Self {
        Self { raw: value.to_owned(), spot: Spot::Flag(flag) }
    }

    pub(super) fn of_variable(name: &'static str, value: &str) -> Self {
        Self { raw: value.to_owned(), spot: Spot::Variable(name) }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(input)?;
        Ok(Self { spot: Spot::of(&spanned), raw: spanned.value })
    }
}

impl Spot {
    pub(super) fn of<T>(spanned: &Spanned<T>) -> Self {
        let at = spanned.referenced;
        Self::Line { line: at.line(), column: at.column() }
    }

    pub(super) fn place(self, path: &Path) -> Place {
        Place { path: path.to_owned(), spot: self }
    }
}

/// A spot with its file, as messages show it: `/etc/sluice/sluice.yaml:3:7` or `--hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    spot: Spot,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spot {
            Spot::Line { line, column } => {
                write!(out, "{}:{line}:{column}", self.path.display())
            }
            Spot::Flag(name) | Spot::Variable(name) => out.write_str(name),
        }
    }
}

/// Why a value could not be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    #[error("variable `{name}` is not set; set it, or give a default with `${{{name}:default}}`")]
    NotSet { name: String },
    #[error("`${{` has no closing `}}`; close it, or write `$${{` for the two characters")]
    Unclosed,
    #[error(
        "`{name}` is no name of a variable; a name has letters, digits and `_`, \
         and `$${{` stands for the two characters"
    )]
    BadName { name: String },
}

/// Replaces `${NAME}` and `${NAME:default}`; `$${` stands for `${`, any other `$` for itself.
///
/// A default also stands in for a variable that is set to nothing: compose files and manifests
/// hand on unset variables as empty ones.
pub(super) fn expand(
    raw: &str,
    variables: &BTreeMap<String, String>,
) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        let (before, behind) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = behind;
            continue;
        }
        out.push_str(before);
        let (inner, after) = behind.split_once('}').ok_or(ExpandError::Unclosed)?;
        let (name, default) =
            inner.split_once(':').map_or((inner, None), |(name, default)| (name, Some(default)));
        if !is_name(name) {
            return Err(ExpandError::BadName { name: name.to_owned() });
        }
        match (variables.get(name), default) {
            (Some(value), Some(default)) if value.is_empty() => out.push_str(default),
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => return Err(ExpandError::NotSet { name: name.to_owned() }),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(legal) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Result<&str, ExpandError>) {
        let variables = BTreeMap::from([
            ("HOST".to_owned(), "es1".to_owned()),
            ("EMPTY".to_owned(), String::new()),
            ("SLY".to_owned(), "${HOST}\nkey: value".to_owned()),
        ]);
        assert_eq!(expand(raw, &variables), expected.map(str::to_owned), "{raw}");
    }

    #[test]
    fn variables_are_replaced() {
        check("plain $5 text", Ok("plain $5 text"));
        check("http://${HOST}:9200", Ok("http://es1:9200"));
        check("${HOST}${HOST}", Ok("es1es1"));
        check("${GONE:http://localhost:9200}", Ok("http://localhost:9200"));
        check("${HOST:other}", Ok("es1"));
        check("${EMPTY:other}", Ok("other"));
        check("[${EMPTY}]", Ok("[]"));
        check("${GONE:}", Ok(""));
        check("$${HOST}", Ok("${HOST}"));
        // What a variable holds is never looked at again.
        check("${SLY}", Ok("${HOST}\nkey: value"));
    }

    #[test]
    fn what_cannot_be_expanded_is_named() {
        check("${GONE}", Err(ExpandError::NotSet { name: "GONE".into() }));
        check("a ${HOST", Err(ExpandError::Unclosed));
        check("${}", Err(ExpandError::BadName { name: String::new() }));
        check("${1X}", Err(ExpandError::BadName { name: "1X".into() }));
        check("${A-B:c}", Err(ExpandError::BadName { name: "A-B".into() }));
    }
}
