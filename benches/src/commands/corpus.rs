use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use sluice_bench::load::corpus::{corpus, corpus_numbered};

#[derive(Args)]
pub(crate) struct Arguments {
    path: PathBuf,
    /// 10^6 bytes.
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Numbers the lines of this source, so that the delivery can be verified.
    #[arg(long)]
    source: Option<String>,
    /// Where the ledger goes; needs --source.
    #[arg(long, requires = "source")]
    ledger: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let began = Instant::now();
    let bytes = arguments.megabytes * 1_000_000;
    let made = if let Some(source) = &arguments.source {
        let (made, ledger) = corpus_numbered(&arguments.path, bytes, arguments.seed, source)?;
        if let Some(path) = &arguments.ledger {
            ledger.save(path)?;
        }
        made
    } else {
        corpus(&arguments.path, bytes, arguments.seed)?
    };
    println!(
        "{} bytes, {} lines, {:.1} bytes a line, {:.0} MB/s",
        made.bytes,
        made.lines,
        made.bytes as f64 / made.lines as f64,
        made.bytes as f64 / 1e6 / began.elapsed().as_secs_f64(),
    );
    Ok(())
}
