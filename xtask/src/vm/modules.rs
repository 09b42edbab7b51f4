//! Which modules a module needs, and in which order they are loaded.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// What `depmod` found out about a kernel.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// By name: its file below the kernel's directory, and the names of what it needs.
    needs: HashMap<String, (PathBuf, Vec<String>)>,
    /// By name: what should be there before, under a module's or another name.
    softly: HashMap<String, Vec<String>>,
    aliases: HashMap<String, Vec<String>>,
    builtin: HashSet<String>,
}

impl Modules {
    /// From the texts of `modules.dep`, `.softdep`, `.alias` and `.builtin`.
    pub(super) fn parse(dep: &str, softdep: &str, alias: &str, builtin: &str) -> Self {
        let mut modules = Self::default();
        for (path, needs) in dep.lines().filter_map(|line| line.split_once(':')) {
            let needs = needs.split_whitespace().map(name).collect();
            modules.needs.insert(name(path), (PathBuf::from(path), needs));
        }
        for line in softdep.lines().filter_map(|line| line.strip_prefix("softdep ")) {
            let mut words = line.split_whitespace();
            let Some(module) = words.next() else { continue };
            let before = words.skip_while(|word| *word != "pre:").skip(1);
            let before = before.take_while(|word| *word != "post:").map(normal).collect();
            modules.softly.insert(normal(module), before);
        }
        for line in alias.lines().filter_map(|line| line.strip_prefix("alias ")) {
            if let Some((alias, module)) = line.split_once(' ') {
                modules.aliases.entry(normal(alias)).or_default().push(normal(module));
            }
        }
        modules.builtin.extend(builtin.lines().map(name));
        modules
    }

    /// The files to load, each after what it needs. What is built into the kernel is left out.
    pub(super) fn order(&self, wanted: &[&str]) -> Result<Vec<&Path>> {
        let mut walk = Walk { modules: self, visited: HashSet::new(), order: Vec::new() };
        for module in wanted.iter().map(|module| normal(module)) {
            if !self.needs.contains_key(&module) && !self.builtin.contains(&module) {
                bail!("the kernel has no module {module}, or a driver that the cache left out");
            }
            walk.visit(&module);
        }
        Ok(walk.order)
    }
}

struct Walk<'a> {
    modules: &'a Modules,
    visited: HashSet<String>,
    order: Vec<&'a Path>,
}

impl Walk<'_> {
    /// Depth first; soft dependencies may go in circles, so a module is visited once.
    fn visit(&mut self, module: &str) {
        let modules = self.modules;
        let Some((path, needs)) = modules.needs.get(module) else { return };
        if !self.visited.insert(module.to_owned()) {
            return;
        }
        for soft in modules.softly.get(module).into_iter().flatten() {
            self.visit(soft);
            for module in modules.aliases.get(soft).into_iter().flatten() {
                self.visit(module);
            }
        }
        for module in needs {
            self.visit(module);
        }
        self.order.push(path);
    }
}

/// `kernel/fs/xfs/xfs.ko.xz` is `xfs`.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    normal(file.split(".ko").next().unwrap_or(file))
}

/// A module's file may have dashes where its name has underscores.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/fs/btrfs/btrfs.ko.xz: kernel/crypto/xor.ko.xz kernel/lib/libcrc32c.ko.xz
kernel/crypto/xor.ko.xz:
kernel/lib/libcrc32c.ko.xz: kernel/crypto/xor.ko.xz
kernel/crypto/crc32c_generic.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko.xz:
kernel/fs/a.ko: kernel/fs/b.ko
kernel/fs/b.ko:
";
    const SOFTDEP: &str = "\
# comment
softdep btrfs pre: crypto-crc32c crypto-none post: a
softdep b pre: a
softdep crc32c_generic post: b
";
    const ALIAS: &str = "alias crypto-crc32c crc32c_generic\nalias crypto-crc32c crc32c_intel\n";
    const BUILTIN: &str = "kernel/drivers/virtio/virtio_pci.ko\n";

    fn order(wanted: &[&str]) -> Result<Vec<String>> {
        let modules = Modules::parse(DEP, SOFTDEP, ALIAS, BUILTIN);
        let order = modules.order(wanted)?;
        Ok(order.into_iter().map(|path| name(&path.to_string_lossy())).collect())
    }

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let expect = ["crc32c_generic", "crc32c_intel", "xor", "libcrc32c", "btrfs"];
        assert_eq!(order(&["btrfs"]).unwrap(), expect);
        assert_eq!(order(&["btrfs", "xor", "btrfs"]).unwrap(), expect);
        assert_eq!(order(&["crc32c-intel"]).unwrap(), ["crc32c_intel"]);
    }

    #[test]
    fn circles_end() {
        assert_eq!(order(&["a"]).unwrap(), ["b", "a"]);
        assert_eq!(order(&["b"]).unwrap(), ["a", "b"]);
    }

    #[test]
    fn builtin_needs_no_file_and_unknown_is_an_error() {
        assert!(order(&["virtio-pci"]).unwrap().is_empty());
        let error = order(&["zfs"]).unwrap_err().to_string();
        assert!(error.contains("zfs"), "{error}");
    }
}
