//! `cargo xtask test`: set-up, every suite that this machine can run, a table.
//!
//! A suite is one row of [`table::SUITES`]; what it needs is checked (and with `--all` brought
//! about) before anything is built, and what is left out is named together with what would enable it.

mod build;
mod need;
mod outcome;
mod run;
mod setup;
mod table;

use std::process::ExitCode;

use anyhow::{Result, bail};

use self::need::Missing;
use self::outcome::{Outcome, Verdict};
use self::table::{SUITES, Suite};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Install what is missing (apt-get, as root), and check formatting and lints too: what CI runs
    #[arg(long, visible_alias = "ci")]
    all: bool,
    /// Only these suites
    #[arg(long, value_delimiter = ',', value_name = "SUITE,…")]
    only: Vec<String>,
    /// Name the suites, with what keeps any from running here, and run none
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    std::env::set_current_dir(crate::workspace::root())?;
    let chosen = choose(arguments)?;
    if arguments.list {
        list(&chosen);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.all {
        setup::install(&chosen)?;
    }
    let mut outcomes = Vec::new();
    let mut able = Vec::new();
    for suite in chosen {
        match need::missing(suite) {
            None => able.push(suite),
            Some(missing) => outcomes.push(Outcome::left_out(suite, missing)),
        }
    }
    let mut prepared = setup::prepare(&able, &mut outcomes);
    able.retain(|suite| !outcomes.iter().any(|outcome| outcome.suite.name == suite.name));
    let built = build::build(&able, &mut outcomes)?;
    able.retain(|suite| !outcomes.iter().any(|outcome| outcome.suite.name == suite.name));
    for suite in able {
        outcomes.push(run::run(suite, &built, &mut prepared));
    }
    outcome::report(&outcomes, built.minutes);
    let failed = outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Failed(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn choose(arguments: &Arguments) -> Result<Vec<&'static Suite>> {
    for name in &arguments.only {
        if !SUITES.iter().any(|suite| suite.name == name) {
            let known: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
            bail!("no suite {name}; there are {}", known.join(", "));
        }
    }
    let named = |suite: &Suite| arguments.only.iter().any(|name| name == suite.name);
    Ok(SUITES
        .iter()
        .filter(|suite| {
            if arguments.only.is_empty() { arguments.all || !suite.only_ci } else { named(suite) }
        })
        .collect())
}

fn list(chosen: &[&'static Suite]) {
    for suite in chosen {
        println!("{:<9} {:>3} min  {}", suite.name, suite.minutes, suite.about);
        if let Some(Missing { what, way_out }) = need::missing(suite) {
            println!("{:<18} not here: {what}; {way_out}", "");
        }
    }
}
