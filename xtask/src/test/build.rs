//! Builds everything that the suites run, in one go of cargo.
//!
//! The test programs are then started by us and not by cargo, so that they have a pid that we know
//! and can end, and so that minutes of building are not taken for minutes of testing.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::outcome::{Outcome, Verdict, minutes};
use super::table::{Need, Suite, Work};
use crate::{artifact, workspace};

pub(super) struct Built {
    tests: HashMap<String, PathBuf>,
    pub(super) minutes: f64,
}

impl Built {
    pub(super) fn test(&self, name: &str) -> Result<&PathBuf> {
        self.tests.get(name).with_context(|| format!("cargo built no test {name}"))
    }
}

pub(super) fn build(suites: &[&'static Suite], outcomes: &mut Vec<Outcome>) -> Result<Built> {
    let start = Instant::now();
    let mut built = Built { tests: HashMap::new(), minutes: 0.0 };
    let tests: Vec<_> =
        suites.iter().copied().filter(|suite| matches!(suite.work, Work::AgentTest)).collect();
    if !tests.is_empty() {
        eprintln!("xtask: building {} test programs and the agent", tests.len());
        let mut arguments = vec!["test", "--profile", "checks", "--no-run"];
        arguments.extend(workspace::RELEASE_PACKAGES);
        for suite in &tests {
            arguments.extend(["--test", suite.name]);
        }
        if let Err(error) = cargo(&arguments, &mut built.tests) {
            // All of them, as cargo stops at the first that does not compile.
            for suite in tests {
                outcomes.push(Outcome::new(suite, start, Verdict::Failed(format!("{error:#}"))));
            }
        }
    }
    if suites.iter().any(|suite| suite.needs.contains(&Need::Docker)) {
        workspace::build_release(None)?;
    }
    built.minutes = minutes(start);
    Ok(built)
}

fn cargo(arguments: &[&str], executables: &mut HashMap<String, PathBuf>) -> Result<()> {
    let artifacts = artifact::build(Command::new(workspace::cargo()).args(arguments))?;
    let tests = artifacts.into_iter().filter(|artifact| artifact.is("test"));
    executables.extend(tests.map(|test| (test.name, test.executable)));
    Ok(())
}
