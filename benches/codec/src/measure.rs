//! The loop: all codecs chunk by chunk in turn, so that a slow moment of the machine falls on all.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::body::Body;
use crate::codec::Codec;

/// One codec on one body in chunks of one size.
#[derive(Serialize)]
pub(crate) struct Figure {
    body: String,
    chunk_kib: u32,
    codec: &'static str,
    body_bytes: usize,
    documents: usize,
    compressed_bytes: usize,
    /// Of each round.
    nanoseconds: Vec<u64>,
}

/// To one processor, if the machine has it: caches stay warm.
pub(crate) fn pin(core: usize) {
    let mut set = CpuSet::new();
    if core < CpuSet::MAX_CPU {
        set.set(core);
    }
    if let Err(error) = sched_setaffinity(None, &set) {
        eprintln!("not pinned to processor {core}: {error}");
    }
}

pub(crate) fn run(
    body: &Body,
    chunk_kib: u32,
    rounds: u32,
    codecs: &mut [Codec],
) -> Result<Vec<Figure>> {
    let chunks = body.chunks((chunk_kib as usize) << 10);
    let mut figures: Vec<_> = codecs
        .iter()
        .map(|codec| Figure {
            body: body.name.clone(),
            chunk_kib,
            codec: codec.name,
            body_bytes: body.bytes.len(),
            documents: body.documents,
            compressed_bytes: 0,
            nanoseconds: vec![0; rounds as usize],
        })
        .collect();
    let mut member = Vec::new();
    // The first round warms up and is checked.
    for round in 0..=rounds as usize {
        for chunk in &chunks {
            for (codec, figure) in codecs.iter_mut().zip(&mut figures) {
                let begin = thread_nanoseconds();
                (codec.compress)(chunk.bytes, &chunk.repeats, &mut member);
                let took = thread_nanoseconds() - begin;
                if let Some(round) = round.checked_sub(1) {
                    figure.nanoseconds[round] += took;
                } else {
                    figure.compressed_bytes += member.len();
                    check(chunk.bytes, &member).context(codec.name)?;
                }
            }
        }
    }
    Ok(figures)
}

fn thread_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// By two inflaters of different authors; the first reads header and check sum too.
fn check(body: &[u8], member: &[u8]) -> Result<()> {
    let mut plain = Vec::with_capacity(body.len());
    flate2::read::GzDecoder::new(member).read_to_end(&mut plain).context("zlib-rs refuses it")?;
    ensure!(plain == body, "zlib-rs reads something else");
    let blocks = member.get(10..).context("no header")?;
    let plain = miniz_oxide::inflate::decompress_to_vec_with_limit(blocks, body.len())
        .map_err(|error| anyhow::anyhow!("miniz_oxide refuses it: {error}"))?;
    ensure!(plain == body, "miniz_oxide reads something else");
    Ok(())
}
