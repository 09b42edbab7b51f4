//! A JDK that fits.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Release;

#[derive(Clone, Debug)]
pub(super) struct Jdk {
    pub(super) home: PathBuf,
    /// 17, 21, 25, …
    pub(super) feature: u32,
}

impl Jdk {
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }
}

/// `$JAVA_HOME`, then the `java` on the path, then what lies in `/usr/lib/jvm`.
pub(super) fn find(release: &Release) -> Result<Jdk> {
    let (oldest, newest) = release.jdk();
    let candidates = candidates();
    candidates
        .iter()
        .filter_map(|home| read(home))
        .find(|jdk| (oldest..=newest).contains(&jdk.feature))
        .with_context(|| {
            let wanted = if oldest == newest { format!("{oldest}") } else { format!("{oldest} to {newest}") };
            format!(
                "{release} wants a JDK {wanted} with javac, and none is in $JAVA_HOME, on the path or \
                 in /usr/lib/jvm; `apt-get install openjdk-17-jdk-headless` brings 17, adoptium.net the \
                 others"
            )
        })
}

fn candidates() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    // <home>/bin/java, behind the links of Debian's alternatives.
    all.extend(std::env::split_paths(&path).filter_map(|directory| {
        let java = directory.join("java").canonicalize().ok()?;
        Some(java.parent()?.parent()?.to_owned())
    }));
    let mut installed: Vec<PathBuf> = fs::read_dir("/usr/lib/jvm")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    installed.sort();
    all.extend(installed);
    all
}

fn read(home: &Path) -> Option<Jdk> {
    let release = fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    let feature = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    // A runtime without the compiler cannot build the launcher.
    home.join("bin/javac").exists().then(|| Jdk { home: home.to_owned(), feature })
}
