//! What this kernel would give the agent, for people to read.

use std::fmt::{self, Display, Formatter};

use super::identity::FileSystem;
use super::programs::Verdict;
use super::refusal::Refusal;
use super::table::Feature;
use super::{Kernel, KernelError, Settings};

#[derive(Clone, Debug)]
pub struct Report {
    pub verdicts: Vec<Verdict>,
    /// Instructions that the kernel's verifier went through, by program; `None` where the kernel
    /// does not tell (before Linux 5.16).
    pub verified: Vec<(String, Option<u32>)>,
}

/// Attaches everything for a moment and takes it away again. Needs the agent's capabilities; a
/// running agent is not disturbed.
pub fn probe(settings: &Settings) -> Result<Report, KernelError> {
    let mut kernel = Kernel::open(settings)?;
    for file_system in [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs, FileSystem::Tmpfs] {
        kernel.news_variant(file_system);
    }
    Ok(Report { verdicts: kernel.verdicts.clone(), verified: kernel.programs.verified() })
}

impl Display for Feature {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::News => out.write_str("news"),
            Self::NewsOf(file_system) => write!(out, "news on {file_system}"),
            Self::Cgroups => out.write_str("cgroups"),
            Self::Processes => out.write_str("first processes"),
            Self::Unlinks => out.write_str("unlinks"),
            Self::Renames => out.write_str("renames"),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} refused: {}", self.variant.as_str(), self.reason)
    }
}

/// One line: `news: kprobe (fexit refused: …); not covered: …`.
impl Display for Verdict {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let taken = self.taken.map_or("none", |variant| variant.as_str());
        write!(out, "{}: {taken}", self.feature)?;
        for (index, refusal) in self.refused.iter().enumerate() {
            out.write_str(if index == 0 { " (" } else { "; " })?;
            write!(out, "{refusal}")?;
        }
        if !self.refused.is_empty() {
            out.write_str(")")?;
        }
        if !self.uncovered.is_empty() {
            write!(out, "; not covered: {}", self.uncovered.join(", "))?;
        }
        Ok(())
    }
}
