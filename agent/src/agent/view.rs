//! The agent's state as people ask for it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossbeam_channel::bounded;

use super::Inboxes;
use super::router::{Router, Row};
use crate::config::{Config, Output};
use crate::core::{SourceToken, key_parts};
use crate::discover::{Discovery, Listed};
use crate::observe::{
    ContainerView, FileView, MountView, OutputView, PausedTarget, PositionView, SNAPSHOT_TIMEOUT,
    Snapshot, SnapshotFn,
};
use crate::ship::ShipHandle;
use crate::watch::{Standing, Watcher};
use crate::worker::{Input, Position};

/// Bytes read of each source when it was last asked, so that a rate can be told.
pub(super) type Rates = Arc<Mutex<HashMap<String, (Instant, u64, u64)>>>;

pub(super) fn snapshot(
    node: String,
    config: &Config,
    router: &Router,
    inboxes: &Inboxes,
    discovery: &Arc<Discovery>,
    ship: &ShipHandle,
    watcher: &Arc<Watcher>,
) -> SnapshotFn {
    let kind = match config.output {
        Output::Console => "console",
        Output::Elasticsearch(_) => "elasticsearch",
    };
    let (shown, inboxes) = (router.shown(), inboxes.clone());
    let (discovery, ship, watcher) = (discovery.clone(), ship.clone(), watcher.clone());
    let rates = Rates::default();
    Arc::new(move || {
        let (node, shown, inboxes) = (node.clone(), shown.clone(), inboxes.clone());
        let (discovery, ship, rates) = (discovery.clone(), ship.clone(), rates.clone());
        let watcher = watcher.clone();
        Box::pin(async move {
            let mounts = mounts(&watcher);
            // With 10 000 containers it is some milliseconds of work, too much for a thread of the
            // runtime.
            let views = move || {
                let rows = shown.rows();
                let positions = positions(&inboxes, &rates, &watcher);
                let containers = containers(&discovery.registry().list(), &rows, &positions);
                (containers, positions.into_iter().map(|(_, position)| position).collect())
            };
            let views = tokio::task::spawn_blocking(views).await;
            let (containers, positions) = views.unwrap_or_default();
            Snapshot { node, output: output(kind, &ship), containers, positions, mounts }
        })
    })
}

fn output(kind: &str, ship: &ShipHandle) -> OutputView {
    let health = ship.health();
    let failed = health.last_error.as_ref().map(|(at, _)| *at);
    let state = match (health.last_success_wall_ns, failed) {
        (None, None) => "starting",
        (Some(good), Some(bad)) if bad > good => "down",
        (None, Some(_)) => "down",
        _ => "up",
    };
    OutputView {
        kind: kind.to_owned(),
        state: state.to_owned(),
        fault: health.last_error.filter(|_| state == "down").map(|(_, text)| text),
        paused: health
            .paused
            .into_iter()
            .map(|(index, cause)| PausedTarget { index, cause })
            .collect(),
    }
}

fn mounts(watcher: &Watcher) -> Vec<MountView> {
    let view = |standing: Standing| MountView {
        mount: standing.mount.display().to_string(),
        rung: standing.rung.as_str().to_owned(),
        why: standing.why,
    };
    watcher.standings().into_iter().map(view).collect()
}

pub(super) fn positions(
    inboxes: &Inboxes,
    rates: &Rates,
    watcher: &Watcher,
) -> Vec<(SourceToken, PositionView)> {
    let Some(inboxes) = inboxes.get() else { return Vec::new() };
    let (reply, replies) = bounded(inboxes.len());
    for inbox in inboxes {
        inbox.put(Input::Positions(reply.clone()));
    }
    drop(reply);
    let until = Instant::now() + SNAPSHOT_TIMEOUT;
    let mut all = Vec::new();
    while let Ok(some) = replies.recv_deadline(until) {
        all.extend(some);
    }
    let mut rates = rates.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let known: HashSet<&str> = all.iter().map(|position| position.source.as_str()).collect();
    rates.retain(|source, _| known.contains(source.as_str()));
    let view = |position: Position| {
        let rung = watcher.rung(position.token).map(|rung| rung.as_str().to_owned());
        (position.token, PositionView { rung, ..view(position, &mut rates, now) })
    };
    let mut views: Vec<_> = all.into_iter().map(view).collect();
    views.sort_by(|(_, a), (_, b)| a.source.cmp(&b.source));
    views
}

fn view(
    position: Position,
    rates: &mut HashMap<String, (Instant, u64, u64)>,
    now: Instant,
) -> PositionView {
    let bytes = position.bytes_read;
    let last = rates.entry(position.source.clone()).or_insert((now, bytes, 0));
    let seconds = now.duration_since(last.0).as_secs_f64();
    if seconds >= 0.2 {
        *last = (now, bytes, (bytes.saturating_sub(last.1) as f64 / seconds) as u64);
    }
    let unread = position.size.saturating_sub(position.offset);
    PositionView {
        source: position.source,
        container: position.container,
        file: position.file,
        inode: position.inode,
        frontier: position.frontier,
        read: position.offset,
        size: position.size,
        unread_bytes: unread,
        unacked_bytes: position.lag_bytes.saturating_sub(unread),
        bytes_per_second: last.2,
        rung: None,
        waits_for: position.waits_for,
    }
}

fn containers(
    listed: &[Listed],
    rows: &HashMap<SourceToken, Row>,
    positions: &[(SourceToken, PositionView)],
) -> Vec<ContainerView> {
    let mut by_container: HashMap<&str, Vec<&PositionView>> = HashMap::new();
    for (token, position) in positions {
        if let Some(row) = rows.get(token) {
            by_container.entry(&row.container_id).or_default().push(position);
        }
    }
    // A container's output comes before its files.
    let mut targets: HashMap<&str, &Row> = HashMap::new();
    for row in rows.values() {
        let target = targets.entry(&row.container_id).or_insert(row);
        let rank = |row: &Row| (row.path.clone(), row.log.clone());
        if rank(row) < rank(target) {
            *target = row;
        }
    }
    let of = |container: &Listed| {
        let target = targets.get(container.id.as_str()).map(|row| row.target.clone());
        let own = by_container.get(container.id.as_str()).map_or(&[][..], Vec::as_slice);
        let collected = target.is_some() && container.reason.is_none();
        let waits = (!collected && container.reason.is_none())
            .then(|| "it has not been started yet".to_owned());
        // Its files may lie elsewhere; what is shown is of its stdout.
        let stdout = own.iter().find(|position| key_parts(&position.source).path.is_none());
        ContainerView {
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            driver: container.driver.clone(),
            state: container.state.as_str().to_owned(),
            target,
            collected,
            reason: container.reason.clone().or(waits),
            lag_bytes: own.iter().map(|position| position.lag_bytes()).sum(),
            bytes_per_second: own.iter().map(|position| position.bytes_per_second).sum(),
            files: container
                .files
                .iter()
                .map(|(path, collected)| FileView { path: path.clone(), collected: *collected })
                .collect(),
            rung: stdout.and_then(|stdout| stdout.rung.clone()),
        }
    };
    listed.iter().map(of).collect()
}
