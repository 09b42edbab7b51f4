//! `sluice tap`: the documents of a container as they go by, until interrupted.

use std::time::Duration;

use sluice::observe::{TapView, control};

use super::exit::Code;
use super::show::fetch;
use super::{ExitError, Question, print};

/// Between two questions; what goes by meanwhile is kept.
const ASK_INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn tap(
    question: &Question,
    container: &str,
    limit: Option<u64>,
) -> Result<(), ExitError> {
    let state_dir = question.state_dir()?;
    // Told apart from other onlookers, who are other processes.
    let page = control::tap_page(container, std::process::id().into());
    let mut left = limit;
    loop {
        let TapView { documents, left_out, is_full } = fetch(&state_dir, &page)?;
        if is_full {
            let reason = "too many look on already; end another `sluice tap`";
            return Err(ExitError::new(Code::Unavailable, reason));
        }
        let wanted = left.map_or(documents.len(), |left| documents.len().min(left as usize));
        let mut text = documents[..wanted].join("\n");
        if wanted > 0 {
            text.push('\n');
        }
        print::text(&text)?;
        if left_out > 0 {
            eprintln!("sluice: {left_out} documents went by too fast to be shown");
        }
        left = left.map(|left| left - wanted as u64);
        if left == Some(0) {
            return Ok(());
        }
        std::thread::sleep(ASK_INTERVAL);
    }
}
