//! What a declaration says of the text of a log: how lines are joined, and which fields they have.

use serde::{Deserialize, Serialize};

/// Which fields the text of an event has, and how it is taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldRules {
    pub format: FieldFormat,
    /// The field that holds the event's time.
    pub time_key: Option<String>,
    /// How that time is written, in the notation of `strptime(3)`; ISO 8601 if there is none.
    pub time_format: Option<String>,
}

/// log-pilot's formats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldFormat {
    /// The text stays as it is.
    #[default]
    Raw,
    /// An object per line; its members are the fields.
    Json,
    /// Comma separated values, named in their order.
    Csv {
        keys: Vec<String>,
    },
    /// nginx's `combined`, and what follows it.
    Nginx,
    /// Apache's `combined` and `common`.
    Apache2,
    ApacheError,
    /// Named groups, in Ruby's notation.
    Regexp {
        pattern: String,
    },
}

/// When a line belongs to the one before it or behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRules {
    /// A regular expression that is looked for anywhere in a line.
    pub pattern: String,
    /// Lines that do not match are meant.
    pub negate: bool,
    pub side: JoinSide,
    /// Ends an event at the line that matches it.
    pub flush_pattern: Option<String>,
    /// Further lines begin another event, marked as a part.
    pub lines_max: u32,
    /// An event that nothing was added to for so long is complete.
    pub timeout_ms: u32,
}

/// Filebeat's `multiline.match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinSide {
    /// `after`: the lines that are meant belong to the last one before them that is not.
    Before,
    /// `before`: the lines that are meant belong to the first one behind them that is not.
    Behind,
}

impl Default for JoinRules {
    /// Filebeat's defaults.
    fn default() -> Self {
        Self {
            pattern: String::new(),
            negate: false,
            side: JoinSide::Before,
            flush_pattern: None,
            lines_max: 500,
            timeout_ms: 5_000,
        }
    }
}
