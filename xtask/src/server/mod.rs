//! Real Elasticsearch and `OpenSearch` from the jars of their releases.
//!
//! The servers are published as libraries too, so Maven, a JDK and the small launcher in `java/`
//! are enough: no image, no archive of a distribution. What is not on Maven Central is missing:
//! security and TLS (an `Authorization` header is ignored), lifecycle policies, ingest processors.
//! HTTP, bulk, mapping, templates, shards, thread pools, breakers and blocks are the real ones.
//!
//! Other processes use it by the lines on standard output, `ready http://127.0.0.1:PORT version X`
//! for each node, and by SIGTERM. After fetching, this process *becomes* the JVM, so a pid and
//! signals mean the server itself. With `--nodes N`, standard input takes `stop N` and `start N`.

mod fetch;
mod handle;
mod jdk;
mod launch;
mod release;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

pub(crate) use handle::Server;
pub(crate) use release::{Family, Release};

use crate::process::end_with_parent;
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    family: Family,
    /// Such as 8.19.21
    version: String,
    /// HTTP port on 127.0.0.1; 0 takes a free one, which the ready line names
    #[arg(long, default_value_t = 9200)]
    port: u16,
    /// Nodes of one cluster, on ports N, N+1, …; `stop N` and `start N` on standard input
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// Heap of the JVM
    #[arg(long, default_value = "512m")]
    heap: String,
    /// Keep the data here; otherwise it lies in a temporary directory that is removed at the end
    #[arg(long)]
    data: Option<PathBuf>,
    /// A setting of the server, as in elasticsearch.yml; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    settings: Vec<String>,
    /// Only fetch the jars and build the launcher
    #[arg(long)]
    fetch: bool,
    /// End, as by SIGTERM, when the thread that started this process is gone
    #[arg(long)]
    with_parent: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.with_parent {
        end_with_parent()?;
    }
    let release = Release::parse(arguments.family, &arguments.version)?;
    let jdk = jdk::find(&release)?;
    let home = fetch::home(&release, &jdk)?;
    if arguments.fetch {
        return Ok(ExitCode::SUCCESS);
    }
    launch::become_server(&release, &jdk, &home, arguments)
}

/// Where fetched servers lie.
fn cache() -> Result<PathBuf> {
    workspace::cache("servers")
}

fn key_value(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if key.starts_with("launch.") => {
            Err("launch.* is the launcher's own".into())
        }
        Some((key, _)) if !key.is_empty() => Ok(text.to_owned()),
        _ => Err("expected KEY=VALUE".into()),
    }
}
