//! What is wrong with a container's declarations, bounded.

use crate::core::limits::PROBLEMS_PER_CONTAINER_MAX;

use super::declaration::{Problem, ProblemKind, Written};
use super::keys::Said;

/// Bytes of a tenant's text in one message.
const QUOTED_BYTES_MAX: usize = 160;

#[derive(Debug, Default)]
pub(super) struct Problems {
    listed: Vec<Problem>,
    /// Those beyond the limit, and where the first of them stands.
    more: usize,
    first_more: Option<Written>,
}

impl Problems {
    pub(super) fn add(
        &mut self,
        kind: ProblemKind,
        said: &Said,
        name: Option<&str>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        if self.is_full() {
            self.more += 1;
            self.first_more.get_or_insert_with(|| said.written());
            return;
        }
        let name = name.map(str::to_owned);
        let (written, what, mend) = (said.written(), what.into(), mend.into());
        self.listed.push(Problem { kind, written, name, what, mend });
    }

    /// Whatever comes is only counted.
    pub(super) fn is_full(&self) -> bool {
        self.listed.len() == PROBLEMS_PER_CONTAINER_MAX
    }

    pub(super) fn into_list(mut self) -> Vec<Problem> {
        if let Some(written) = self.first_more {
            let what = format!("there are {} more problems from here on", self.more);
            let mend = "mend those that are listed first".to_owned();
            self.listed.push(Problem {
                kind: ProblemKind::Mistake,
                written,
                name: None,
                what,
                mend,
            });
        }
        self.listed
    }
}

/// A tenant's text as it may stand in a message: escaped, quoted and cut.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", escaped(text))
}

/// The same without quotes.
pub(super) fn escaped(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(QUOTED_BYTES_MAX)];
    let rest = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", cut.escape_debug())
}
