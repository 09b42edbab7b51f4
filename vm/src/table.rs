//! Writers × file systems: which write is signalled where.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::contract::Place;
use crate::signal::Signal;
use crate::writers::{Files, WRITERS, Writer};

/// How long a signal may take. Every one so far is there before the write returns; this is for an
/// emulated processor on a busy machine, and is spent only where there is none.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize)]
pub struct Table {
    pub signal: String,
    pub places: Vec<Place>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    pub writer: &'static str,
    /// As many as there are places.
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    Signal,
    /// Written, and nothing was signalled: the sweep has to find it.
    Sweep,
    /// The file system does not take this kind of write.
    Refused(String),
    /// There is no such file system here.
    Absent,
}

impl Cell {
    /// As in the table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Sweep => "sweep",
            Self::Refused(_) => "refused",
            Self::Absent => "-",
        }
    }
}

impl Table {
    /// Makes every write on every place. Fails where something else than the write is at fault: the
    /// signal itself, or bytes that are not what was written.
    pub fn fill(signal: &mut dyn Signal, places: &[Place]) -> Result<Self> {
        let mut rows = Vec::new();
        for writer in WRITERS {
            let cells = places.iter().map(|place| {
                cell(signal, place, writer)
                    .with_context(|| format!("{} on {}", writer.name, place.name))
            });
            rows.push(Row { writer: writer.name, cells: cells.collect::<Result<_>>()? });
        }
        Ok(Self { signal: signal.name().to_owned(), places: places.to_vec(), rows })
    }

    /// Each cell that is not as `expect` has it for writer and place. What is refused or absent is
    /// not asked about, and where `expect` has nothing anything goes.
    pub fn surprises(&self, expect: impl Fn(&str, &str) -> Option<Cell>) -> Vec<String> {
        let mut surprises = Vec::new();
        for row in &self.rows {
            for (place, cell) in self.places.iter().zip(&row.cells) {
                if matches!(cell, Cell::Refused(_) | Cell::Absent) {
                    continue;
                }
                if let Some(expected) = expect(row.writer, &place.name)
                    && *cell != expected
                {
                    let (seen, expected) = (cell.word(), expected.word());
                    surprises.push(format!(
                        "{} on {}: {seen}, expected {expected}",
                        row.writer, place.name
                    ));
                }
            }
        }
        surprises
    }

    /// Aligned, with a line below for everything that a word in it leaves open.
    pub fn to_text(&self) -> String {
        let mut text = format!("{:<16}", self.signal);
        let mut notes = String::new();
        for place in &self.places {
            let _ = write!(text, "{:>9}", place.name);
            if let Err(reason) = &place.path {
                let _ = writeln!(notes, "{}: not here: {reason}", place.name);
            }
        }
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "{:<16}", row.writer);
            for (place, cell) in self.places.iter().zip(&row.cells) {
                let _ = write!(text, "{:>9}", cell.word());
                if let Cell::Refused(reason) = cell {
                    let _ = writeln!(notes, "{} on {}: refused: {reason}", row.writer, place.name);
                }
            }
            text.push('\n');
        }
        text + &notes
    }
}

fn cell(signal: &mut dyn Signal, place: &Place, writer: &Writer) -> Result<Cell> {
    let Ok(directory) = &place.path else { return Ok(Cell::Absent) };
    let files = Files::make(directory, writer.name).context("cannot make the files")?;
    let cell = written(signal, place, writer, &files)?;
    files.remove().context("cannot remove the files")?;
    Ok(cell)
}

fn written(signal: &mut dyn Signal, place: &Place, writer: &Writer, files: &Files) -> Result<Cell> {
    let follow = match (&place.follow, files.target().file_name()) {
        (Some(elsewhere), Some(name)) => elsewhere.join(name),
        _ => files.target().to_owned(),
    };
    signal.follow(&follow).with_context(|| format!("cannot follow {}", follow.display()))?;
    let action = match writer.prepare(files) {
        Ok(action) => action,
        Err(error) => return Ok(Cell::Refused(error.to_string())),
    };
    signal.forget().context("cannot forget old signals")?;
    let kept = match action() {
        Ok(kept) => kept,
        Err(error) => return Ok(Cell::Refused(error.to_string())),
    };
    let seen = signal.seen(PATIENCE).context("cannot look for the signal")?;
    drop(kept);
    verify(writer, files, &follow)?;
    Ok(if seen { Cell::Signal } else { Cell::Sweep })
}

/// A cell says nothing if the write did not happen, or if another file was followed.
fn verify(writer: &Writer, files: &Files, follow: &Path) -> Result<()> {
    anyhow::ensure!(writer.verify(files)?, "the file is not what was written");
    let (written, followed) = (std::fs::read(files.target())?, std::fs::read(follow)?);
    anyhow::ensure!(written == followed, "{} is another file", follow.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Says what it is told to.
    struct Fixed(bool);

    impl Signal for Fixed {
        fn name(&self) -> &'static str {
            "fixed"
        }

        fn follow(&mut self, _: &Path) -> io::Result<()> {
            Ok(())
        }

        fn forget(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn seen(&mut self, _: Duration) -> io::Result<bool> {
            Ok(self.0)
        }
    }

    fn absent() -> Place {
        Place { name: "none".into(), path: Err("no module".into()), follow: None }
    }

    #[test]
    fn cells_say_what_the_signal_said() {
        let directory = std::env::temp_dir().join(format!("sluice-table-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let here = Place { name: "here".into(), path: Ok(directory.clone()), follow: None };
        for (answer, expect, other) in
            [(true, Cell::Signal, Cell::Sweep), (false, Cell::Sweep, Cell::Signal)]
        {
            let table = Table::fill(&mut Fixed(answer), &[here.clone(), absent()]).unwrap();
            assert_eq!(table.rows[0].cells, [expect.clone(), Cell::Absent]);
            assert!(table.surprises(|_, _| Some(expect.clone())).is_empty());
            let surprises = table.surprises(|_, _| Some(other.clone()));
            assert!(table.surprises(|_, _| None).is_empty());
            assert!(surprises[0].starts_with("write on here: "), "{surprises:?}");
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "files were left");
        std::fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn the_text_is_aligned_and_gives_reasons() {
        let table = Table {
            signal: "fixed".into(),
            places: vec![
                Place { name: "tmpfs".into(), path: Ok("/t".into()), follow: None },
                absent(),
            ],
            rows: vec![
                Row { writer: "write", cells: vec![Cell::Signal, Cell::Absent] },
                Row { writer: "O_DIRECT", cells: vec![Cell::Refused("no".into()), Cell::Absent] },
            ],
        };
        let expect = "\
fixed               tmpfs     none
write              signal        -
O_DIRECT          refused        -
none: not here: no module
O_DIRECT on tmpfs: refused: no
";
        assert_eq!(table.to_text(), expect);
    }
}
