//! What became of a life's lines.

use serde::Serialize;

use super::{Finding, Mark};

#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) written: u64,
    pub(super) arrived: u64,
    /// The agent said that something of it is lost.
    pub(super) is_declared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Whole,
    /// Some arrived, and it was said that more was lost.
    Partly,
    /// None arrived, and it was said.
    Declared,
    /// Lines are missing, and nobody said so.
    Silent,
}

impl Outcome {
    pub(super) fn of(life: Life) -> Self {
        match life {
            Life { written, arrived, .. } if arrived >= written => Self::Whole,
            Life { is_declared: false, .. } => Self::Silent,
            Life { arrived: 0, .. } => Self::Declared,
            Life { .. } => Self::Partly,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Partly => "partly",
            Self::Declared => "declared lost",
            Self::Silent => "silent",
        }
    }
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Share {
    whole: u64,
    partly: u64,
    declared: u64,
    silent: u64,
}

impl Share {
    pub(super) fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Whole => &mut self.whole,
            Outcome::Partly => &mut self.partly,
            Outcome::Declared => &mut self.declared,
            Outcome::Silent => &mut self.silent,
        } += 1;
    }

    pub(super) fn findings(self, rung: &str) -> Vec<Finding> {
        let finding = |outcome: Outcome, count: u64, mark| Finding {
            name: format!("{rung}: lives {}", outcome.as_str()),
            value: count as f64,
            unit: "",
            mark,
        };
        vec![
            finding(Outcome::Whole, self.whole, None),
            finding(Outcome::Partly, self.partly, None),
            finding(Outcome::Declared, self.declared, None),
            finding(Outcome::Silent, self.silent, Some(Mark::AtMost(0.0))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_is_declared() {
        let check = |arrived, is_declared, expect: Outcome| {
            assert_eq!(Outcome::of(Life { written: 10, arrived, is_declared }), expect);
        };
        check(10, false, Outcome::Whole);
        check(9, true, Outcome::Partly);
        check(0, true, Outcome::Declared);
        check(9, false, Outcome::Silent);
        check(0, false, Outcome::Silent);
    }
}
