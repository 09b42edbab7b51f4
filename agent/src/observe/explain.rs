//! One container's logs, for people and for scripts.

use std::fmt::Write;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::snapshot::PositionView;
use super::table::{bytes, printable};

/// Explains the container that a name, an id or the beginning of one means.
pub type ExplainFn = Arc<dyn Fn(String) -> BoxFuture<'static, Option<ExplainView>> + Send + Sync>;

/// What becomes of one container's logs, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExplainView {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    pub state: String,
    /// Whose its files on volumes are.
    pub workload: String,
    /// Why nothing is collected of it.
    pub reason: Option<String>,
    pub logs: Vec<LogView>,
    /// What is wrong with its declarations, or of no effect.
    pub problems: Vec<String>,
    /// Logs that it writes and nobody asks for.
    pub suggested: Vec<String>,
}

/// One log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogView {
    /// `None`: what is collected without a declaration.
    pub name: Option<String>,
    /// Where it is declared.
    pub written: Option<String>,
    /// `stdout`, or patterns of paths.
    pub source: String,
    pub format: Option<String>,
    /// Without the date.
    pub target: Option<String>,
    pub files: Vec<LogFileView>,
    /// Why there are fewer files than its author may think.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogFileView {
    /// In the container, or `stdout`.
    pub path: String,
    /// `None` until a worker has it.
    pub position: Option<PositionView>,
}

/// `sluice explain`, with untrusted text made harmless.
pub fn explanation(view: &ExplainView) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{}", printable(text));
    };
    let id = view.id.get(..12).unwrap_or(&view.id);
    line(format!("{} ({id}), {}, workload {}", view.name, view.state, view.workload));
    if let Some(reason) = &view.reason {
        line(format!("  not collected: {reason}"));
    }
    for log in &view.logs {
        let name = log.name.as_deref().unwrap_or("without a declaration");
        let target = log.target.as_deref().map_or_else(String::new, |to| format!(" to {to}"));
        let format = log.format.as_deref().filter(|format| *format != "none");
        let format = format.map_or_else(String::new, |format| format!(", format {format}"));
        line(format!("  {name}: {}{format}{target}", log.source));
        if let Some(written) = &log.written {
            line(format!("    declared by {written}"));
        }
        for file in &log.files {
            let path = &file.path;
            line(match &file.position {
                None => format!("    {path}: not begun"),
                Some(at) => {
                    let waits = at
                        .waits_for
                        .as_deref()
                        .map_or_else(String::new, |index| format!(", waits for {index}"));
                    format!(
                        "    {path}: {} of {} delivered, {} behind, {}/s{waits}",
                        bytes(at.frontier),
                        bytes(at.size),
                        bytes(at.lag_bytes()),
                        bytes(at.bytes_per_second),
                    )
                }
            });
        }
        for note in &log.notes {
            line(format!("    {note}"));
        }
    }
    for problem in &view.problems {
        line(format!("  problem: {problem}"));
    }
    for path in &view.suggested {
        line(format!("  also writes {path}, which nobody asks for"));
    }
    if view.logs.is_empty() && view.reason.is_none() {
        line("  nothing is collected of it yet".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_collected_and_what_not_is_said() {
        let position = PositionView { frontier: 10, size: 20, ..PositionView::default() };
        let view = ExplainView {
            id: "a".repeat(64),
            name: "web".into(),
            state: "running".into(),
            workload: "name/web".into(),
            logs: vec![
                LogView {
                    name: Some("access".into()),
                    written: Some("variable aliyun_logs_access".into()),
                    source: "/l/*.log".into(),
                    format: Some("nginx".into()),
                    target: Some("shop".into()),
                    files: vec![LogFileView { path: "/l/a.log".into(), position: Some(position) }],
                    notes: vec!["/l/x is a directory".into()],
                },
                LogView::default(),
            ],
            problems: vec!["label x: is no path\u{1b}[31m".into()],
            suggested: vec!["/l/b".into()],
            ..ExplainView::default()
        };
        let text = explanation(&view);
        for words in [
            "web (aaaaaaaaaaaa), running, workload name/web\n",
            "  access: /l/*.log, format nginx to shop\n",
            "    declared by variable aliyun_logs_access\n",
            "    /l/a.log: 10 B of 20 B delivered",
            "    /l/x is a directory\n",
            "  also writes /l/b",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        let none = explanation(&ExplainView { reason: Some("it opted out".into()), ..view });
        assert!(none.contains("  not collected: it opted out\n"), "{none}");
    }
}
