//! Where things lie.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The repository's root. Known when xtask was built: it is never installed.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The cargo that runs us, so that a `+toolchain` is kept.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// What release builds build, always together: cargo joins the features that the chosen packages
/// want of a dependency, so another choice would compile half of the dependencies again.
pub(crate) const RELEASE_PACKAGES: [&str; 4] = ["--package", "sluice", "--package", "sluice-bench"];

/// Agent and load generator, as users get them; with another `agent`, which needs no build, only
/// the load generator.
pub(crate) fn build_release(agent: Option<&Path>) -> Result<()> {
    let packages = match agent {
        None => &RELEASE_PACKAGES[..],
        Some(_) => &["--package", "sluice-bench"],
    };
    let status = Command::new(cargo())
        .args(["build", "--release", "--bins"])
        .args(packages)
        .current_dir(root())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cargo build --release ended with {status}");
    Ok(())
}

/// Where `cargo build --release` puts a program.
pub(crate) fn release_binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(target)
}

/// Where things lie that were fetched once: below `$SLUICE_CACHE`, or `~/.cache/sluice`.
pub(crate) fn cache(name: &str) -> Result<PathBuf> {
    let root = match (std::env::var_os("SLUICE_CACHE"), std::env::var_os("HOME")) {
        (Some(named), _) => PathBuf::from(named),
        (None, Some(home)) => PathBuf::from(home).join(".cache/sluice"),
        (None, None) => anyhow::bail!("neither SLUICE_CACHE nor HOME is set; set one of them"),
    };
    let cache = root.join(name);
    std::fs::create_dir_all(&cache).with_context(|| {
        format!("cannot make {}; SLUICE_CACHE names another place", cache.display())
    })?;
    cache.canonicalize().with_context(|| format!("cannot resolve {}", cache.display()))
}
