//! `cargo xtask image`: the agent's container image, made without an engine and without a registry.
//!
//! From scratch: one static program under its three names, what a C library without files beside
//! it looks for, and the public certificate authorities of the machine that builds. The same
//! sources make the same bytes. `deploy/Dockerfile` makes the same image with an engine.

mod archive;
mod layer;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::docker::libraries;
use crate::workspace;
use archive::Image;
use layer::Layer;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the tar goes [default: sluice-image.tar where cargo builds]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name and tag of the image
    #[arg(long, default_value = concat!("sluice:", env!("CARGO_PKG_VERSION")))]
    tag: String,
    /// A static program that was built before
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Debian's name, which rustls looks for too.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\n";
/// Without it the C library asks services that a static program cannot load.
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let program = match &arguments.program {
        Some(path) => path.clone(),
        None => build()?,
    };
    let libraries = libraries(&program)?;
    ensure!(
        libraries.is_empty(),
        "{} is not static, it loads {}",
        program.display(),
        libraries[0].display()
    );
    let layer = fill(&program)?;
    let image = Image::new(&arguments.tag, layer)?;
    let output =
        arguments.output.clone().unwrap_or_else(|| workspace::target().join("sluice-image.tar"));
    let bytes = image.archive()?;
    fs::write(&output, &bytes).with_context(|| format!("cannot write {}", output.display()))?;
    println!(
        "{}  {}  {:.1} MiB",
        arguments.tag,
        image.id(),
        bytes.len() as f64 / f64::from(1 << 20)
    );
    println!("docker load --input {}", output.display());
    Ok(ExitCode::SUCCESS)
}

/// The agent with its C library inside.
///
/// Of the GNU library and not musl's: that target is not everywhere where Rust is, and since
/// version 2.34 names are resolved from files and DNS by code that is inside.
fn build() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    // Lines of the sources stay outside: they are four fifths of the program.
    flags.push_str(" -C target-feature=+crt-static -C strip=debuginfo");
    // With a target named, the flags are not for build scripts.
    let status = Command::new(workspace::cargo())
        .args(["build", "--release", "--package", "sluice", "--bin", "sluice", "--target", &target])
        .env("RUSTFLAGS", flags.trim())
        .current_dir(workspace::root())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cargo build --release --target {target} ended with {status}");
    Ok(workspace::target().join(target).join("release/sluice"))
}

fn fill(program: &Path) -> Result<Vec<u8>> {
    let binary = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let mut layer = Layer::default();
    for directory in ["etc", "etc/sluice", "etc/ssl", "etc/ssl/certs", "pilot", "usr", "usr/bin"] {
        layer.directory(directory, 0o755)?;
    }
    layer.directory("tmp", 0o1777)?;
    for directory in ["var", "var/lib"] {
        layer.directory(directory, 0o755)?;
    }
    layer.directory("var/lib/sluice", 0o700)?;
    layer.file("usr/bin/sluice", 0o755, &binary)?;
    layer.link("pilot/entrypoint", "/usr/bin/sluice")?;
    layer.link("pilot/healthz", "/usr/bin/sluice")?;
    layer.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
    layer.file("etc/group", 0o644, GROUP.as_bytes())?;
    layer.file("etc/nsswitch.conf", 0o644, NSSWITCH.as_bytes())?;
    match fs::read(AUTHORITIES) {
        Ok(authorities) => layer.file(&AUTHORITIES[1..], 0o644, &authorities)?,
        Err(error) => eprintln!(
            "xtask: no public authorities in the image: {AUTHORITIES}: {error}; apt-get install \
             ca-certificates, or give the agent `ca_file`"
        ),
    }
    layer.finish()
}
