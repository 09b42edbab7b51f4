//! Indices of Elasticsearch 6 whose mapping type is not the configured one.
//!
//! An index has one type, given by the first document; a bulk request names it. Documents for an
//! index of another type are refused one by one, which is how it becomes known, and go again in a
//! request of their own that takes the type that is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::answer::ErrorText;
use super::job::Job;
use super::message::Typing;
use super::shipper::Dispatch;
use super::task::{Task, Work};

/// Names of indices are tenants' input. What is forgotten is learnt again from one refusal.
const STRANGERS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeSet<Arc<str>>);

/// Whether an item was refused for the type that its request named.
pub(super) fn is_one(sent: Dispatch, error: &ErrorText) -> bool {
    sent.typing == Typing::Configured
        && sent.version.needs_type()
        && error.says("the final mapping would have more than 1 type")
}

impl Strangers {
    pub(super) fn note(&mut self, index: &Arc<str>) {
        if self.0.len() >= STRANGERS_MAX {
            self.0.clear();
        }
        self.0.insert(Arc::clone(index));
    }

    /// Takes the documents for strangers out, if there are others too.
    pub(super) fn part(&self, job: &Job, task: &mut Task) -> Option<Task> {
        let is_stranger = self.numbers(job, task)?;
        let of =
            |number: &u32| is_stranger[usize::from(job.batch.documents[*number as usize].index)];
        let (strangers, others): (Vec<u32>, Vec<u32>) =
            task.documents.iter().partition(|it| of(it));
        if strangers.is_empty() || others.is_empty() {
            return None;
        }
        task.documents = others;
        Some(Task { documents: strangers, ..task.clone() })
    }

    /// Of a task that holds either kind alone.
    pub(super) fn typing(&self, job: &Job, task: &Task) -> Typing {
        let first = task.documents.first().map(|it| job.batch.documents[*it as usize].index);
        match (self.numbers(job, task), first) {
            (Some(is_stranger), Some(index)) if is_stranger[usize::from(index)] => Typing::OfIndex,
            _ => Typing::Configured,
        }
    }

    /// By index of the batch; `None` on the plain way.
    fn numbers(&self, job: &Job, task: &Task) -> Option<Vec<bool>> {
        if self.0.is_empty() || !matches!(task.work, Work::Bulk) {
            return None;
        }
        Some(job.batch.indices.iter().map(|index| self.0.contains(index)).collect())
    }
}
