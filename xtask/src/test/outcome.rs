//! What became of a suite, and the closing table.

use std::io::IsTerminal;
use std::time::Instant;

use super::need::Missing;
use super::table::Suite;

pub(super) enum Verdict {
    Passed,
    Failed(String),
    LeftOut(Missing),
}

pub(super) struct Outcome {
    pub(super) suite: &'static Suite,
    pub(super) verdict: Verdict,
    minutes: f64,
}

impl Outcome {
    pub(super) fn new(suite: &'static Suite, start: Instant, verdict: Verdict) -> Self {
        if let Verdict::Failed(reason) = &verdict {
            // Where it happens too: the table may be far away.
            eprintln!("xtask: {}: {reason}", suite.name);
        }
        Self { suite, verdict, minutes: minutes(start) }
    }

    pub(super) fn left_out(suite: &'static Suite, missing: Missing) -> Self {
        Self { suite, verdict: Verdict::LeftOut(missing), minutes: 0.0 }
    }
}

pub(super) fn minutes(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() / 60.0
}

/// Prints the table to standard output; `building` is not any suite's own time.
pub(super) fn report(outcomes: &[Outcome], building: f64) {
    let colour = std::io::stdout().is_terminal();
    println!("\n{:<10}{:<10}{:>7}", "suite", "result", "minutes");
    println!("{:<10}{:<10}{building:>7.1}", "(build)", "");
    for Outcome { suite, verdict, minutes } in outcomes {
        let (word, code) = match verdict {
            Verdict::Passed => ("passed", 32),
            Verdict::Failed(_) => ("FAILED", 31),
            Verdict::LeftOut(_) => ("left out", 33),
        };
        // Padded before it is painted: the codes have no width.
        let word = format!("{word:<10}");
        let word = if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word };
        match verdict {
            Verdict::LeftOut(_) => println!("{:<10}{word}{:>7}", suite.name, "-"),
            _ => println!("{:<10}{word}{minutes:>7.1}", suite.name),
        }
    }
    let total = building + outcomes.iter().map(|outcome| outcome.minutes).sum::<f64>();
    println!("{:<10}{:<10}{total:>7.1}", "total", "");
    for Outcome { suite, verdict, .. } in outcomes {
        match verdict {
            Verdict::Passed => {}
            Verdict::Failed(reason) => println!("{}: {reason}", suite.name),
            Verdict::LeftOut(Missing { what, way_out }) => {
                println!("{} left out: {what}; {way_out}", suite.name);
            }
        }
    }
}
