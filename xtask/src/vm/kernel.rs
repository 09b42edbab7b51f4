//! Debian's kernels in the cache: fetched once, checked, unpacked, never installed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::apt::Apt;
use super::modules::Modules;
use super::stanza::Stanza;
use crate::workspace;

/// Of a kernel's drivers these are kept; the others are nine tenths of its size.
const DRIVERS: &[&str] = &["block", "md", "virtio"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Debian {
    /// Also its directory in the cache.
    name: &'static str,
    suite: &'static str,
}

/// A row of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Choice {
    #[value(name = "5.10")]
    Bullseye,
    #[value(name = "6.1")]
    Bookworm,
    #[value(name = "6.12")]
    Trixie,
    /// The newest that there is for a stable Debian.
    Backports,
    Native,
}

impl Choice {
    pub(super) const ALL: [Self; 5] =
        [Self::Bullseye, Self::Bookworm, Self::Trixie, Self::Backports, Self::Native];

    pub(super) fn name(self) -> &'static str {
        self.debian().map_or("native", |debian| debian.name)
    }

    /// `None`: the kernel that runs here.
    pub(super) fn debian(self) -> Option<Debian> {
        let (name, suite) = match self {
            Self::Bullseye => ("5.10", "bullseye"),
            Self::Bookworm => ("6.1", "bookworm"),
            Self::Trixie => ("6.12", "trixie"),
            Self::Backports => ("backports", "trixie-backports"),
            Self::Native => return None,
        };
        Some(Debian { name, suite })
    }
}

/// One that is whole in the cache.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// As `uname -r`.
    pub(crate) release: String,
    home: PathBuf,
}

impl Kernel {
    pub(super) fn image(&self) -> PathBuf {
        self.home.join("vmlinuz")
    }

    pub(super) fn module(&self, path: &Path) -> PathBuf {
        modules_of(&self.home, &self.release).join(path)
    }

    pub(super) fn modules(&self) -> Result<Modules> {
        let directory = modules_of(&self.home, &self.release);
        let read = |name: &str| {
            let path = directory.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Modules::parse(
            &read("modules.dep")?,
            &read("modules.softdep")?,
            &read("modules.alias")?,
            &read("modules.builtin")?,
        ))
    }
}

/// What the suites run on in CI, from the cache or fetched.
pub(crate) fn fetch() -> Result<Kernel> {
    let debian = Choice::Bookworm.debian().context("bookworm is Debian's")?;
    fetch_if(debian, false, None)
}

pub(super) fn fetch_if(debian: Debian, refresh: bool, mirror: Option<&str>) -> Result<Kernel> {
    let cache = workspace::cache("kernels")?;
    let home = cache.join(debian.name);
    // One process at a time fetches a kernel; a killed one lets go.
    let lock = cache.join(format!(".{}.lock", debian.name));
    let lock = File::create(&lock).with_context(|| format!("cannot make {}", lock.display()))?;
    lock.lock().context("cannot lock the cache")?;
    if refresh || !home.exists() {
        eprintln!("xtask: fetching the kernel {} ({}), once", debian.name, debian.suite);
        let unfinished = TempDir::with_prefix_in(format!(".fetching-{}-", debian.name), &cache)
            .context("cannot make a directory in the cache")?;
        let finished = unpack(debian, mirror, unfinished.path())
            .with_context(|| format!("no kernel {}", debian.name))?;
        if home.exists() {
            fs::remove_dir_all(&home)
                .with_context(|| format!("cannot remove {}", home.display()))?;
        }
        fs::rename(&finished, &home).with_context(|| format!("cannot name {}", home.display()))?;
    }
    let release = home.join("release");
    let release = fs::read_to_string(&release)
        .with_context(|| format!("cannot read {}; remove its directory", release.display()))?;
    Ok(Kernel { release, home })
}

/// Everything below `work`; gives the directory that is to be the kernel's.
fn unpack(debian: Debian, mirror: Option<&str>, work: &Path) -> Result<PathBuf> {
    let apt = Apt::of(debian.suite, mirror)?;
    let (release, packages) = packages(&apt)?;
    let raw = work.join("raw");
    for package in &packages {
        let file = apt.download(package, work)?;
        let output = Command::new("dpkg-deb").arg("--extract").args([&file, &raw]).output();
        let output = output.context("cannot start dpkg-deb")?;
        ensure!(
            output.status.success(),
            "cannot unpack {}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let home = work.join("kernel");
    let modules = modules_of(&home, &release);
    fs::create_dir_all(modules.parent().context("below lib")?)?;
    // Debian moved modules to /usr with trixie, and the kernel beside them in 2026.
    let roots = [raw.join("usr"), raw.clone()].map(|root| modules_of(&root, &release));
    let old = roots.iter().find(|path| path.exists()).context("the package has no modules")?;
    let images = [raw.join(format!("boot/vmlinuz-{release}")), old.join("vmlinuz")];
    let image = images.iter().find(|path| path.exists()).context("the package has no vmlinuz")?;
    fs::rename(image, home.join("vmlinuz"))?;
    fs::rename(old, &modules)?;
    prune(&modules.join("kernel"))?;
    let output = Command::new("depmod").arg("--basedir").arg(&home).arg(&release).output();
    let output = output.context("cannot start depmod")?;
    ensure!(output.status.success(), "depmod: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(home.join("release"), release)?;
    Ok(home)
}

/// The kernel's release, and the packages that it comes in: one, or since 7.x several.
fn packages(apt: &Apt) -> Result<(String, Vec<Stanza>)> {
    let newest = apt.show("linux-image-amd64")?;
    let mut names = newest.depends.iter().filter_map(|name| name.strip_prefix("linux-image-"));
    let release = names.next().context("linux-image-amd64 depends on no kernel")?.to_owned();
    let mut packages = vec![apt.show(&format!("linux-image-{release}"))?];
    let mut next = 0;
    while let Some(package) = packages.get(next) {
        let more: Vec<_> = package
            .depends
            .iter()
            .filter(|name| belongs(name, &release))
            .filter(|name| packages.iter().all(|known| known.package != **name))
            .map(|name| apt.show(name))
            .collect::<Result<_>>()?;
        packages.extend(more);
        next += 1;
    }
    Ok((release, packages))
}

/// Such as `linux-modules-7.3.4+deb13-amd64`.
fn belongs(package: &str, release: &str) -> bool {
    package.starts_with("linux-")
        && package.strip_suffix(release).is_some_and(|rest| rest.ends_with('-'))
}

fn prune(kernel: &Path) -> Result<()> {
    for name in ["sound", "net"] {
        let directory = kernel.join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
    }
    for entry in fs::read_dir(kernel.join("drivers")).context("no drivers")? {
        let entry = entry?;
        if !DRIVERS.iter().any(|name| entry.file_name() == *name) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn modules_of(root: &Path, release: &str) -> PathBuf {
    root.join("lib/modules").join(release)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn packages_of_a_release_are_known_by_name() {
        let check = |package, release, expect| assert_eq!(belongs(package, release), expect);
        check("linux-modules-7.3.4+deb13-amd64", "7.3.4+deb13-amd64", true);
        check("linux-binary-7.3.4+deb13-amd64", "7.3.4+deb13-amd64", true);
        check("linux-modules-17.3.4+deb13-amd64", "7.3.4+deb13-amd64", false);
        check("linux-base", "7.3.4+deb13-amd64", false);
        check("kmod", "7.3.4+deb13-amd64", false);
    }

    #[test]
    fn a_kernel_is_named_on_the_command_line_as_everywhere() {
        for choice in Choice::ALL {
            assert_eq!(Choice::from_str(choice.name(), false), Ok(choice));
        }
    }
}
