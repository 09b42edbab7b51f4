//! Programs that come in Debian packages.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process::on_path;

/// Those of `programs` (each with its package) that are not here.
pub(crate) fn absent<'a>(programs: &'a [(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    programs.iter().copied().filter(|(program, _)| on_path(program).is_none()).collect()
}

/// Their packages, each once.
pub(crate) fn packages<'a>(absent: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let mut packages: Vec<_> = absent.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

/// Where we may; what cannot be installed is found missing afterwards.
pub(crate) fn install(programs: &[(&str, &str)]) -> Result<()> {
    let packages = packages(&absent(programs));
    if packages.is_empty() {
        return Ok(());
    }
    if !is_root() || on_path("apt-get").is_none() {
        eprintln!("xtask: {} cannot be installed: not root, or no apt-get", packages.join(", "));
        return Ok(());
    }
    eprintln!("xtask: installing {}", packages.join(", "));
    for arguments in
        [&["update", "-qq"][..], &["install", "-qq", "-y", "--no-install-recommends"][..]]
    {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments[0] == "install" {
            command.args(&packages);
        }
        let status = command.status().context("cannot start apt-get")?;
        if !status.success() {
            eprintln!("xtask: apt-get {} ended with {status}", arguments[0]);
        }
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
