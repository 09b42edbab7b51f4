//! `{a,b}` in patterns, and the commas between patterns.

use super::PatternError;

/// Branches of one pattern: enough for the few variants that someone writes by hand, and few
/// enough that a hostile pattern costs no more than some dozen plain ones.
pub(super) const BRANCHES_MAX: usize = 16;

/// Every text that a pattern with braces stands for. Braces without a comma are left as they are.
pub(super) fn expand(text: &str) -> Result<Vec<String>, PatternError> {
    let mut done = Vec::new();
    expand_into(text.to_owned(), 0, &mut done)?;
    Ok(done)
}

fn expand_into(text: String, depth: usize, done: &mut Vec<String>) -> Result<(), PatternError> {
    let Some(group) = Group::first(&text) else {
        done.push(text);
        let enough = done.len() > BRANCHES_MAX;
        return if enough { Err(PatternError::TooManyBranches) } else { Ok(()) };
    };
    // Each level has at least one branch beside the one that is looked at.
    if depth == BRANCHES_MAX {
        return Err(PatternError::TooManyBranches);
    }
    let (before, after) = (&text[..group.open], &text[group.close + 1..]);
    let mut from = group.open + 1;
    for to in group.commas.iter().copied().chain([group.close]) {
        expand_into(format!("{before}{}{after}", &text[from..to]), depth + 1, done)?;
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
    /// The outermost group that opens first.
    fn first(text: &str) -> Option<Self> {
        let mut open: Vec<Self> = Vec::new();
        let mut first: Option<Self> = None;
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
                    let Some(group) = open.pop() else { continue };
                    let is_first = first.as_ref().is_none_or(|first| group.open < first.open);
                    if !group.commas.is_empty() && is_first {
                        first = Some(Self { close: at, ..group });
                    }
                }
                _ => {}
            }
        }
        first
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
