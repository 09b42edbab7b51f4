//! Writers × file systems, by inotify; what no other rung is needed for.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use rustix::system::uname;
use sluice_vm::contract::{PLACES, Place, RESULT};
use sluice_vm::inotify::{self, Inotify};
use sluice_vm::table::Table;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("writers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let places = env::var(PLACES).with_context(|| {
        format!("{PLACES} is not set; `cargo xtask vm` sets it, also with `--kernel native`")
    })?;
    let places: Vec<Place> = serde_json::from_str(&places).context(PLACES)?;
    let mut inotify = Inotify::new().context("no inotify")?;
    let table = Table::fill(&mut inotify, &places)?;
    print!("{}", table.to_text());
    if let Some(result) = env::var_os(RESULT).map(PathBuf::from) {
        fs::write(&result, serde_json::to_vec(&table)?)
            .with_context(|| format!("cannot write {}", result.display()))?;
    }
    let release = uname().release().to_string_lossy().into_owned();
    let kernel = numbers(&release).with_context(|| format!("strange release {release}"))?;
    let surprises = table.surprises(|writer, place| inotify::expect(kernel, writer, place));
    for surprise in &surprises {
        eprintln!("writers: {surprise}");
    }
    Ok(if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Of `6.12.117+deb13-amd64` the first two.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_two_numbers() {
        assert_eq!(numbers("6.12.117+deb13-amd64"), Some((6, 12)));
        assert_eq!(numbers("7.3-rc1"), Some((7, 3)));
        assert_eq!(numbers("linux"), None);
    }
}
