use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use sluice_bench::load::{
    Clock, ContainerDir, ContainerSpec, JsonFileWriter, Kind, Ledger, LineSource, Stream,
};

/// Between two looks at the clock: at a rate, so many lines as are due are written at once.
const TICK: Duration = Duration::from_millis(5);
/// Lines between two looks at the clock without a rate.
const LINES_PER_LOOK: u64 = 256;
/// Between two savings of the ledger.
const LEDGER_INTERVAL: Duration = Duration::from_millis(200);

/// Needs neither network nor configuration, so that it can be a container's only process. For
/// that it is linked statically: `RUSTFLAGS="-C target-feature=+crt-static"` with a target given.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Name of the source in each line; one word.
    #[arg(long, default_value = "load")]
    source: String,
    /// access, java, stack, json, multi-byte, binary, long, mixed.
    #[arg(long, default_value = "mixed")]
    kind: Kind,
    /// Lines a second; 0 is as fast as it can.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Ends after so many lines; 0 is never.
    #[arg(long, default_value_t = 0)]
    lines: u64,
    /// Ends after so many seconds; 0 is never.
    #[arg(long, default_value_t = 0.0)]
    seconds: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to keep the ledger, some times a second and at the end.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Appends plain lines to this file instead of standard output.
    #[arg(long, conflicts_with = "data_root")]
    file: Option<PathBuf>,
    /// Makes a container's directory below this data root, as dockerd has it, and writes its log.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Of the container that is made.
    #[arg(long, default_value = "load")]
    name: String,
    /// `KEY=value` of the json-file driver, such as max-size=10m.
    #[arg(long)]
    log_opt: Vec<String>,
    /// `KEY=value`
    #[arg(long)]
    label: Vec<String>,
    /// `KEY=value`
    #[arg(long)]
    env: Vec<String>,
}

enum Output {
    Plain(Box<dyn Write>),
    Container(Box<JsonFileWriter>),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (is_stopping, _) = super::stop_signal()?;
    let mut output = open(arguments)?;
    let mut source = LineSource::new(&arguments.source, arguments.kind, arguments.seed);
    let began = Instant::now();
    let mut saved = began;
    let mut block = Vec::new();
    let outcome = loop {
        let elapsed = began.elapsed();
        let is_over = arguments.seconds > 0.0 && elapsed.as_secs_f64() >= arguments.seconds;
        if is_over || is_stopping.load(Ordering::Relaxed) {
            break Ok(());
        }
        let written = source.written().lines;
        let mut due = if arguments.rate > 0.0 {
            ((elapsed.as_secs_f64() * arguments.rate) as u64).saturating_sub(written)
        } else {
            LINES_PER_LOOK
        };
        if arguments.lines > 0 {
            due = due.min(arguments.lines - written);
        }
        let outcome = write_lines(&mut output, &mut source, due, &mut block);
        if outcome.is_err() || source.written().lines == arguments.lines && arguments.lines > 0 {
            break outcome;
        }
        if saved.elapsed() >= LEDGER_INTERVAL {
            save(arguments, &source)?;
            saved = Instant::now();
        }
        if arguments.rate > 0.0 {
            std::thread::sleep(TICK);
        }
    };
    save(arguments, &source)?;
    match outcome {
        // The reader is gone, which ends a writer without blame.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        outcome => outcome,
    }
}

fn open(arguments: &Arguments) -> anyhow::Result<Output> {
    if let Some(root) = &arguments.data_root {
        let mut spec = ContainerSpec::new(&arguments.name);
        for pair in &arguments.log_opt {
            let (key, value) = pair.split_once('=').context("--log-opt is KEY=value")?;
            spec = spec.log_option(key, value);
        }
        for pair in &arguments.label {
            let (key, value) = pair.split_once('=').context("--label is KEY=value")?;
            spec = spec.label(key, value);
        }
        spec.env.extend(arguments.env.iter().cloned());
        let container = ContainerDir::create(root, spec)?;
        eprintln!("{}", container.path().display());
        return Ok(Output::Container(Box::new(container.writer(Clock::System)?)));
    }
    if let Some(path) = &arguments.file {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .with_context(|| format!("opening {}", path.display()))?;
        return Ok(Output::Plain(Box::new(file)));
    }
    Ok(Output::Plain(Box::new(std::io::stdout())))
}

fn write_lines(
    output: &mut Output,
    source: &mut LineSource,
    lines: u64,
    block: &mut Vec<u8>,
) -> anyhow::Result<()> {
    match output {
        Output::Container(writer) => {
            for _ in 0..lines {
                writer.write_line(Stream::Stdout, source.next_line())?;
            }
            Ok(())
        }
        Output::Plain(plain) => {
            block.clear();
            for _ in 0..lines {
                block.extend_from_slice(source.next_line());
                block.push(b'\n');
            }
            plain.write_all(block)?;
            Ok(plain.flush()?)
        }
    }
}

fn save(arguments: &Arguments, source: &LineSource) -> anyhow::Result<()> {
    let Some(path) = &arguments.ledger else { return Ok(()) };
    let mut ledger = Ledger::default();
    ledger.set(source.name(), source.written());
    ledger.save(path)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
