use std::path::PathBuf;

use clap::Args;
use sluice_bench::limit::{Codec, LimitConfig, Origin, run as run_limit};

#[derive(Args)]
pub(crate) struct Arguments {
    /// A json-file log.
    file: PathBuf,
    /// `http://host:port`
    #[arg(long)]
    url: String,
    /// gzip, gzip-1 to gzip-9, or stored.
    #[arg(long, default_value = "gzip")]
    codec: Codec,
    #[arg(long, default_value_t = 256)]
    block_kib: usize,
    #[arg(long, default_value_t = 4096)]
    body_kib: usize,
    #[arg(long, default_value = "/_bulk?filter_path=errors,items.*.error")]
    path: String,
    #[arg(long, default_value = "sluice")]
    index: String,
    /// 64 hex digits; the id's prefix is made of it unless given.
    #[arg(long, default_value = "")]
    container_id: String,
    #[arg(long, default_value = "web")]
    container_name: String,
    #[arg(long, default_value = "nginx:1.29")]
    image: String,
    #[arg(long, default_value = "node-1")]
    host: String,
    /// 16 characters.
    #[arg(long)]
    id_prefix: Option<String>,
    /// The constant end of each document, from `,"file":` on, instead of the one that is built
    /// from the flags above.
    #[arg(long)]
    tail: Option<String>,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut config = LimitConfig::new(arguments.file, &arguments.url);
    if !arguments.container_id.is_empty() {
        config.origin = Origin::of_container(
            &config.file.display().to_string(),
            &arguments.container_id,
            &arguments.container_name,
            &arguments.image,
            &arguments.host,
        );
    }
    config.origin.index = arguments.index;
    if let Some(prefix) = arguments.id_prefix {
        config.origin.id_prefix = prefix;
    }
    if let Some(tail) = arguments.tail {
        config.origin.tail = tail;
    }
    config.codec = arguments.codec;
    config.block_bytes = arguments.block_kib * 1024;
    config.body_bytes = arguments.body_kib * 1024;
    config.path = arguments.path;
    let report = run_limit(&config)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
