//! From jars to a running server.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use super::jdk::Jdk;
use super::{Arguments, Release};

pub(super) const SOURCES: &[(&str, &str)] = &[
    ("Launch.java", include_str!("java/Launch.java")),
    ("Cluster.java", include_str!("java/Cluster.java")),
    ("Engine.java", include_str!("java/Engine.java")),
    ("BareNode.java", include_str!("java/BareNode.java")),
    ("RootAction.java", include_str!("java/RootAction.java")),
];
const LOGGING: &str = include_str!("java/log4j2.properties");
const DEPRECATION: &str = include_str!("java/deprecation.properties");

/// The compiled launcher's place: another one for other sources or another JDK, so that a change
/// of either compiles anew and a running server keeps its classes.
pub(super) fn directory(home: &Path, jdk: &Jdk) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (SOURCES, jdk.feature).hash(&mut hasher);
    home.join(format!("launcher-{:016x}", hasher.finish()))
}

/// Replaces this process by the JVM.
pub(super) fn become_server(
    release: &Release,
    jdk: &Jdk,
    home: &Path,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let (directory, remove) = match &arguments.data {
        Some(named) => {
            fs::create_dir_all(named)
                .with_context(|| format!("cannot make {}", named.display()))?;
            (named.canonicalize()?, false)
        }
        // The launcher removes it: nothing of ours is left to do so.
        None => (tempfile::Builder::new().prefix("sluice-server-").tempdir()?.keep(), true),
    };
    let logging = directory.join("log4j2.properties");
    let text =
        if release.warns_by_appender() { [LOGGING, DEPRECATION].concat() } else { LOGGING.into() };
    fs::write(&logging, text.replace("@FAMILY@", release.family.name()))
        .with_context(|| format!("cannot write {}", logging.display()))?;

    let mut java = Command::new(jdk.tool("java"));
    java.args([
        format!("-Xms{}", arguments.heap),
        format!("-Xmx{}", arguments.heap),
        "-XX:+UseG1GC".into(),
        "-XX:-UsePerfData".into(),
        "-Dlog4j2.disable.jmx=true".into(),
        format!("-Dlog4j.configurationFile={}", logging.display()),
    ]);
    if jdk.feature >= 21 {
        java.arg("--enable-native-access=ALL-UNNAMED");
    }
    java.arg("-cp").arg(format!(
        "{}:{}/lib/*",
        self::directory(home, jdk).display(),
        home.display()
    ));
    java.arg("Launch");
    java.args([
        format!("launch.family={}", release.family.name()),
        format!("launch.major={}", release.major),
        format!("launch.home={}", home.display()),
        format!("launch.directory={}", directory.display()),
        format!("launch.directory.remove={remove}"),
        format!("launch.port={}", arguments.port),
        format!("launch.nodes={}", arguments.nodes),
        format!("launch.initial={}", release.initial_nodes()),
        "cluster.name=sluice-test".into(),
        "network.host=127.0.0.1".into(),
        // How full the machine's disk is must not decide a test, unless it is asked for.
        "cluster.routing.allocation.disk.threshold_enabled=false".into(),
    ]);
    java.args(&arguments.settings);
    let error = java.exec();
    if remove {
        fs::remove_dir_all(&directory).ok();
    }
    Err(error).with_context(|| format!("cannot run {}", jdk.tool("java").display()))
}
