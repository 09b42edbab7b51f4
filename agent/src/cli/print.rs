//! Standard output, which may go away at any time.

use std::io::{self, Write};

use serde::Serialize;

use anstyle::{AnsiColor, Style};

use super::ExitError;

/// Prints a text; its colours only to a terminal.
pub(super) fn text(text: &str) -> Result<(), ExitError> {
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|fault| ExitError::of_print(&fault))
}

/// Prints one JSON value, indented, with a newline.
pub(super) fn json(value: &impl Serialize) -> Result<(), ExitError> {
    let printed = serde_json::to_string_pretty(value)
        .map_err(|fault| ExitError::new(super::exit::Code::Bug, fault))?;
    text(&(printed + "\n"))
}

/// A word in colour, filled up to `width`. Where colour is not wanted [`text`] leaves it out.
pub(super) fn coloured(word: &str, colour: AnsiColor, width: usize) -> String {
    let style = Style::new().fg_color(Some(colour.into()));
    format!("{style}{word:width$}{style:#}")
}
