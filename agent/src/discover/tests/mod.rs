#![allow(clippy::unnecessary_wraps, reason = "a view is handed over as the rooms take it")]

mod daemon;
mod directory;
mod engine;
mod reconcile;

use super::{Change, State};

/// A change in few words: `seen 451e web running`.
pub(super) fn said(change: &Change) -> String {
    match change {
        Change::Seen { container, opened } => {
            let log = if container.log_path.is_some() { " log" } else { "" };
            let opened = if opened.is_empty() { "" } else { " opened" };
            let state = match container.state {
                State::Created => "created",
                State::Running => "running",
                State::Exited => "exited",
            };
            format!("seen {} {} {state}{log}{opened}", &container.id[..4], container.name)
        }
        Change::Listed => "listed".to_owned(),
        Change::Removed { id, described: true } => format!("removed {}", &id[..4]),
        Change::Removed { id, described: false } => format!("removed {} undescribed", &id[..4]),
    }
}
