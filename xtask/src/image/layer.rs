//! A file system as a tar.

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

/// Everything belongs to root and is of 1970, so that the same files make the same layer.
pub(super) struct Layer(Builder<Vec<u8>>);

impl Default for Layer {
    fn default() -> Self {
        Self(Builder::new(Vec::new()))
    }
}

impl Layer {
    /// Each directory stands before what is in it. Paths are relative.
    pub(super) fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        let mut header = header(EntryType::Directory, mode, 0);
        self.0.append_data(&mut header, format!("{path}/"), &[][..]).context(path.to_owned())
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let mut header = header(EntryType::Regular, mode, content.len() as u64);
        self.0.append_data(&mut header, path, content).context(path.to_owned())
    }

    pub(super) fn link(&mut self, path: &str, to: &str) -> Result<()> {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.0.append_link(&mut header, path, to).context(path.to_owned())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>> {
        self.0.into_inner().context("cannot end the archive")
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
