//! The `sluice` binary: reads the command line, does what it says, and ends with a code that a
//! script can act on.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

/// Documents and batches come and go on several threads; the system's allocators keep more of
/// their memory, and musl's is several times slower at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::report_panics();
    match cli::parse(std::env::args_os()).and_then(|verb| cli::execute(&verb)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
