//! Packages of another Debian than this one, by apt, with an index of its own.
//!
//! apt knows the mirror, the proxy and the keys, and checks signatures; nothing of this machine's
//! packages is read or changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::stanza::{self, Stanza};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

pub(super) struct Apt {
    root: TempDir,
}

impl Apt {
    /// Fetches the index of `suite`.
    pub(super) fn of(suite: &str, mirror: Option<&str>) -> Result<Self> {
        let mirror = match mirror {
            Some(mirror) => mirror.to_owned(),
            None => own_mirror()?,
        };
        let root = TempDir::with_prefix("sluice-apt-").context("no temporary directory")?;
        for directory in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.path().join(directory))?;
        }
        fs::write(root.path().join("status"), "")?;
        let signed = if Path::new(KEYRING).exists() {
            format!("signed-by={KEYRING}")
        } else {
            String::new()
        };
        fs::write(
            root.path().join("sources.list"),
            format!("deb [arch=amd64 {signed}] {mirror} {suite} main\n"),
        )?;
        let apt = Self { root };
        apt.run("apt-get", &["update"])
            .with_context(|| format!("cannot fetch the index of {suite}"))?;
        Ok(apt)
    }

    pub(super) fn show(&self, package: &str) -> Result<Stanza> {
        let text = self.run("apt-cache", &["show", package])?;
        stanza::first(&text).with_context(|| format!("strange index entry of {package}"))
    }

    /// Into `directory`, and compared with the index; apt has done so too, but what is checked here
    /// is the file that is used.
    pub(super) fn download(&self, package: &Stanza, directory: &Path) -> Result<PathBuf> {
        self.command("apt-get")
            .args(["download", &package.package])
            .current_dir(directory)
            .output()
            .context("cannot start apt-get")
            .and_then(|output| said(&output))?;
        let name = Path::new(&package.filename).file_name().context("a package without a name")?;
        let file = directory.join(name);
        let sum =
            Command::new("sha256sum").arg(&file).output().context("cannot start sha256sum")?;
        let sum = said(&sum)?;
        let sum = sum.split(' ').next().unwrap_or_default();
        ensure!(
            sum == package.sha256,
            "{} has the sum {sum}, and the index says {}",
            file.display(),
            package.sha256
        );
        Ok(file)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.command(program).args(arguments).output();
        output.with_context(|| format!("cannot start {program}")).and_then(|output| said(&output))
    }

    fn command(&self, program: &str) -> Command {
        let root = self.root.path().display();
        let mut command = Command::new(program);
        command.arg("-q");
        for option in [
            format!("Dir::State::status={root}/status"),
            format!("Dir::State::lists={root}/lists"),
            format!("Dir::Cache={root}/cache"),
            format!("Dir::Etc::SourceList={root}/sources.list"),
            "Dir::Etc::SourceParts=-".into(),
            "APT::Architecture=amd64".into(),
            // The directories are ours, which its own user could not enter.
            "APT::Sandbox::User=".into(),
            // An old release is what is wanted, and nobody renews its dates.
            "Acquire::Check-Valid-Until=false".into(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }
}

/// The mirror that apt uses here.
fn own_mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(CREATED_BY) $(REPO_URI) $(ORIGIN)"])
        .output()
        .context("cannot start apt-get")?;
    mirror(&said(&output)?)
        .context("apt here has no Debian mirror to fetch kernels from; --mirror URL names one")
}

/// Of lines `Packages URI origin`; the origin is empty before the first `apt-get update`.
fn mirror(targets: &str) -> Option<String> {
    let packages = || targets.lines().filter_map(|line| line.strip_prefix("Packages "));
    packages()
        .filter_map(|line| line.strip_suffix(" Debian"))
        .find(|uri| !uri.trim_end_matches('/').ends_with("-security"))
        .or_else(|| {
            let mut uris = packages().filter_map(|line| line.split(' ').next());
            uris.find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        })
        .map(str::to_owned)
}

fn said(output: &std::process::Output) -> Result<String> {
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mirror() {
        let check = |targets: &str, expect: Option<&str>| {
            assert_eq!(mirror(targets).as_deref(), expect, "{targets}");
        };
        check(
            "Contents http://a/debian/ Debian\nPackages http://b/x/ Debian\n",
            Some("http://b/x/"),
        );
        check("Packages http://other/ nodistro\nPackages http://b/x/ Debian", Some("http://b/x/"));
        check(
            "Packages http://b/debian-security/ Debian\nPackages http://b/debian/ Debian",
            Some("http://b/debian/"),
        );
        check(
            "Packages http://b/debian-security/ Debian\nPackages http://b/mirror/ Debian",
            Some("http://b/mirror/"),
        );
        check("Packages http://a/debian/ ", Some("http://a/debian/"));
        check("Packages http://a/ubuntu/ Ubuntu", None);
        check("", None);
    }
}
