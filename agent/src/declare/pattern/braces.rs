//! `{a,b}` in patterns, and the commas between patterns.

use crate::core::limits::PATH_BYTES_MAX;

use super::PatternError;

/// Branches of one pattern: enough for the few variants that someone writes by hand, and few
/// enough that a hostile pattern costs no more than some dozen plain ones.
pub(super) const BRANCHES_MAX: usize = 16;

/// Every text that a pattern with braces stands for. Braces without a comma are left as they are.
pub(super) fn expand(text: &str) -> Result<Vec<String>, PatternError> {
    // Each group adds at least one branch, so this many are refused before any is made.
    if Group::all(text).len() >= BRANCHES_MAX {
        return Err(PatternError::TooManyBranches);
    }
    let mut done = Vec::new();
    expand_into(text.to_owned(), &mut done)?;
    // All branches together are no longer than one path may be, so that braces multiply no memory.
    let total: usize = done.iter().map(String::len).sum();
    if total > PATH_BYTES_MAX { Err(PatternError::TooManyBranches) } else { Ok(done) }
}

/// No deeper than there are groups.
fn expand_into(text: String, done: &mut Vec<String>) -> Result<(), PatternError> {
    let Some(group) = Group::all(&text).into_iter().min_by_key(|group| group.open) else {
        done.push(text);
        let enough = done.len() > BRANCHES_MAX;
        return if enough { Err(PatternError::TooManyBranches) } else { Ok(()) };
    };
    let (before, after) = (&text[..group.open], &text[group.close + 1..]);
    let mut from = group.open + 1;
    for to in group.commas.iter().copied().chain([group.close]) {
        expand_into(format!("{before}{}{after}", &text[from..to]), done)?;
        from = to + 1;
    }
    Ok(())
}

/// A pair of braces with a comma between them, by byte offsets.
struct Group {
    open: usize,
    close: usize,
    commas: Vec<usize>,
}

impl Group {
    /// In the order in which they close. The one that opens first is in no other.
    fn all(text: &str) -> Vec<Self> {
        let mut closed = Vec::new();
        let mut open: Vec<Self> = Vec::new();
        let mut escaped = false;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'{' => open.push(Self { open: at, close: 0, commas: Vec::new() }),
                b',' => {
                    if let Some(group) = open.last_mut() {
                        group.commas.push(at);
                    }
                }
                b'}' => {
                    let group = open.pop().filter(|group| !group.commas.is_empty());
                    closed.extend(group.map(|group| Self { close: at, ..group }));
                }
                _ => {}
            }
        }
        closed
    }
}

/// Splits a list of paths. A comma begins another path only where a `/` follows, as commas are
/// legal in names; one between braces or behind a `\` never does.
pub(in crate::declare) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    let mut ends = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => open.push(ends.len()),
            // Commas since the brace were inside of it.
            b'}' => ends.truncate(open.pop().unwrap_or(ends.len())),
            b',' => ends.push(at),
            _ => {}
        }
    }
    let mut from = 0;
    ends.retain(|comma| text[comma + 1..].trim_start().starts_with('/'));
    ends.push(text.len());
    ends.into_iter().map(move |to| {
        let part = &text[from..to];
        from = to + 1;
        part.trim()
    })
}
