//! Standard output, which may go away at any time.

use std::io::{self, Write};

use serde::Serialize;

use super::ExitError;

/// Prints a text as it stands.
pub(super) fn text(text: &str) -> Result<(), ExitError> {
    let mut out = io::stdout().lock();
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
