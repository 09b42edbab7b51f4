//! takes: env, labels, config
//! gives: what a container asks for
//! owns:  the declaration language
//! never: evaluates a value; lets one bad declaration hurt another
//!
//! The language is log-pilot's, and wider where log-pilot has an error. Whatever cannot be
//! understood is a [`Problem`] of the log that it belongs to, and that log is still collected if
//! it is known where it is. Time and memory are linear in what is written, by the limits in
//! `core::limits`.

mod custom;
mod declaration;
mod files;
mod keys;
mod labels;
mod log;
mod pattern;
mod problems;
mod properties;

#[cfg(test)]
mod tests;

use crate::core::limits::LOGS_PER_CONTAINER_MAX;
use crate::discover::Container;

pub use declaration::{Declaration, Declared, LogSource, Problem, ProblemKind, Written};
pub use files::{Asker, DeclaredFile, FileNews, Finder, Missed, NewsFn, Reports, Wanted, report};
pub use labels::pilot_fields;
pub use pattern::{Below, PathPattern, PatternError};

use problems::Problems;

/// A label or variable with this name and the value `false` keeps a container's output at home.
const OPT_OUT_LABEL: &str = "sluice.collect";
const OPT_OUT_ENV: &str = "SLUICE_COLLECT";

/// The value of a log that is the runtime's.
const STDOUT: &str = "stdout";

/// What is read as a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    /// Sorted, each once: of two that declare the same, the last counts.
    prefixes: Vec<String>,
}

impl Default for Language {
    fn default() -> Self {
        Self::new(["sluice", "aliyun"])
    }
}

impl Language {
    /// These prefixes in place of the default ones, unless nothing is among them. Blanks around one
    /// are dropped.
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let trimmed = prefixes.into_iter().map(str::trim).filter(|prefix| !prefix.is_empty());
        let mut prefixes: Vec<String> = trimmed.map(str::to_owned).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        if prefixes.is_empty() { Self::default() } else { Self { prefixes } }
    }

    fn ranked(&self) -> &[String] {
        &self.prefixes
    }
}

/// Reads all declarations of a container.
pub fn declared(container: &Container, language: &Language) -> Declared {
    if opted_out(container) {
        return Declared { opted_out: true, ..Declared::default() };
    }
    let mut problems = Problems::default();
    let mut drafts = keys::drafts(container, language, &mut problems);
    custom::apply(&mut drafts, &mut problems);
    // Sorted, so that which ones are beyond the limit does not change between two readings.
    let mut drafts: Vec<_> = drafts.logs.into_iter().collect();
    drafts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut logs = Vec::new();
    let mut beyond: Option<(Written, usize)> = None;
    for (_, draft) in &drafts {
        if logs.len() < LOGS_PER_CONTAINER_MAX {
            logs.extend(log::declaration(draft, &mut problems));
        } else {
            let first = || (draft.sources[0].1.written(), 0);
            beyond.get_or_insert_with(first).1 += 1;
        }
    }
    logs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut problems = problems.into_list();
    if let Some((written, logs)) = beyond {
        problems.push(Problem {
            kind: ProblemKind::Mistake,
            written,
            name: None,
            what: format!(
                "{logs} logs beyond the first {LOGS_PER_CONTAINER_MAX} of the container are not \
                 collected"
            ),
            mend: "declare fewer, with patterns such as '/logs/*.log'".to_owned(),
        });
    }
    Declared { opted_out: false, logs, problems }
}

fn opted_out(container: &Container) -> bool {
    let is_false = |value: &str| matches!(value.trim(), "false" | "0" | "no" | "off");
    let label = container.labels.get(OPT_OUT_LABEL).map(String::as_str);
    let variable = container.env.iter().find(|(name, _)| name == OPT_OUT_ENV);
    label.or(variable.map(|(_, value)| value.as_str())).is_some_and(is_false)
}
