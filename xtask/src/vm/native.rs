//! The same on this machine's own kernel: no qemu, and mounts that end with the run.

use std::fs;

use anyhow::{Context, Result, ensure};
use sluice_vm::contract::{Disk, Plan};

use super::outcome::Outcome;
use super::{Job, disk, machine};
use crate::process::{own_executable, tethered};

pub(super) fn run(job: &Job) -> Result<Outcome> {
    ensure!(rustix::process::geteuid().is_root(), "native needs root, for mounts; use sudo");
    let mut disks = Vec::new();
    for name in disk::FILE_SYSTEMS {
        let image = Some(disk::make(&job.work, name)?);
        disks.push(Disk { file_system: name.to_owned(), image });
    }
    // So that a program that hangs ends with init, which ends with us.
    let mut arguments = vec!["tether".to_owned(), "--".to_owned()];
    arguments.push(job.programs.program.display().to_string());
    arguments.extend_from_slice(&job.programs.arguments);
    let plan = Plan {
        modules: Vec::new(),
        disks,
        mounts: job.work.join("mounts"),
        report: job.work.join("report"),
        result: job.work.join("result"),
        program: own_executable(),
        arguments,
    };
    fs::create_dir(&plan.mounts)?;
    let path = job.work.join("plan.json");
    fs::write(&path, serde_json::to_vec(&plan)?).context("cannot write the plan")?;
    let mut command = tethered("unshare");
    command.args(["--mount", "--propagation", "private", "--"]);
    command.arg(&job.programs.init).arg(path);
    machine::watch(job, &mut command, &plan.report)
}
