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
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    root().join(target).join("release").join(name)
}
