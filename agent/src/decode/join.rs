//! Which lines are one event: the rules of a declaration, ready for use.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use crate::core::{JoinRules, JoinSide};

/// Ten times what a legible pattern has.
const PATTERN_BYTES_MAX: usize = 4 << 10;

/// A pattern is a tenant's, and `(\w{50}){50}` is short. What is in use takes tens of KiB.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// The automaton is made while lines are matched, in a cache that begins again when it is full.
const CACHE_BYTES_MAX: usize = 512 << 10;

/// Rules that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    #[error("the pattern that joins lines is empty; it would make one event of all lines")]
    Empty,
    #[error("a pattern that joins lines has {bytes} bytes, and {PATTERN_BYTES_MAX} are allowed")]
    Long { bytes: usize },
    #[error("`{pattern}` is no regular expression that can join lines: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("an event of joined lines must be allowed one line at least, not 0")]
    Lines,
    #[error("joined lines must be waited for at least 1 ms, not 0: no event would be whole")]
    Timeout,
}

/// Compiled rules.
#[derive(Debug)]
pub struct Joiner {
    rules: JoinRules,
    pattern: Regex,
    flush_pattern: Option<Regex>,
}

thread_local! {
    /// Rules in use. Ten thousand containers have few, and a matcher's cache is large; between
    /// threads it would cost a lock for each line.
    static SHARED: RefCell<Vec<Weak<Joiner>>> = const { RefCell::new(Vec::new()) };
}

impl Joiner {
    /// Whether the rules can be used, for whoever reads a declaration.
    pub fn check(rules: &JoinRules) -> Result<(), JoinError> {
        Self::new(rules).map(drop)
    }

    /// The same one for all sources of this thread that have these rules.
    pub(super) fn shared(rules: &JoinRules) -> Result<Arc<Self>, JoinError> {
        SHARED.with_borrow_mut(|shared| {
            let mut found = None;
            shared.retain(|joiner| {
                let joiner = joiner.upgrade();
                if let Some(joiner) = &joiner
                    && joiner.rules == *rules
                {
                    found = Some(joiner.clone());
                }
                joiner.is_some()
            });
            if let Some(joiner) = found {
                return Ok(joiner);
            }
            let joiner = Arc::new(Self::new(rules)?);
            shared.push(Arc::downgrade(&joiner));
            Ok(joiner)
        })
    }

    fn new(rules: &JoinRules) -> Result<Self, JoinError> {
        if rules.lines_max == 0 {
            return Err(JoinError::Lines);
        }
        if rules.timeout_ms == 0 {
            return Err(JoinError::Timeout);
        }
        Ok(Self {
            pattern: compile(&rules.pattern)?,
            flush_pattern: rules.flush_pattern.as_deref().map(compile).transpose()?,
            rules: rules.clone(),
        })
    }

    /// Whether the line belongs to another one.
    pub(super) fn means(&self, line: &[u8]) -> bool {
        self.pattern.is_match(line) != self.rules.negate
    }

    /// Whether an event ends with this line, which is not its first.
    pub(super) fn flushes(&self, line: &[u8]) -> bool {
        self.flush_pattern.as_ref().is_some_and(|pattern| pattern.is_match(line))
    }

    pub(super) fn side(&self) -> JoinSide {
        self.rules.side
    }

    pub(super) fn lines_max(&self) -> u32 {
        self.rules.lines_max
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.rules.timeout_ms.into())
    }
}

fn compile(pattern: &str) -> Result<Regex, JoinError> {
    if pattern.is_empty() {
        return Err(JoinError::Empty);
    }
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(JoinError::Long { bytes: pattern.len() });
    }
    RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .build()
        .map_err(|error| JoinError::Pattern { pattern: pattern.to_owned(), reason: reason(&error) })
}

/// In one line: a syntax error comes with a drawing of its place.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("compiled it would take more than {limit} bytes; repeat less")
        }
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pattern: &str) -> JoinRules {
        JoinRules { pattern: pattern.to_owned(), ..JoinRules::default() }
    }

    #[test]
    fn rules_that_cannot_be_used_say_why() {
        let check = |rules: JoinRules, expect: &str| {
            let error = Joiner::check(&rules).unwrap_err().to_string();
            assert!(error.contains(expect), "{rules:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        };
        check(rules(""), "is empty");
        check(rules("(a"), "`(a` is no regular expression that can join lines: unclosed group");
        check(rules("a(?=b)"), "look-around");
        check(rules(r"(a)\1"), "backreferences");
        check(rules(r"(\w{100}){100}"), "repeat less");
        check(rules(&"a".repeat(5_000)), "has 5000 bytes, and 4096 are allowed");
        check(JoinRules { flush_pattern: Some("[".to_owned()), ..rules("a") }, "`[` is no regular");
        check(JoinRules { lines_max: 0, ..rules("a") }, "one line at least");
        check(JoinRules { timeout_ms: 0, ..rules("a") }, "at least 1 ms");
        assert_eq!(Joiner::check(&rules(r"^\s+(at|\.{3})\s+\b|^Caused by:")), Ok(()));
    }

    #[test]
    fn sources_with_the_same_rules_share_a_matcher() {
        let first = Joiner::shared(&rules("shared")).unwrap();
        assert!(Arc::ptr_eq(&first, &Joiner::shared(&rules("shared")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &Joiner::shared(&rules("other")).unwrap()));
        drop(first);
        SHARED.with_borrow(|shared| assert!(shared.len() <= 3));
        let again = Joiner::shared(&rules("shared")).unwrap();
        SHARED.with_borrow(|shared| {
            assert_eq!(shared.iter().filter(|joiner| joiner.strong_count() > 0).count(), 1);
        });
        drop(again);
    }
}
