//! Where the programs find what they read, on this kernel.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sluice_ebpf::{ABSENT, OFFSETS, Offset, Place};

use super::KernelError;
use super::btf::{self, Btf, tracepoint_type};
use super::table;

const BTF_DIR: &str = "/sys/kernel/btf";

/// Modules with structures that programs read. Built in, they have no file of their own.
const MODULES: [&str; 2] = ["btrfs", "xfs"];

/// What the programs need to know of the running kernel, taken from its BTF at one moment: of a
/// module that is loaded later nothing is known.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) offsets: [u32; OFFSETS],
    /// Functions of [`table`] that BTF has.
    functions: HashSet<&'static str>,
    /// Tracepoints of [`table`] of which the kernel says that they come with another argument.
    foreign: HashSet<&'static str>,
}

impl Layout {
    pub(super) fn of_running_kernel() -> Result<Self, KernelError> {
        let functions = table::functions();
        let tracepoints = table::tracepoints();
        let types: Vec<String> =
            tracepoints.iter().map(|(name, _)| tracepoint_type(name)).collect();
        let mut wanted: HashSet<&[u8]> = types.iter().map(String::as_bytes).collect();
        wanted.extend(functions.iter().map(|name| name.as_bytes()));
        wanted.extend(Offset::ALL.iter().map(|offset| match offset.place() {
            Place::Member(structure, _) | Place::Size(structure) => structure.as_bytes(),
        }));

        let path = Path::new(BTF_DIR).join("vmlinux");
        let bytes = read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => KernelError::NoBtf { path: path.clone() },
            _ => KernelError::BtfRead { path: path.clone(), source },
        })?;
        let base = Btf::parse(bytes, None, &wanted)
            .map_err(|source| KernelError::BtfParse { path, source })?;
        // A module without BTF is as one without the members: its feature is off, by name.
        let modules: Vec<Btf> = MODULES
            .iter()
            .filter_map(|name| {
                let bytes = read(&Path::new(BTF_DIR).join(name)).ok()?;
                Btf::parse(bytes, Some(&base), &wanted).ok()
            })
            .collect();
        let parts = || std::iter::once(&base).chain(&modules);

        let offsets = Offset::ALL.map(|offset| {
            let place = |part: &Btf| match offset.place() {
                Place::Member(structure, names) => part.member(structure, names),
                Place::Size(structure) => part.size(structure),
            };
            parts().find_map(place).unwrap_or(ABSENT)
        });
        // A module's function cannot be attached to by the kernel's BTF, so only the kernel's own.
        let functions = functions.into_iter().filter(|name| base.has_function(name)).collect();
        let foreign = |&(name, expect): &(&'static str, Option<&str>)| {
            let found = parts().find_map(|part| part.tracepoint_argument(name))?;
            expect.is_some_and(|expect| expect != found).then_some(name)
        };
        let foreign = tracepoints.iter().filter_map(foreign).collect();
        Ok(Self { offsets, functions, foreign })
    }

    /// The first of `needs` that this kernel does not have, as `structure.member`.
    pub(super) fn missing(&self, needs: &[Offset]) -> Option<String> {
        let absent = needs.iter().find(|need| self.offsets[**need as usize] == ABSENT)?;
        Some(match absent.place() {
            Place::Member(structure, names) => format!("{structure}.{}", names.join("|")),
            Place::Size(structure) => structure.to_owned(),
        })
    }

    pub(super) fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// The tracepoint has other arguments than the programs know.
    pub(super) fn is_foreign(&self, tracepoint: &str) -> bool {
        self.foreign.contains(tracepoint)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The size in sysfs is right for BTF, but a limit must not rest on it.
    let len = File::open(path)?.take(btf::BYTES_MAX + 1).read_to_end(&mut bytes)? as u64;
    if len > btf::BYTES_MAX {
        return Err(io::Error::other(format!("larger than {} bytes", btf::BYTES_MAX)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_kernel() {
        let layout = match Layout::of_running_kernel() {
            Err(error @ (KernelError::NoBtf { .. } | KernelError::BtfRead { .. })) => {
                eprintln!("SKIPPED: {error}");
                return;
            }
            layout => layout.unwrap(),
        };
        let core = [Offset::FileInode, Offset::InodeNumber, Offset::SuperBlockDevice];
        assert_eq!(layout.missing(&core), None);
        assert!(layout.has_function("vfs_write"));
        let unknown = Layout { offsets: [ABSENT; OFFSETS], ..layout };
        assert_eq!(unknown.missing(&core).as_deref(), Some("file.f_inode"));
        assert_eq!(unknown.missing(&[Offset::UpidBytes]).as_deref(), Some("upid"));
    }
}
