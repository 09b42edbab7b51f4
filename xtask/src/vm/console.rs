//! What a machine says, shown as it comes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use anyhow::{Context, Result};

/// A longer line is shown in pieces.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// The kernel's last words.
const PANIC: &str = "Kernel panic";

/// A process that outlives its machine (natively one may) does not hold us by its output.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads until the last process that has the other end is gone.
pub(super) struct Console {
    panic: Receiver<String>,
}

impl Console {
    /// Gives the standard output and standard error for the process too.
    pub(super) fn open(name: &str, aside: bool, keep: &Path) -> Result<(Self, Stdio, Stdio)> {
        let (output, input) = io::pipe().context("no pipe")?;
        let second = input.try_clone().context("no pipe")?;
        let kept = File::create(keep).with_context(|| format!("cannot make {}", keep.display()))?;
        let prefix = format!("{name:<9} | ");
        let (sender, panic) = mpsc::channel();
        std::thread::spawn(move || show(output, &prefix, aside, kept, &sender));
        Ok((Self { panic }, input.into(), second.into()))
    }

    /// The line in which the kernel gave up, if it did.
    pub(super) fn panicked(self) -> Option<String> {
        self.panic.recv_timeout(PATIENCE).ok()
    }
}

fn show(output: PipeReader, prefix: &str, aside: bool, mut kept: File, panic: &Sender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut output).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        // What cannot be shown or kept must not stop the machine, which would wait for its port.
        let _ = kept.write_all(&line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        let _ = if aside {
            writeln!(io::stderr(), "{prefix}{text}")
        } else {
            writeln!(io::stdout(), "{prefix}{text}")
        };
        if let Some(start) = text.find(PANIC) {
            // Nobody listens any more, or it is the second: both are fine.
            let _ = panic.send(text[start..].to_owned());
        }
    }
}
