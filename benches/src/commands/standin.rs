use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use rustix::time::{ClockId, clock_gettime};
use sluice_bench::load::Ledger;
use sluice_bench::standin::{
    Auth, Keep, MAX_CONTENT_LENGTH_DEFAULT, Standin, StandinConfig, Version,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Such as elasticsearch-8, opensearch-2.19.6, 7.17.29.
    #[arg(long, default_value = "elasticsearch-8")]
    version: Version,
    /// What to keep of the documents, and so what memory it takes.
    #[arg(long, value_enum, default_value_t = KeepName::Documents)]
    keep: KeepName,
    /// Inflated bytes of a body.
    #[arg(long, default_value_t = MAX_CONTENT_LENGTH_DEFAULT)]
    max_content_length: usize,
    /// Requests must come with these, as `user:password`.
    #[arg(long)]
    basic: Option<String>,
    /// Prints the counts to standard error this often, in seconds.
    #[arg(long)]
    every: Option<f64>,
    /// Compares with this ledger at the end; exit code 1 if it does not fit.
    #[arg(long)]
    ledger: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeepName {
    Documents,
    Ids,
    Counts,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (_, stop) = super::stop_signal()?;
    let auth = match arguments.basic.as_deref() {
        None => None,
        Some(pair) => {
            let (user, password) = pair.split_once(':').context("--basic is user:password")?;
            Some(Auth::new().basic(user, password))
        }
    };
    let standin = Standin::start(StandinConfig {
        port: arguments.port,
        version: arguments.version,
        keep: match arguments.keep {
            KeepName::Documents => Keep::Documents,
            KeepName::Ids => Keep::Ids,
            KeepName::Counts => Keep::Counts,
        },
        max_content_length: arguments.max_content_length,
        tls: None,
        auth,
    })?;
    println!("ready {}", standin.url());
    let every = arguments.every.map_or(Duration::from_secs(3600), Duration::from_secs_f64);
    while stop.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        if arguments.every.is_some() {
            eprintln!("{}", serde_json::to_string(&standin.snapshot())?);
        }
    }
    let mut counts = serde_json::to_value(standin.snapshot())?;
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    counts["cpu_seconds"] = (cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9).into();
    println!("{counts}");
    if !arguments.ledger.is_empty() {
        let mut ledger = Ledger::default();
        for path in &arguments.ledger {
            ledger.merge(&Ledger::load(path)?);
        }
        let summary = standin.verify(&ledger);
        eprint!("{summary}");
        if !summary.is_clean() {
            std::process::exit(1);
        }
    }
    Ok(())
}
