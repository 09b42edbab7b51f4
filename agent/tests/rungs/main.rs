//! The rungs of the ladder on the kernel that runs here: which can be had and why not the others,
//! which kind of write each hears on which file system, and what must be refused.
//!
//! `cargo xtask vm --test sluice:rungs` runs it on the kernels of the matrix, each in a machine,
//! and on this one; elsewhere it has no file systems to try, and says so.

#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test says what it does in the plainest way, and has no harness that allows it"
)]

mod executed;
mod hearing;
mod ladder;
mod machine;
mod refused;
mod runs;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use sluice::kernel::{Settings, Variant, probe};
use sluice_vm::contract::{PLACES, Place, RESULT};
use sluice_vm::inotify::{self, Inotify};
use sluice_vm::table::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let Some(which) = arguments.iter().find_map(|word| word.strip_prefix("--refused=")) {
        return refused::child(which);
    }
    let (executed, mut faults) = executed::table();
    println!("executed instructions of a write");
    for executed::Row { program, path, instructions, helpers } in &executed {
        println!("{program:<30}{path:<28}{instructions:>4}, {helpers} helpers among them");
    }
    let Ok(places) = env::var(PLACES) else {
        faults.iter().for_each(|fault| eprintln!("rungs: {fault}"));
        println!("SKIPPED: rungs: {PLACES} is not set; `cargo xtask vm --test sluice:rungs`");
        return if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let places: Vec<Place> = serde_json::from_str(&places).unwrap();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let kernel = numbers(&release);

    let mut tables = Vec::new();
    let mut rungs = Vec::new();
    let mut counted = Vec::new();
    let mut verdicts = Vec::new();
    for highest in [Variant::Fexit, Variant::Kprobe, Variant::Tracepoint] {
        let settings = Settings { highest, prove_in: proving(&places), ..Settings::default() };
        let report = match probe(&settings) {
            Ok(report) => report,
            Err(error) => {
                faults.push(format!("{}: no kernel watcher at all: {error}", highest.as_str()));
                continue;
            }
        };
        println!("\n{} and what is below it", highest.as_str());
        for verdict in &report.verdicts {
            println!("{verdict}");
            verdicts.push(json!({"tried": highest.as_str(), "verdict": verdict.to_string()}));
        }
        if highest == Variant::Tracepoint {
            faults.extend(hearing::unexplained(kernel, &report.verdicts));
        }
        for (program, verified) in &report.verified {
            let verified = verified.map_or("not told".into(), |count| count.to_string());
            rungs.push(json!({
                "tried": highest.as_str(), "program": program, "verified": verified,
            }));
        }
        match hearing::table(highest, &settings, &places) {
            Ok(table) => {
                print!("\n{}", table.to_text());
                faults
                    .extend(table.surprises(|writer, place| {
                        hearing::expect(kernel, highest, writer, place)
                    }));
                tables.push(table);
            }
            Err(why) => println!("\n{}: {why}", highest.as_str()),
        }
        match runs::table(highest, &settings, &places) {
            Ok((rows, wrong)) => {
                println!("\n{}: runs of programs, and what they took", highest.as_str());
                for row @ runs::Row { deed, runs, took_ns } in &rows {
                    println!("{deed:<30}{runs:>8.2}{took_ns:>10.0} ns");
                    counted.push(row.record(highest));
                }
                faults.extend(wrong);
            }
            Err(why) => println!("\n{}: no runs counted: {why}", highest.as_str()),
        }
    }
    let table = Table::fill(&mut Inotify::new().unwrap(), &places).unwrap();
    print!("\n{}", table.to_text());
    faults.extend(table.surprises(|writer, place| inotify::expect(kernel, writer, place)));
    tables.push(table);

    println!("\nverified instructions");
    for rung in &rungs {
        let text = |key: &str| rung[key].as_str().unwrap().to_owned();
        println!("{:<12}{:<34}{:>10}", text("tried"), text("program"), text("verified"));
    }

    println!("\nladder");
    let (lines, wrong) = ladder::on_each(&places);
    lines.iter().for_each(|line| println!("{line}"));
    faults.extend(wrong);

    println!("\nrefused");
    let (lines, wrong) = refused::all(kernel);
    lines.iter().for_each(|line| println!("{line}"));
    faults.extend(wrong);

    if let Some(result) = env::var_os(RESULT).map(PathBuf::from) {
        let executed: Vec<_> = executed.iter().map(executed::Row::record).collect();
        let record = json!({
            "tables": tables, "programs": rungs, "executed": executed, "runs": counted,
            "verdicts": verdicts, "refused": lines,
        });
        std::fs::write(result, record.to_string()).unwrap();
    }
    for fault in &faults {
        eprintln!("rungs: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// ext4 stands for the state directory's file system.
fn proving(places: &[Place]) -> Option<PathBuf> {
    let ext4 = places.iter().find(|place| place.name == "ext4")?;
    ext4.path.as_ref().ok().cloned()
}

/// Of `6.12.117+deb13-amd64` the first two.
fn numbers(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    (next(), next())
}
