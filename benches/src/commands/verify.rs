use std::path::PathBuf;

use clap::Args;
use sluice_bench::load::Ledger;
use sluice_bench::verify::{compare, from_url};

#[derive(Args)]
pub(crate) struct Arguments {
    /// `http://[user:password@]host:port` of an Elasticsearch, an OpenSearch or a stand-in.
    #[arg(long)]
    url: String,
    /// Names or patterns, with commas between.
    #[arg(long, default_value = "sluice-*")]
    indices: String,
    /// One for each writer.
    #[arg(long, required = true)]
    ledger: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut ledger = Ledger::default();
    for path in &arguments.ledger {
        ledger.merge(&Ledger::load(path)?);
    }
    let summary = compare(&ledger, &from_url(&arguments.url, &arguments.indices)?);
    print!("{summary}");
    if !summary.is_clean() {
        std::process::exit(1);
    }
    Ok(())
}
