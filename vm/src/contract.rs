//! What xtask, init and the program under test agree on.
//!
//! Xtask puts a [`Plan`] into the machine, init carries it out, runs the program as root and writes
//! a report to the second serial port: bytes that no kernel message can get between. The program
//! sees [`PLACES`] and [`RESULT`] in its environment, writes what a machine shall read to the
//! latter, and says all else to standard output, which is the console.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Variable: the file systems to test on, as a JSON array of [`Place`].
pub const PLACES: &str = "SLUICE_VM_PLACES";

/// Variable: the file that the program leaves its result in; JSON, if it is to be shown.
pub const RESULT: &str = "SLUICE_VM_RESULT";

/// Where the plan lies in the machine.
pub const PLAN_PATH: &str = "/plan.json";

/// A program that leaves more has something wrong with it, and a serial port is slow.
pub const RESULT_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// In the order of loading.
    pub modules: Vec<PathBuf>,
    /// Each is made by xtask; file systems without a disk (tmpfs, overlay) are init's own.
    pub disks: Vec<Disk>,
    /// Where file systems are mounted; holds nothing else.
    pub mounts: PathBuf,
    /// Where the report goes.
    pub report: PathBuf,
    /// A file that nothing is at yet.
    pub result: PathBuf,
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Disk {
    /// As in `/proc/filesystems`; also the disk's serial number.
    pub file_system: String,
    /// The image, where it is mounted by loop and no disk of a machine.
    pub image: Option<PathBuf>,
}

/// A directory on a file system to test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub name: String,
    /// Where writers write; `Err` says why this file system is not there.
    pub path: Result<PathBuf, String>,
    /// Where the same files are followed, if elsewhere.
    pub follow: Option<PathBuf>,
}

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    /// Init could not start it.
    Refused(String),
}

/// What came back, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// As `uname -r`.
    pub release: Option<String>,
    pub result: Option<Vec<u8>>,
    pub end: Option<End>,
}

impl Report {
    pub fn write_release(out: &mut impl Write, release: &str) -> io::Result<()> {
        writeln!(out, "release {release}")
    }

    pub fn write_result(out: &mut impl Write, result: &[u8]) -> io::Result<()> {
        writeln!(out, "result {}", result.len())?;
        out.write_all(result)?;
        writeln!(out)
    }

    pub fn write_end(out: &mut impl Write, end: &End) -> io::Result<()> {
        match end {
            End::Exit(code) => writeln!(out, "exit {code}"),
            End::Signal(number) => writeln!(out, "signal {number}"),
            End::Refused(reason) => writeln!(out, "refused {}", reason.replace('\n', " ")),
        }
    }

    /// A machine may die in the middle of a report, so what is incomplete is left out.
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut report = Self::default();
        while let Some(length) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (String::from_utf8_lossy(&bytes[..length]), &bytes[length + 1..]);
            bytes = rest;
            let (key, value) = line.split_once(' ').unwrap_or((&line, ""));
            match (key, value.parse::<i32>()) {
                ("release", _) => report.release = Some(value.to_owned()),
                ("result", Ok(length)) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let Some(result) = bytes.get(..length) else { break };
                    report.result = Some(result.to_vec());
                    bytes = bytes.get(length + 1..).unwrap_or_default();
                }
                ("exit", Ok(code)) => report.end = Some(End::Exit(code)),
                ("signal", Ok(number)) => report.end = Some(End::Signal(number)),
                ("refused", _) => report.end = Some(End::Refused(value.to_owned())),
                _ => {}
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_was_written() {
        let result = b"{\"exit 7\":\n\"exit 9\"}\n";
        for end in [End::Exit(3), End::Signal(9), End::Refused("no /test".into())] {
            let mut bytes = Vec::new();
            Report::write_release(&mut bytes, "6.1.0").unwrap();
            Report::write_result(&mut bytes, result).unwrap();
            Report::write_end(&mut bytes, &end).unwrap();
            let expect = Report {
                release: Some("6.1.0".into()),
                result: Some(result.to_vec()),
                end: Some(end),
            };
            assert_eq!(Report::parse(&bytes), expect);
        }
    }

    #[test]
    fn a_report_that_was_cut_ends_where_it_was_cut() {
        let mut bytes = Vec::new();
        Report::write_release(&mut bytes, "6.1.0").unwrap();
        Report::write_result(&mut bytes, b"exit 0\nexit 0\n").unwrap();
        for length in 0..bytes.len() {
            assert_eq!(Report::parse(&bytes[..length]).end, None, "{length}");
        }
    }
}
