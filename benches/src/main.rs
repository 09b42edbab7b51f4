//! `sluice-bench`: load, stand-in, limit program and verifier as one command.

#![forbid(unsafe_code)]

mod commands;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about = "Load, a strict Elasticsearch stand-in, the limit program, a verifier")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the Elasticsearch stand-in until SIGTERM; prints `ready URL` first, counts last.
    Standin(commands::standin::Arguments),
    /// Writes numbered lines to standard output, a file, or a container's json-file log.
    Write(commands::write::Arguments),
    /// Makes a large json-file log for measurements.
    Corpus(commands::corpus::Arguments),
    /// Makes bodies of bulk requests to measure codecs on.
    Bodies(commands::bodies::Arguments),
    /// Ships one log as fast as one core can, with no promises; prints its cost as JSON.
    Limit(commands::limit::Arguments),
    /// Reads all documents back from a server and compares them with ledgers.
    Verify(commands::verify::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Standin(arguments) => commands::standin::run(&arguments),
        Command::Write(arguments) => commands::write::run(&arguments),
        Command::Corpus(arguments) => commands::corpus::run(&arguments),
        Command::Bodies(arguments) => commands::bodies::run(&arguments),
        Command::Limit(arguments) => commands::limit::run(arguments),
        Command::Verify(arguments) => commands::verify::run(&arguments),
    }
}
