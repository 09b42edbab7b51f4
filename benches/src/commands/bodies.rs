//! Makes bodies to measure codecs on.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use sluice_bench::load::body::Content;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Gets a file for each
    directory: PathBuf,
    /// All unless given
    #[arg(long)]
    content: Vec<Content>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = &arguments.directory;
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let contents = match &arguments.content[..] {
        [] => &Content::ALL[..],
        named => named,
    };
    for content in contents {
        let body = content.body();
        let check_sum = crc32fast::hash(&body);
        let path = directory.join(format!("{}.ndjson", content.name()));
        fs::write(&path, &body).with_context(|| format!("writing {}", path.display()))?;
        println!("{}: {} bytes, crc32 {check_sum:08x}", path.display(), body.len());
        ensure!(check_sum == content.check_sum(), "{} is not what it was", content.name());
    }
    Ok(())
}
