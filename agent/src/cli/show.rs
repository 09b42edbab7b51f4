//! `sluice version`, `containers`, `positions` and `healthz`: questions to the running agent.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sluice::observe::{
    ContainerView, ExplainView, PositionView, VERSION, Version, containers_table, control,
    explanation, positions_table,
};

use super::exit::Code;
use super::{ExitError, Question, print};

/// This program's version always, the agent's if one answers.
pub(super) fn version(question: &Question) -> Result<(), ExitError> {
    let running = question.state_dir().and_then(|path| fetch::<Version>(&path, "/version")).ok();
    if question.form.json {
        return print::json(&json!({ "version": VERSION, "running": running }));
    }
    let running = running.map_or_else(String::new, |running| {
        format!("running: {}, pid {}\n", running.version, running.pid)
    });
    print::text(&format!("sluice {VERSION}\n{running}"))
}

pub(super) fn containers(question: &Question) -> Result<(), ExitError> {
    show::<ContainerView>(question, "/containers", containers_table)
}

pub(super) fn positions(question: &Question) -> Result<(), ExitError> {
    show::<PositionView>(question, "/positions", positions_table)
}

pub(super) fn explain(question: &Question, container: &str) -> Result<(), ExitError> {
    let view: ExplainView = fetch(&question.state_dir()?, &control::explain_page(container))?;
    if question.form.json { print::json(&view) } else { print::text(&explanation(&view)) }
}

/// Fails if a thread of the agent is silent, or none answers.
pub(super) fn healthz(question: &Question) -> Result<(), ExitError> {
    let unwell = |error: ExitError| ExitError::new(Code::Unwell, error);
    let silent: Vec<String> = fetch(&question.state_dir()?, "/healthz").map_err(unwell)?;
    if silent.is_empty() {
        let form = question.form;
        return if form.json { print::json(&silent) } else { print::text("ok\n") };
    }
    Err(ExitError::new(Code::Unwell, silent.join("; ")))
}

fn show<Row: DeserializeOwned + Serialize>(
    question: &Question,
    page: &str,
    table: impl FnOnce(&[Row]) -> String,
) -> Result<(), ExitError> {
    let rows: Vec<Row> = fetch(&question.state_dir()?, page)?;
    if question.form.json { print::json(&rows) } else { print::text(&table(&rows)) }
}

pub(super) fn fetch<T: DeserializeOwned>(state_dir: &Path, page: &str) -> Result<T, ExitError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| ExitError::new(Code::Unavailable, fault))?;
    Ok(runtime.block_on(control::fetch(state_dir, page))?)
}
