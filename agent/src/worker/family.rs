//! Files of one declaration that change from one of its logs to another.
//!
//! A pattern like `*.log` makes a log of each name that fits. A program that renames its file to
//! another name that fits, without that being known for an older file of the first, moves it from
//! one log to the other. What the first one has delivered is not delivered again by the second.

use std::time::Duration;

use super::Output;
use super::source::Source;
use super::step::Worker;
use crate::checkpoint::FileRecord;
use crate::core::SourceToken;
use crate::read::{Files, Found, FoundKind};

/// A file of the store that is not there under its names is looked for so long by the other logs.
const MISSED_MAX: Duration = Duration::from_secs(10);

/// Files that may be on their way from one log to another.
const STRAYED_MAX: usize = 64;

impl<Handle> Source<Handle> {
    /// Keeps what is known of files that have none of its names any more.
    pub(super) fn stray(&mut self, records: Vec<FileRecord>) {
        self.strayed.extend(records);
        let surplus = self.strayed.len().saturating_sub(STRAYED_MAX);
        self.strayed.drain(..surplus);
    }

    /// Declares lost what no other log has found in time; when to look again, if that is not yet.
    pub(super) fn declare_missed(
        &mut self,
        mono_ns: u64,
        outputs: &mut Vec<Output>,
    ) -> Option<u64> {
        let is_open = |record: &FileRecord| record.finished != Some(record.frontier);
        if !self.strayed.iter().any(is_open) {
            self.missed_mono_ns = None;
            return None;
        }
        let since = *self.missed_mono_ns.get_or_insert(mono_ns);
        let until = since + MISSED_MAX.as_nanos() as u64;
        if mono_ns < until {
            return Some(until);
        }
        self.missed_mono_ns = None;
        for at in 0..self.strayed.len() {
            if is_open(&self.strayed[at]) {
                outputs.push(Output::Lost(self.loss_away(&self.strayed[at])));
                self.strayed[at].finished = Some(self.strayed[at].frontier);
                self.dirty = true;
            }
        }
        None
    }
}

impl<F: Files> Worker<F> {
    pub(super) fn join_family(&mut self, token: SourceToken, source: &Source<F::Handle>) {
        if let Some(family) = source.key.family() {
            self.families.entry(family.into()).or_default().push(token);
        }
    }

    /// What it knows goes to another member, if there is one: it may have its files now.
    pub(super) fn leave_family(&mut self, token: SourceToken) {
        let Some(source) = self.sources.get(&token) else { return };
        let Some(family) = source.key.family() else { return };
        let Some(members) = self.families.get_mut(family) else { return };
        members.retain(|member| *member != token);
        let Some(heir) = members.first().copied() else {
            self.families.remove(family);
            return;
        };
        if source.left {
            return;
        }
        let record = source.record();
        let records = record.files.into_iter().chain(record.strayed).collect();
        if let Some(heir) = self.sources.get_mut(&heir) {
            heir.stray(records);
        }
        self.dirty.insert(heir);
    }

    /// Takes out of what a look found the files that another log of the family still reads, and
    /// takes over the positions of those that it has read. Whether the former exist.
    pub(super) fn leave_to_family(
        &mut self,
        token: SourceToken,
        found: &mut Vec<Found<F::Handle>>,
    ) -> bool {
        let Some(source) = self.sources.get(&token) else { return false };
        let Some(members) = source.key.family().and_then(|family| self.families.get(family)) else {
            return false;
        };
        let members = members.clone();
        let mut waits = false;
        let mut taken = Vec::new();
        found.retain_mut(|file| {
            let FoundKind::Opened { known: known @ None, .. } = &mut file.kind else { return true };
            for member in &members {
                let Some(other) = self.sources.get_mut(member) else { continue };
                let is_read = other.files.iter().any(|open| open.id == file.id)
                    || other.remembered.iter().any(|record| record.id == file.id);
                if *member != token && is_read {
                    waits = true;
                    return false;
                }
                let is_it = |record: &mut FileRecord| record.id == file.id;
                let record = other.strayed.extract_if(.., is_it).last();
                let record = match record {
                    None if *member != token => other.settled.extract_if(.., is_it).last(),
                    record => record,
                };
                if let Some(record) = record {
                    *known = Some(record.id);
                    taken.push(record);
                    self.dirty.insert(*member);
                    break;
                }
            }
            true
        });
        if !taken.is_empty()
            && let Some(source) = self.sources.get_mut(&token)
        {
            source.remembered.extend(taken);
            self.dirty.insert(token);
        }
        waits
    }
}
