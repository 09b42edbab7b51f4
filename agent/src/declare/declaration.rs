//! What a container asks for, once it is understood.

use std::collections::BTreeMap;
use std::fmt;

use crate::core::{FieldRules, JoinRules};

use super::pattern::PathPattern;
use super::problems::escaped;

/// All that a container says of its logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// It wants nothing of it collected.
    pub opted_out: bool,
    /// In the order of their names, and each name once.
    pub logs: Vec<Declaration>,
    /// What is wrong or of no effect; each harms nothing but what it names.
    pub problems: Vec<Problem>,
}

/// One log under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// As written, `-` and `_` included.
    pub name: String,
    /// Where it stands.
    pub written: Written,
    pub source: LogSource,
    pub fields: FieldRules,
    pub join: Option<JoinRules>,
    /// Those that were written, `index` and `topic` among them if they were.
    pub tags: BTreeMap<String, String>,
    /// As written but for blanks around it; the name counts where there is none.
    pub target: Option<String>,
}

/// Where the lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The runtime's log, stdout and stderr.
    Stdout,
    /// Files by their paths in the container; at least one pattern, each once.
    Files(Vec<PathPattern>),
}

/// The key of a declaration as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    Label(String),
    Variable(String),
}

impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key) => write!(out, "label {}", escaped(key)),
            Self::Variable(key) => write!(out, "variable {}", escaped(key)),
        }
    }
}

/// Something in a declaration that has no effect, or another than its author may think.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    pub written: Written,
    /// The log that suffers from it, if it is one.
    pub name: Option<String>,
    /// One sentence, without what was written where that could be a secret or without end.
    pub what: String,
    /// What to write instead.
    pub mend: String,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Its author meant something by it that does not happen.
    Mistake,
    /// The same is said twice, and the other counts.
    Overridden,
    /// Most likely meant for another collector that shares the prefix.
    Neighbour,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.written, self.what, self.mend)
    }
}
