//! The limit program: what one core can do if nothing is promised.
//!
//! takes: one json-file log
//! gives: the same bytes that the agent sends for it, to a bulk endpoint
//! owns: one buffer, one connection, one thread
//! never: keeps a position, follows a file, retries, or parses what it need not
//!
//! The agent's throughput is measured as a share of it.

mod pack;
mod read;
mod splice;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::http::Client;
use pack::Packer;
use read::Reader;
pub use splice::Origin;
use splice::Splicer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// zlib-rs at this level (1 to 9), one gzip member a body.
    Gzip { level: u32 },
    /// No compression: the body is sent as it is.
    Stored,
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stored" => Ok(Self::Stored),
            "gzip" => Ok(Self::Gzip { level: 1 }),
            _ => text
                .strip_prefix("gzip-")
                .and_then(|level| level.parse().ok())
                .filter(|level| (1..=9).contains(level))
                .map(|level| Self::Gzip { level })
                .ok_or_else(|| format!("unknown codec {text}; known are stored, gzip, gzip-1…9")),
        }
    }
}

#[derive(Clone, Debug)]
pub struct LimitConfig {
    pub file: PathBuf,
    /// `http://host:port`
    pub url: String,
    /// With its query.
    pub path: String,
    pub codec: Codec,
    /// Bytes that are compressed at a time, while they are in cache.
    pub block_bytes: usize,
    /// Inflated bytes of a body, about.
    pub body_bytes: usize,
    pub origin: Origin,
}

impl LimitConfig {
    pub fn new(file: impl Into<PathBuf>, url: &str) -> Self {
        let file = file.into();
        let origin = Origin::new(&file);
        Self {
            file,
            url: url.to_owned(),
            path: "/_bulk?filter_path=errors,items.*.error".to_owned(),
            codec: Codec::Gzip { level: 1 },
            block_bytes: 256 * 1024,
            body_bytes: 4 * 1024 * 1024,
            origin,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LimitReport {
    /// Bytes of the file.
    pub bytes_read: u64,
    pub lines: u64,
    /// Lines that were no canonical record, and were left out.
    pub skipped: u64,
    pub bodies: u64,
    /// Bytes of the bodies before compression.
    pub inflated_bytes: u64,
    /// Bytes of the bodies and their heads as sent.
    pub wire_bytes: u64,
    /// User and system time of the loop.
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
    /// 10^6 bytes of the file.
    pub megabytes_per_cpu_second: f64,
}

/// Reads the file once from its beginning to its end and sends every line.
pub fn run(config: &LimitConfig) -> anyhow::Result<LimitReport> {
    let began = Instant::now();
    let cpu_began = cpu_seconds();
    let mut reader = Reader::open(&config.file)?;
    let mut splicer = Splicer::new(&config.origin);
    let mut packer = Packer::new(config.codec);
    let mut sender = Sender::connect(config)?;
    let mut block = Vec::with_capacity(config.block_bytes + 128 * 1024);
    let mut report = LimitReport::default();
    let mut body_inflated = 0;
    while let Some(chunk) = reader.next()? {
        let mut offset = chunk.offset;
        let mut rest = chunk.lines;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if splicer.splice(line, offset, &mut block) {
                report.lines += 1;
            } else {
                report.skipped += 1;
            }
            offset += end as u64 + 1;
            if block.len() >= config.block_bytes {
                body_inflated += block.len();
                packer.add(&block)?;
                block.clear();
                if body_inflated >= config.body_bytes {
                    sender.send(&mut packer)?;
                    report.inflated_bytes += body_inflated as u64;
                    body_inflated = 0;
                }
            }
        }
        report.bytes_read = offset;
    }
    body_inflated += block.len();
    if body_inflated > 0 {
        packer.add(&block)?;
        sender.send(&mut packer)?;
        report.inflated_bytes += body_inflated as u64;
    }
    sender.settle()?;
    report.bodies = sender.bodies;
    report.wire_bytes = sender.wire_bytes;
    report.cpu_seconds = cpu_seconds() - cpu_began;
    report.wall_seconds = began.elapsed().as_secs_f64();
    report.megabytes_per_cpu_second = report.bytes_read as f64 / 1e6 / report.cpu_seconds;
    Ok(report)
}

/// The loop is one thread, so its time is that of the program without the start, also where the
/// library runs beside a stand-in in one process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// One request in flight, while the next one is built.
struct Sender<'a> {
    client: Client,
    config: &'a LimitConfig,
    /// Swapped with the packer's, so that no body is allocated anew.
    body: Vec<u8>,
    in_flight: usize,
    bodies: u64,
    wire_bytes: u64,
}

impl<'a> Sender<'a> {
    fn connect(config: &'a LimitConfig) -> anyhow::Result<Self> {
        let client = Client::connect(&config.url)?;
        Ok(Self { client, config, body: Vec::new(), in_flight: 0, bodies: 0, wire_bytes: 0 })
    }

    fn send(&mut self, packer: &mut Packer) -> anyhow::Result<()> {
        self.settle()?;
        packer.finish(&mut self.body)?;
        let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
        let headers = match self.config.codec {
            Codec::Gzip { .. } => &headers[..],
            Codec::Stored => &headers[..1],
        };
        let head = self.client.send("POST", &self.config.path, headers, &self.body)?;
        self.wire_bytes += (head + self.body.len()) as u64;
        self.bodies += 1;
        self.in_flight = 1;
        Ok(())
    }

    /// Takes the answer that is still to come, if any.
    fn settle(&mut self) -> anyhow::Result<()> {
        if self.in_flight == 0 {
            return Ok(());
        }
        self.in_flight = 0;
        let response = self.client.receive("POST").context("answer to a bulk request")?;
        ensure!(response.status == 200, "answered {}: {}", response.status, response.text());
        ensure!(
            !response.body.starts_with(b"{\"errors\":true"),
            "items failed: {}",
            response.text().chars().take(500).collect::<String>()
        );
        Ok(())
    }
}
