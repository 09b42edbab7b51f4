//! `ebpf/prebuilt/built.json`: what the objects were made of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::toolchain::Versions;
use super::{object_name, prebuilt};
use crate::workspace;

/// Files and directories that decide about the objects.
const SOURCES: [&str; 5] = [
    "ebpf/src",
    "ebpf/programs/src",
    "ebpf/programs/Cargo.toml",
    "ebpf/programs/Cargo.lock",
    "ebpf/Cargo.toml",
];

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub(super) tools: Versions,
    /// By path. The hash finds what was forgotten; against what is done on purpose there is the
    /// build with the same tools, since whoever can change an object can change this as well.
    sources: BTreeMap<String, String>,
    objects: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn of_sources(tools: &Versions) -> Result<Self> {
        Ok(Self { tools: tools.clone(), sources: sources()?, objects: BTreeMap::new() })
    }

    pub(super) fn read() -> Result<Self> {
        let path = path();
        let text = fs::read_to_string(&path).with_context(|| {
            format!("cannot read {}; run cargo xtask build-ebpf", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is no record", path.display()))
    }

    pub(super) fn write(&self) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path(), text).context("cannot write the record")
    }

    pub(super) fn add_object(&mut self, architecture: &str, object: &[u8]) {
        self.objects.insert(object_name(architecture), hash(object));
    }

    pub(super) fn check_sources(&self) -> Result<()> {
        let present = sources()?;
        let mut paths: Vec<&String> = present.keys().chain(self.sources.keys()).collect();
        paths.retain(|path| present.get(*path) != self.sources.get(*path));
        paths.dedup();
        ensure!(
            paths.is_empty(),
            "changed since ebpf/prebuilt was built: {paths:?}; run cargo xtask build-ebpf"
        );
        Ok(())
    }

    pub(super) fn check_object(&self, architecture: &str, object: &[u8]) -> Result<()> {
        let name = object_name(architecture);
        let expect = self.objects.get(&name).with_context(|| format!("no record of {name}"))?;
        ensure!(
            *expect == hash(object),
            "{name} is not what the record says; run cargo xtask build-ebpf"
        );
        Ok(())
    }
}

fn path() -> PathBuf {
    prebuilt().join("built.json")
}

fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

fn sources() -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for source in SOURCES {
        add(&workspace::root().join(source), source, &mut found)?;
    }
    Ok(found)
}

fn add(path: &Path, name: &str, found: &mut BTreeMap<String, String>) -> Result<()> {
    let context = || format!("cannot read {}", path.display());
    if !path.is_dir() {
        found.insert(name.to_owned(), hash(&fs::read(path).with_context(context)?));
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(context)? {
        let entry = entry.with_context(context)?;
        add(&entry.path(), &format!("{name}/{}", entry.file_name().to_string_lossy()), found)?;
    }
    Ok(())
}
