//! The stand-in as a process of its own, so that its cost is nobody else's.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::agent::Agent;
use crate::process::{Running, tethered};
use crate::usage::Usage;
use crate::workspace::release_binary;

/// Between two reports of the stand-in, and between two looks at the agent: what an agent uses in
/// that time after its last document counts against it.
const TICK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(5);

/// What it reports of itself.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Counts {
    pub(super) documents: u64,
    pub(super) wire_bytes: u64,
    pub(super) inflated_bytes: u64,
}

pub(super) struct Sink {
    pub(super) url: String,
    counts: Arc<Mutex<Counts>>,
    _running: Running,
    /// Open until it has ended, as it prints a last report.
    _output: BufReader<ChildStdout>,
}

impl Sink {
    pub(super) fn start() -> Result<Self> {
        let mut command = tethered(release_binary("sluice-bench"));
        command.args(["standin", "--keep", "counts", "--every", &TICK.as_secs_f64().to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start("the stand-in", &mut command, PATIENCE)?;
        let output = running.child().stdout.take().context("standard output is piped")?;
        let reports = running.child().stderr.take().context("standard error is piped")?;
        let counts = Arc::new(Mutex::new(Counts::default()));
        let shared = Arc::clone(&counts);
        // Ends with the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(reports).lines().map_while(Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(now) => *shared.lock().unwrap_or_else(PoisonError::into_inner) = now,
                    Err(_) => eprintln!("stand-in: {line}"),
                }
            }
        });
        let mut line = String::new();
        let mut output = BufReader::new(output);
        output.read_line(&mut line).context("cannot read the ready line")?;
        let url = line.trim().strip_prefix("ready ").context("the stand-in did not start")?;
        Ok(Self { url: url.to_owned(), counts, _running: running, _output: output })
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `agent` has used when so many documents have arrived.
    pub(super) fn await_documents(
        &self,
        documents: u64,
        agent: &mut Agent,
        limit: Duration,
    ) -> Result<Usage> {
        let start = Instant::now();
        loop {
            let usage = agent.usage()?;
            let arrived = self.counts().documents;
            if arrived >= documents {
                return Ok(usage);
            }
            if start.elapsed() > limit {
                bail!("only {arrived} of {documents} documents arrived in {} s", limit.as_secs());
            }
            std::thread::sleep(TICK);
        }
    }

    /// An error if more or less arrived than that.
    pub(super) fn expect(&self, documents: u64) -> Result<()> {
        let arrived = self.counts().documents;
        if arrived != documents {
            bail!("{arrived} documents arrived for {documents} lines");
        }
        Ok(())
    }
}
