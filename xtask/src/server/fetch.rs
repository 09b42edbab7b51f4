//! Jars from Maven and the compiled launcher, kept in the cache.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::jdk::Jdk;
use super::release::Modules;
use super::{Family, Release, cache, launch};
use crate::process::tethered;

/// The server's directory in the cache, filled if it was not there: `lib/`, `config/`, the compiled
/// launcher, and `modules/` where the version wants them.
pub(super) fn home(release: &Release, jdk: &Jdk) -> Result<PathBuf> {
    let cache = cache()?;
    let home = cache.join(format!("{}-{}", release.family.name(), release.version));
    let _alone = lock(&cache, release)?;
    if !home.exists() {
        eprintln!("xtask: fetching {release} by Maven, once, into {}", home.display());
        let unfinished = Unfinished::make(&cache, release)?;
        fetch(&unfinished.0, release, jdk)?;
        fs::rename(&unfinished.0, &home)
            .with_context(|| format!("cannot name {}", home.display()))?;
    }
    let launcher = launch::directory(&home, jdk);
    if !launcher.exists() {
        compile(&home, &launcher, release, jdk)?;
    }
    Ok(home)
}

/// One process at a time fetches or compiles a release; it is let go when the file is closed, so a
/// killed fetch blocks nobody.
fn lock(cache: &Path, release: &Release) -> Result<File> {
    let path = cache.join(format!(".{}-{}.lock", release.family.name(), release.version));
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// A server's directory until it is whole, removed if it never is.
struct Unfinished(PathBuf);

impl Unfinished {
    fn make(cache: &Path, release: &Release) -> Result<Self> {
        let name = format!(".fetching-{}-{}", release.family.name(), release.version);
        let unfinished = Self(cache.join(name));
        // What a killed fetch left behind: we hold the lock, so nobody else is at it.
        unfinished.remove()?;
        fs::create_dir_all(unfinished.0.join("config"))
            .with_context(|| format!("cannot make {}", unfinished.0.display()))?;
        Ok(unfinished)
    }

    fn remove(&self) -> Result<()> {
        if self.0.exists() {
            fs::remove_dir_all(&self.0)
                .with_context(|| format!("cannot remove {}", self.0.display()))?;
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("xtask: {error:#}");
        }
    }
}

fn fetch(into: &Path, release: &Release, jdk: &Jdk) -> Result<()> {
    let lib = into.join("lib");
    let mut server = release.server();
    if release.modules() == Modules::ClassPath {
        server.push(release.transport());
    }
    maven(&server, &lib, release)?;
    // The servers ask for the interface of their logging library only.
    let logging = version_of(&lib, "log4j-api-")?;
    maven(&[format!("org.apache.logging.log4j:log4j-core:{logging}")], &lib, release)?;
    if release.modules() == Modules::Directories {
        module(into, release, jdk)?;
    }
    Ok(())
}

/// Copies the jars of `coordinates` and of all they need at run time to `into`.
fn maven(coordinates: &[String], into: &Path, release: &Release) -> Result<()> {
    let work =
        TempDir::with_prefix("sluice-maven-").context("cannot make a temporary directory")?;
    let project = work.path().join("pom.xml");
    fs::write(&project, pom(coordinates)?)
        .with_context(|| format!("cannot write {}", project.display()))?;
    let output = tethered("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(&project)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", into.display()))
        .output()
        .context("cannot start Maven")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!(
            "Maven could not fetch {release} ({}); is `mvn` installed, is repo1.maven.org or a mirror \
             in ~/.m2/settings.xml reachable, and is the version published?\n{}",
            coordinates.join(", "),
            String::from_utf8_lossy(&said).trim_end()
        );
    }
    Ok(())
}

fn pom(coordinates: &[String]) -> Result<String> {
    let mut dependencies = String::new();
    for coordinate in coordinates {
        let parts: Vec<&str> = coordinate.split(':').collect();
        let [group, artifact, version] = parts[..] else { bail!("{coordinate} is no coordinate") };
        writeln!(
            dependencies,
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>"
        )?;
    }
    Ok(format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>sluice</groupId><artifactId>fetch</artifactId><version>1</version>\n  \
         <packaging>pom</packaging>\n  <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    ))
}

/// `modules/transport-netty4/` as a distribution has it.
fn module(home: &Path, release: &Release, jdk: &Jdk) -> Result<()> {
    let name = "transport-netty4";
    let into = home.join("modules").join(name);
    maven(&[release.transport()], &into, release)?;
    let mut class = None;
    for entry in fs::read_dir(&into).with_context(|| format!("cannot list {}", into.display()))? {
        let jar = entry?.path();
        let file = jar.file_name().context("a jar without a name")?;
        if home.join("lib").join(file).exists() {
            // Twice on the way of one class loader is refused as "jar hell".
            fs::remove_file(&jar)?;
        } else if file.to_string_lossy().starts_with(name) {
            class = Some(plugin_class(&jar, jdk)?);
        }
    }
    let class = class.with_context(|| format!("no jar {name}* in {}", into.display()))?;
    let (family, version) = (release.family.name(), &release.version);
    let descriptor = format!(
        "name={name}\ndescription={name}\nversion={version}\n{family}.version={version}\n\
         java.version=11\nclassname={class}\n"
    );
    fs::write(into.join("plugin-descriptor.properties"), descriptor)
        .context("cannot write the descriptor")
}

/// The outermost class of the jar whose name ends in `Plugin`.
fn plugin_class(jar: &Path, jdk: &Jdk) -> Result<String> {
    let listing = Command::new(jdk.tool("jar")).arg("tf").arg(jar).output()?;
    ensure!(listing.status.success(), "cannot list {}", jar.display());
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(".class"))
        .find(|class| class.ends_with("Plugin") && !class.contains('$'))
        .map(|class| class.replace('/', "."))
        .with_context(|| format!("no plugin class in {}", jar.display()))
}

/// Of the one jar in `lib` whose name is `prefix` and a version.
fn version_of(lib: &Path, prefix: &str) -> Result<String> {
    for entry in fs::read_dir(lib).with_context(|| format!("cannot list {}", lib.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(version) = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".jar"))
        {
            return Ok(version.to_owned());
        }
    }
    bail!("no {prefix}*.jar in {}", lib.display())
}

fn compile(home: &Path, into: &Path, release: &Release, jdk: &Jdk) -> Result<()> {
    let sources =
        TempDir::with_prefix("sluice-launcher-").context("cannot make a temporary directory")?;
    let classes = sources.path().join("classes");
    let mut compiler = Command::new(jdk.tool("javac"));
    compiler.arg("-cp").arg(home.join("lib/*")).arg("-d").arg(&classes);
    for (name, text) in launch::SOURCES {
        let wanted = match *name {
            "BareNode.java" => release.modules() == Modules::ClassPath,
            "RootAction.java" => release.family == Family::Elasticsearch && release.major >= 8,
            _ => true,
        };
        if wanted {
            let path = sources.path().join(name);
            let package = format!("import org.{}.", release.family.name());
            fs::write(&path, text.replace("import org.elasticsearch.", &package))?;
            compiler.arg(path);
        }
    }
    let output = compiler.output().context("cannot start javac")?;
    ensure!(
        output.status.success(),
        "the launcher does not compile against {release}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    for class in fs::read_dir(&classes)? {
        let class = class?;
        fs::copy(class.path(), into.join(class.file_name()))
            .with_context(|| format!("cannot fill {}", into.display()))?;
    }
    Ok(())
}
