//! What becomes of one container's logs, and why.

use std::sync::Arc;

use super::Inboxes;
use super::router::{Router, Row};
use super::view::{Rates, positions};
use crate::core::{FieldFormat, SourceToken};
use crate::declare::{self, Declaration, LogSource, PathPattern, Reports};
use crate::discover::{Container, Discovery, State};
use crate::observe::{ExplainFn, ExplainView, LogFileView, LogView, PositionView};
use crate::watch::Watcher;

pub(super) fn explain(
    router: &Router,
    inboxes: &Inboxes,
    discovery: &Arc<Discovery>,
    watcher: &Arc<Watcher>,
    reports: Reports,
) -> ExplainFn {
    let (shown, inboxes) = (router.shown(), inboxes.clone());
    let (discovery, watcher) = (discovery.clone(), watcher.clone());
    let rates = Rates::default();
    Arc::new(move |wanted: String| {
        let (shown, inboxes, rates) = (shown.clone(), inboxes.clone(), rates.clone());
        let (discovery, watcher, reports) = (discovery.clone(), watcher.clone(), reports.clone());
        Box::pin(async move {
            // Workers are asked, and waited for.
            let view = move || {
                let container = discovery.registry().find(&wanted)?;
                let positions = positions(&inboxes, &rates, &watcher);
                let rows = shown.rows_of(&container.id);
                let declared = shown.declared(&container.id).unwrap_or_default();
                let of = |log: Option<&Declaration>| {
                    log_view(&container, log, &rows, &positions, &reports)
                };
                let mut logs: Vec<LogView> =
                    declared.logs.iter().map(|log| of(Some(log))).collect();
                let undeclared = of(None);
                if !undeclared.files.is_empty() {
                    logs.push(undeclared);
                }
                let listed = discovery.registry().list();
                let listed = listed.into_iter().find(|listed| listed.id == container.id)?;
                let suggested = listed.files.iter().filter(|(_, collected)| !**collected);
                Some(ExplainView {
                    workload: container.workload(),
                    state: container.state.as_str().to_owned(),
                    reason: listed.reason,
                    problems: declared.problems.iter().map(ToString::to_string).collect(),
                    suggested: suggested.map(|(path, _)| path.clone()).collect(),
                    logs,
                    id: container.id,
                    name: container.name,
                })
            };
            tokio::task::spawn_blocking(view).await.ok().flatten()
        })
    })
}

/// `None` is what is collected without a declaration.
fn log_view(
    container: &Container,
    log: Option<&Declaration>,
    rows: &[(SourceToken, Row)],
    positions: &[(SourceToken, PositionView)],
    reports: &Reports,
) -> LogView {
    let name = log.map(|log| log.name.as_str());
    let own = || rows.iter().filter(|(_, row)| row.log.as_deref() == name);
    let mut files: Vec<LogFileView> = own()
        .map(|(token, row)| {
            let position = positions.iter().find(|(other, _)| other == token);
            LogFileView {
                path: row.path.clone().unwrap_or_else(|| "stdout".to_owned()),
                position: position.map(|(_, position)| position.clone()),
            }
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut notes =
        log.map_or_else(Vec::new, |log| declare::report(reports, &container.id, &log.name));
    let is_stdout = log.is_some_and(|log| log.source == LogSource::Stdout);
    if is_stdout && files.is_empty() {
        notes.push(match (&container.log_path, container.state) {
            (None, State::Created) => "the container has not been started yet".to_owned(),
            (None, _) => format!(
                "the log driver `{}` keeps no files that can be read; use `json-file`",
                container.log_driver
            ),
            _ => "it is not followed yet".to_owned(),
        });
    }
    LogView {
        name: name.map(str::to_owned),
        written: log.map(|log| log.written.to_string()),
        source: log.map_or_else(String::new, |log| match &log.source {
            LogSource::Stdout => "stdout".to_owned(),
            LogSource::Files(patterns) => {
                let patterns: Vec<_> = patterns.iter().map(PathPattern::as_str).collect();
                patterns.join(",")
            }
        }),
        format: log.map(|log| format_name(&log.fields.format).to_owned()),
        target: own().next().map(|(_, row)| row.target.clone()),
        files,
        notes,
    }
}

/// As a declaration writes it.
fn format_name(format: &FieldFormat) -> &'static str {
    match format {
        FieldFormat::Raw => "none",
        FieldFormat::Json => "json",
        FieldFormat::Csv { .. } => "csv",
        FieldFormat::Nginx => "nginx",
        FieldFormat::Apache2 => "apache2",
        FieldFormat::ApacheError => "apache_error",
        FieldFormat::Regexp { .. } => "regexp",
    }
}
