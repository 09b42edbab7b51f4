//! The tables of `docs/log-pilot.md`.

use std::fmt::Write;

use super::table::{Effect, Group, Variable, groups};

/// Every variable, in Markdown.
pub fn variables_page() -> String {
    let mut page = String::new();
    for Group { title, variables } in groups() {
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n#### {title}\n\n| variable | in log-pilot | in sluice |\n|---|---|---|\n"
        );
        for Variable { name, effect, about, .. } in *variables {
            let _ = writeln!(page, "| `{name}` | {about} | {} |", effect.text());
        }
    }
    page
}

impl Effect {
    fn text(self) -> String {
        match self {
            Self::Key(key) => format!("becomes `{key}`"),
            Self::Honoured(how) => how.to_owned(),
            Self::Nothing(because) => format!("no effect: {because}"),
            Self::Warned(mend) => format!("a warning: {mend}"),
            Self::Required => "required, then refused with its output".to_owned(),
            Self::Checked => "checked, then refused with its output".to_owned(),
        }
    }
}
