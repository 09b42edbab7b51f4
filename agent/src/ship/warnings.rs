//! Facts for the log, each kind and subject at most once a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::{Output, Warning, WarningKind};
use crate::core::Now;

const EVERY: Duration = Duration::from_mins(1);

/// Subjects that are told apart; with more, the log is told as if each were new.
const SUBJECTS_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Warnings {
    told: BTreeMap<(WarningKind, String), Told>,
}

#[derive(Debug)]
struct Told {
    again_at: u64,
    suppressed: u64,
}

impl Warnings {
    pub(super) fn tell(
        &mut self,
        now: Now,
        kind: WarningKind,
        subject: String,
        text: &dyn std::fmt::Display,
        outputs: &mut Vec<Output>,
    ) {
        let key = (kind, subject.clone());
        if let Some(told) = self.told.get_mut(&key)
            && told.again_at > now.mono_ns
        {
            told.suppressed += 1;
            return;
        }
        if self.told.len() >= SUBJECTS_MAX {
            self.told.retain(|_, it| it.again_at > now.mono_ns);
        }
        if self.told.len() >= SUBJECTS_MAX {
            self.told.clear();
        }
        let fresh = Told { again_at: now.after(EVERY), suppressed: 0 };
        let before = self.told.insert(key, fresh);
        outputs.push(Output::Warn(Warning {
            kind,
            subject,
            text: text.to_string(),
            suppressed: before.map_or(0, |it| it.suppressed),
        }));
    }
}
