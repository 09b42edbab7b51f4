//! One bulk request, from its inflated body to its items.

use std::borrow::Cow;

use super::State;
use super::answer::{self, Filter, ItemAnswer, Outcome};
use super::body::Body;
use super::bulk::{self, Action, Op, PathDefaults};
use super::errors::{self, ApiError};
use super::faults::{Fault, Item};
use super::store::{Keep, Put, Replace, Store};
use crate::json;

/// What a bulk request came to.
pub(super) struct Written {
    pub(super) body: Vec<u8>,
    pub(super) items: usize,
}

pub(super) fn bulk(
    state: &State,
    body: &Body,
    defaults: PathDefaults<'_>,
    filter: &Filter,
    faults: &[Fault],
) -> Result<Written, ApiError> {
    if state.store().keep() == Keep::Counts {
        return Ok(count(state, body, filter));
    }
    let mut actions = bulk::parse(state.version, body, defaults)?;
    for fault in faults {
        if let Fault::FewerItems { keep } = fault {
            actions.truncate(*keep);
        }
    }
    let mut items = Vec::with_capacity(actions.len());
    {
        let mut store = state.store();
        for (position, action) in actions.into_iter().enumerate() {
            items.push(write(state, &mut store, position, action, faults));
        }
        let (documents, indices) = (store.count, store.index_counts());
        let failed = |is_conflict: bool| {
            let of_kind = items.iter().filter(|item| match &item.outcome {
                Outcome::Failed(error) => (error.status == 409) == is_conflict,
                _ => false,
            });
            of_kind.count() as u64
        };
        let (conflicts, errors) = (failed(true), failed(false));
        // Under the lock of the store, so that two requests cannot set the totals out of order.
        state.meter.update(|snapshot| {
            snapshot.items += items.len() as u64;
            snapshot.documents = documents;
            snapshot.indices = indices;
            snapshot.conflicts += conflicts;
            snapshot.item_errors += errors;
        });
    }
    for fault in faults {
        if let Fault::MoreItems { extra } = fault {
            items.extend((0..*extra).map(|_| ItemAnswer {
                op: "create",
                index: Cow::Borrowed("nobody-asked"),
                id: Cow::Borrowed("for-this"),
                outcome: Outcome::Created { seq_no: 0 },
            }));
        }
    }
    let body = answer::bulk(state.version, 1, &items, filter);
    Ok(Written { body, items: items.len() })
}

/// The cheapest sink: two lines are one document.
fn count(state: &State, body: &Body, filter: &Filter) -> Written {
    let documents = memchr::memchr_iter(b'\n', &body.bytes).count() / 2;
    state.store().count += documents as u64;
    state.meter.update(|snapshot| {
        snapshot.items += documents as u64;
        snapshot.documents += documents as u64;
    });
    let items: Vec<ItemAnswer<'_>> = (0..documents)
        .map(|_| ItemAnswer {
            op: "create",
            index: Cow::Borrowed("counted"),
            id: Cow::Borrowed("counted"),
            outcome: Outcome::Created { seq_no: 0 },
        })
        .collect();
    Written { body: answer::bulk(state.version, 1, &items, filter), items: documents }
}

fn write<'a>(
    state: &State,
    store: &mut Store,
    position: usize,
    action: Action<'a>,
    faults: &[Fault],
) -> ItemAnswer<'a> {
    let Action { op, index, id, source } = action;
    let outcome = if id.as_deref() == Some("") {
        Err(ApiError::new(
            400,
            "illegal_argument_exception",
            "if _id is specified it must not be empty",
        ))
    } else {
        judge(
            state,
            store,
            position,
            (op, &index, id.as_deref().unwrap_or_default(), source),
            faults,
        )
    };
    let id = id.unwrap_or_else(|| Cow::Owned(store.make_id()));
    let outcome = outcome.map_or_else(Outcome::Failed, |replace| {
        match store.put(replace, &index, &id, source) {
            Put::Created { seq_no } => Outcome::Created { seq_no },
            Put::Updated { version, seq_no } => Outcome::Updated { version, seq_no },
            Put::Conflict { version } => {
                Outcome::Failed(errors::conflict(state.version, &index, &id, version))
            }
        }
    });
    ItemAnswer { op: op.name(), index, id, outcome }
}

fn judge(
    state: &State,
    store: &Store,
    position: usize,
    (op, index, id, source): (Op, &str, &str, &[u8]),
    faults: &[Fault],
) -> Result<Replace, ApiError> {
    let replace = match op {
        Op::Create => Replace::Never,
        Op::Index => Replace::Always,
        Op::Update | Op::Delete => {
            return Err(ApiError::new(
                400,
                "illegal_argument_exception",
                "the stand-in knows create and index only",
            ));
        }
    };
    let item = Item { position, index, id, source };
    for fault in faults {
        if let Fault::Items(fault) = fault
            && fault.hits(&item)
        {
            return Err(errors::item(state.version, &fault.error, index, id));
        }
    }
    if !store.has_index(index) {
        bulk::judge_index_name(index)?;
    }
    json::check(source).map_err(|problem| unparsable(state, &problem))?;
    Ok(replace)
}

fn unparsable(state: &State, problem: &json::Problem) -> ApiError {
    let place = if state.version.is_recent_elasticsearch() { "[1:1] failed" } else { "failed" };
    let kind = state.version.mapping_error();
    match problem {
        json::Problem::Empty => {
            ApiError::new(400, kind, format!("{place} to parse, document is empty"))
        }
        json::Problem::EmptyKey(_) => ApiError::new(400, kind, format!("{place} to parse"))
            .caused_by("illegal_argument_exception", problem.to_string()),
        _ => ApiError::new(400, kind, format!("{place} to parse"))
            .caused_by("json_parse_exception", problem.to_string()),
    }
}
