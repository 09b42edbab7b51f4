//! Absolute patterns of paths in a container.
//!
//! What a pattern means is what the shell and Ruby's globs agree on: `*` and `?` stay within one
//! name and leave a leading dot alone, `**` is directories at any depth, `[a-z]` and `[!a-z]` one
//! character, `{a,b}` either, `\` takes the meaning from what follows. `%Y%m%d` as in `strftime(3)`
//! stands for any date, not for today's, so that yesterday's file is read to its end too.

mod braces;
mod glob;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::core::limits::{PATH_BYTES_MAX, PATTERN_DEPTH_MAX};

pub(super) use braces::split_list;
use glob::Component;

/// What a path must look like to be one of a log's files.
#[derive(Clone, PartialEq, Eq)]
pub struct PathPattern {
    written: String,
    base: PathBuf,
    /// From the root; a path needs to match one. Each is what is left when braces are resolved.
    branches: Vec<Vec<Component>>,
    unknown_date: Option<char>,
}

/// What of a directory can belong to a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Below {
    /// Nothing; there is no need to open it.
    Nothing,
    /// These names, which can be looked up without listing the directory.
    Only(BTreeSet<OsString>),
    /// It has to be listed.
    Any,
}

/// Why a text is no pattern of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("the path is not absolute")]
    NotAbsolute,
    #[error("the path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    #[error("the path holds a NUL byte")]
    Nul,
    #[error("the path holds '..'")]
    Upwards,
    #[error("the path is a directory")]
    Directory,
    #[error(
        "the braces of the path stand for more than {} paths or {PATH_BYTES_MAX} bytes",
        braces::BRANCHES_MAX
    )]
    TooManyBranches,
}

impl PathPattern {
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        if written.len() > PATH_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        if !written.starts_with('/') {
            return Err(PatternError::NotAbsolute);
        }
        if written.contains('\0') {
            return Err(PatternError::Nul);
        }
        let mut unknown_date = None;
        let mut branches = Vec::new();
        for text in braces::expand(written)? {
            let branch = branch(&text, &mut unknown_date)?;
            if !branches.contains(&branch) {
                branches.push(branch);
            }
        }
        let base = base(&branches);
        Ok(Self { written: written.to_owned(), base, branches, unknown_date })
    }

    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The deepest directory that is certain: everything that matches is below it.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The only path that is meant, if there is but one.
    pub fn single(&self) -> Option<PathBuf> {
        let [branch] = &self.branches[..] else { return None };
        let names = branch.iter().map(|component| match component {
            Component::Literal(name) => Some(OsStr::from_bytes(name)),
            Component::Glob(_) | Component::AnyDepth => None,
        });
        let below: Option<PathBuf> = names.collect();
        below.map(|below| Path::new("/").join(below))
    }

    /// What follows a `%` and is no part of a date; it stands for itself.
    pub fn unknown_date(&self) -> Option<char> {
        self.unknown_date
    }

    /// Whether an absolute path is meant.
    pub fn matches(&self, path: &Path) -> bool {
        let Some(names) = names(path) else { return false };
        self.branches
            .iter()
            .any(|branch| Places::after(branch, &names).is_some_and(|places| places.is_end()))
    }

    /// What of an absolute directory can belong to a match, so that a walk opens nothing else.
    pub fn below(&self, directory: &Path) -> Below {
        let Some(names) = names(directory) else { return Below::Nothing };
        let mut only = BTreeSet::new();
        for branch in &self.branches {
            let Some(places) = Places::after(branch, &names) else { continue };
            for component in places.next() {
                match component {
                    Component::Literal(name) => only.insert(OsString::from_vec(name.clone())),
                    Component::Glob(_) | Component::AnyDepth => return Below::Any,
                };
            }
        }
        if only.is_empty() { Below::Nothing } else { Below::Only(only) }
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PathPattern({:?})", self.written)
    }
}

impl PatternError {
    /// What to write instead.
    pub fn mend(self) -> &'static str {
        match self {
            Self::NotAbsolute => "write the path from the container's root, beginning with '/'",
            Self::TooLong => "write a shorter one with '*'",
            Self::Nul => "leave it out",
            Self::Upwards => "write the path without going up",
            Self::Directory => "add which files in it are meant, such as '*.log'",
            Self::TooManyBranches => "use '*', or write several names",
        }
    }
}

fn branch(text: &str, unknown: &mut Option<char>) -> Result<Vec<Component>, PatternError> {
    let mut branch: Vec<Component> = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let component = Component::parse(part, unknown);
        if matches!(&component, Component::Literal(name) if name == b"..") {
            return Err(PatternError::Upwards);
        }
        // One `**` behind another adds nothing but states.
        if component != Component::AnyDepth || branch.last() != Some(&Component::AnyDepth) {
            branch.push(component);
        }
    }
    if branch.is_empty() || text.ends_with('/') || text.ends_with("/.") {
        return Err(PatternError::Directory);
    }
    if branch.last() == Some(&Component::AnyDepth) {
        branch.push(Component::Glob(glob::Glob::any()));
    }
    Ok(branch)
}

/// The literal directories that all branches begin with.
fn base(branches: &[Vec<Component>]) -> PathBuf {
    let mut base = PathBuf::from("/");
    for at in 0.. {
        let mut here = branches.iter().map(|branch| branch[..branch.len() - 1].get(at));
        let Some(Some(Component::Literal(name))) = here.next() else { break };
        let same = |other: Option<&Component>| matches!(other, Some(Component::Literal(other)) if other == name);
        if !here.all(same) {
            break;
        }
        base.push(OsStr::from_bytes(name));
    }
    base
}

/// The names on the way of an absolute path; `None` for one that is relative or goes up.
fn names(path: &Path) -> Option<Vec<&[u8]>> {
    let rest = path.as_os_str().as_bytes().strip_prefix(b"/")?;
    let names: Vec<&[u8]> =
        rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
    (!names.contains(&b"..".as_slice())).then_some(names)
}

/// Where in a branch one can be after some names: all places at once, so that no name is tried
/// twice however many `**` there are.
struct Places<'a> {
    branch: &'a [Component],
    /// By the component that comes next, how many directories it has taken already if it is `**`.
    taken: Vec<Option<usize>>,
}

impl<'a> Places<'a> {
    /// `None` as soon as there is no place left.
    fn after(branch: &'a [Component], names: &[&[u8]]) -> Option<Self> {
        let mut places = Self { branch, taken: vec![None; branch.len() + 1] };
        places.arrive(0, 0);
        for name in names {
            places.step(name);
            if places.taken.iter().all(Option::is_none) {
                return None;
            }
        }
        Some(places)
    }

    fn step(&mut self, name: &[u8]) {
        let before = std::mem::replace(&mut self.taken, vec![None; self.branch.len() + 1]);
        for (at, component) in self.branch.iter().enumerate() {
            let Some(taken) = before[at] else { continue };
            match component {
                Component::Literal(literal) if literal == name => self.arrive(at + 1, 0),
                Component::Glob(glob) if glob.matches(name) => self.arrive(at + 1, 0),
                Component::AnyDepth if taken < PATTERN_DEPTH_MAX && !name.starts_with(b".") => {
                    self.arrive(at, taken + 1);
                }
                _ => {}
            }
        }
    }

    fn arrive(&mut self, at: usize, taken: usize) {
        let least = self.taken[at].map_or(taken, |other| other.min(taken));
        self.taken[at] = Some(least);
        // `**` may be no directory at all. There are never two in a row.
        if self.branch.get(at) == Some(&Component::AnyDepth) && self.taken[at + 1].is_none() {
            self.taken[at + 1] = Some(0);
        }
    }

    fn is_end(&self) -> bool {
        self.taken[self.branch.len()].is_some()
    }

    /// What the next name may be.
    fn next(&self) -> impl Iterator<Item = &'a Component> {
        self.branch.iter().zip(&self.taken).filter_map(|(next, taken)| {
            let spent = *next == Component::AnyDepth && *taken == Some(PATTERN_DEPTH_MAX);
            (taken.is_some() && !spent).then_some(next)
        })
    }
}
