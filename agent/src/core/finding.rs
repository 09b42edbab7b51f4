//! What a look at one part of this machine found: the answer of each room's `probe`.

use serde::{Deserialize, Serialize};

/// One part, how it is, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub what: String,
    pub verdict: Verdict,
    /// What was found, and what follows from it.
    pub found: String,
    /// What a person can do; nothing is to be done if it is well.
    pub mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// The agent works, and slower, later or with less than it could.
    Degraded,
    /// The agent does not work, or loses lines.
    Broken,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Broken => "broken",
        }
    }
}

impl Finding {
    pub fn ok(what: &str, found: impl Into<String>) -> Self {
        Self { what: what.to_owned(), verdict: Verdict::Ok, found: found.into(), mend: None }
    }

    pub fn degraded(what: &str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { verdict: Verdict::Degraded, mend, ..Self::ok(what, found) }
    }

    pub fn broken(what: &str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, ..Self::degraded(what, found, mend) }
    }
}
