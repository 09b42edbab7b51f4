//! Measures codecs on bodies: files of bulk requests as `sluice-bench bodies` makes them, or any
//! other file.
//!
//! All take turns chunk by chunk in one pinned thread, by its processor time, and every output of
//! the round before the first is decoded by two inflaters. Progress goes to standard error, the
//! report as JSON to standard output. `cargo xtask bench codec` runs it and shows what it found.

mod body;
mod codec;
mod measure;
mod ours;
mod rival;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;

use body::Body;
use measure::Figure;

#[derive(Parser)]
#[command(about = "Codecs against each other on bodies of log documents")]
struct Arguments {
    /// Bodies; their names are those of the files
    #[arg(required = true)]
    bodies: Vec<PathBuf>,
    /// KiB; may be repeated
    #[arg(long, default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    chunk: Vec<u32>,
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Only those whose names begin so; may be repeated
    #[arg(long)]
    codec: Vec<String>,
    /// The processor to stay on
    #[arg(long, default_value_t = 0)]
    core: usize,
}

#[derive(Serialize)]
struct Report {
    figures: Vec<Figure>,
    /// Rivals that this machine does not have, and why.
    missing: Vec<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    measure::pin(arguments.core);
    let (mut codecs, missing) = codec::all();
    if !arguments.codec.is_empty() {
        codecs.retain(|codec| arguments.codec.iter().any(|begin| codec.name.starts_with(begin)));
    }
    let mut figures = Vec::new();
    for path in &arguments.bodies {
        let body = Body::read(path)?;
        for &kib in &arguments.chunk {
            eprintln!("{}, chunks of {kib} KiB", body.name);
            figures.extend(
                measure::run(&body, kib, arguments.rounds, &mut codecs)
                    .with_context(|| format!("{}, chunks of {kib} KiB", body.name))?,
            );
        }
    }
    serde_json::to_writer(std::io::stdout().lock(), &Report { figures, missing })?;
    Ok(())
}
