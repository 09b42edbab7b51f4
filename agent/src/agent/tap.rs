//! The documents of one container, as they go by.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::bounded;

use super::Inboxes;
use super::router::Router;
use crate::core::SourceToken;
use crate::discover::Discovery;
use crate::observe::{SNAPSHOT_TIMEOUT, TapFn, TapView, Tapping};
use crate::worker::Input;

pub(super) fn tap(router: &Router, inboxes: &Inboxes, discovery: &Arc<Discovery>) -> TapFn {
    let (shown, inboxes, discovery) = (router.shown(), inboxes.clone(), discovery.clone());
    Arc::new(move |Tapping { container, id }: Tapping| {
        let (shown, inboxes, discovery) = (shown.clone(), inboxes.clone(), discovery.clone());
        Box::pin(async move {
            let ask = move || {
                let container = discovery.registry().find(&container)?;
                let sources: HashSet<SourceToken> =
                    shown.rows_of(&container.id).into_iter().map(|(token, _)| token).collect();
                let inboxes = inboxes.get()?;
                let (reply, replies) = bounded(inboxes.len());
                for inbox in inboxes {
                    let (sources, reply) = (sources.clone(), reply.clone());
                    inbox.put(Input::Tap { id, sources, reply });
                }
                drop(reply);
                let until = Instant::now() + SNAPSHOT_TIMEOUT;
                let mut view = TapView { is_full: true, ..TapView::default() };
                while let Ok(tapped) = replies.recv_deadline(until) {
                    view.is_full = false;
                    view.left_out += tapped.left_out;
                    let documents = String::from_utf8_lossy(&tapped.documents);
                    view.documents.extend(documents.lines().map(str::to_owned));
                }
                Some(view)
            };
            tokio::task::spawn_blocking(ask).await.ok().flatten()
        })
    })
}
