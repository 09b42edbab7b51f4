//! How news of files come: what the kernel gives, and what a running agent's mounts stand on.

use sluice::config::Config;
use sluice::core::Finding;
use sluice::kernel::{self, Feature, Report};
use sluice::observe::{MountView, control};
use sluice::watch::RungName;

/// What this kernel would give, tried; a running agent is not disturbed.
pub(super) fn kernel(config: &Config) -> Finding {
    const WHAT: &str = "kernel watcher";
    const MEND: &str = "what the reason names; without it inotify does the work, and each write \
                        costs its writer more";
    let Some(highest) = config.watch.rung.variant() else {
        return Finding::ok(
            WHAT,
            format!("left out by watch.rung: {}", config.watch.rung.as_str()),
        );
    };
    // The directory is made by the first run.
    let prove_in = config.state_dir.is_dir().then(|| config.state_dir.clone());
    let settings = kernel::Settings { highest, prove_in, ..kernel::Settings::default() };
    match kernel::probe(&settings) {
        Err(error) => Finding::degraded(WHAT, error.to_string(), MEND),
        Ok(report) => {
            let found = found(&report);
            let news = |feature| matches!(feature, Feature::News | Feature::NewsOf(_));
            let mut news = report.verdicts.iter().filter(|verdict| news(verdict.feature));
            if news.any(|verdict| verdict.taken.is_some()) {
                Finding::ok(WHAT, found)
            } else {
                Finding::degraded(WHAT, found, MEND)
            }
        }
    }
}

/// `news on ext4 by tracepoint, cgroups by tracepoint; renames by none: …`: what is taken first,
/// and each reason once.
fn found(report: &Report) -> String {
    let mut taken = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    for verdict in &report.verdicts {
        if let Some(variant) = verdict.taken {
            taken.push(format!("{} by {}", verdict.feature, variant.as_str()));
        }
        for refusal in &verdict.refused {
            let text = format!("{}: {refusal}", verdict.feature);
            let is_told = reasons.iter().any(|told| told.ends_with(refusal.reason.as_str()));
            if !is_told {
                reasons.push(text);
            }
        }
    }
    let taken = if taken.is_empty() { "nothing".to_owned() } else { taken.join(", ") };
    if reasons.is_empty() { taken } else { format!("{taken}; {}", reasons.join("; ")) }
}

/// Of the agent that runs on this state directory; nothing, if none does.
pub(super) fn mounts(config: &Config) -> Vec<Finding> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let asked = runtime.block_on(control::fetch::<Vec<MountView>>(&config.state_dir, "/mounts"));
    let finding = |view: MountView| {
        let what = format!("mount {}", view.mount);
        let rung = RungName::ALL.into_iter().find(|rung| rung.as_str() == view.rung);
        let is_best = rung.is_none_or(|rung| rung.is_kernel() || rung <= config.watch.rung);
        let found = match view.why.as_str() {
            "" => view.rung,
            why => format!("{}; {why}", view.rung),
        };
        if is_best {
            Finding::ok(&what, found)
        } else {
            let mend =
                "what the reason names, then `kill -HUP` of the agent, or an hour's patience";
            Finding::degraded(&what, found, mend)
        }
    };
    asked.unwrap_or_default().into_iter().map(finding).collect()
}
