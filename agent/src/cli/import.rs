//! `sluice import --dry-run`: what the first run would take over from log-pilot.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sluice::checkpoint::{Import, ImportedPosition};
use sluice::config::Config;
use sluice::observe::aligned;

use super::{ExitError, Form, print};

/// One file of the list.
#[derive(Debug, Serialize)]
struct Row {
    /// `None` for a position that is kept by path alone, as Filebeat does.
    container: Option<String>,
    log: Option<String>,
    path: PathBuf,
    inode: u64,
    offset: u64,
    /// Of the file that has this name now.
    size: Option<u64>,
    /// What a run would do.
    then: &'static str,
}

pub(super) fn import(
    config: &Config,
    positions: &Path,
    registry: &Path,
    form: Form,
) -> Result<(), ExitError> {
    let (import, errors) = Import::read(positions, registry);
    for error in errors {
        eprintln!("sluice: {error}");
    }
    let prefix = &config.docker.host_prefix;
    let rows: Vec<Row> = import.positions.iter().map(|position| row(position, prefix)).collect();
    if form.json {
        return print::json(&rows);
    }
    if rows.is_empty() {
        return print::text(&format!(
            "no positions of log-pilot in {} or {}: logs begin as `read_from` says\n",
            positions.display(),
            registry.display()
        ));
    }
    let head = ["CONTAINER", "LOG", "PATH", "INODE", "OFFSET", "SIZE", "THEN"];
    let text = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let body = rows.iter().map(|row| {
        [
            text(row.container.as_deref().map(|id| id.get(..12).unwrap_or(id))),
            text(row.log.as_deref()),
            row.path.display().to_string(),
            row.inode.to_string(),
            row.offset.to_string(),
            row.size.map_or_else(|| "-".to_owned(), |size| size.to_string()),
            row.then.to_owned(),
        ]
    });
    print::text(&aligned(head, body, &[3, 4, 5]))
}

fn row(position: &ImportedPosition, prefix: &Path) -> Row {
    let ImportedPosition { path, inode, offset, log } = position.clone();
    // log-pilot has the host's root at `/host`.
    let below = path.strip_prefix("/host").unwrap_or(&path);
    let ours = prefix.join(below.strip_prefix("/").unwrap_or(below));
    let found = std::fs::metadata(ours).ok();
    let then = match &found {
        None => "nothing: the file is gone, or not visible from here",
        Some(file) if file.ino() != inode => "looked for among its rotated files",
        Some(file) if file.len() < offset => "begins at the end: it was cut since",
        Some(file) if file.len() == offset => "goes on; nothing is waiting",
        Some(_) => "goes on from the offset",
    };
    let (container, log) = log.unzip();
    Row { container, log, path, inode, offset, size: found.map(|file| file.len()), then }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_done_is_told_by_the_file() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("a.log");
        std::fs::write(&file, "0123456789").expect("it can be written");
        let inode = std::fs::metadata(&file).expect("it is there").ino();
        let check = |path: &str, inode: u64, offset: u64, then: &str| {
            let position = ImportedPosition { path: path.into(), inode, offset, log: None };
            let row = row(&position, root.path());
            assert!(row.then.starts_with(then), "{row:?}");
        };
        check("/host/a.log", inode, 4, "goes on from");
        check("/host/a.log", inode, 10, "goes on; nothing");
        check("/host/a.log", inode, 11, "begins at the end");
        check("/host/a.log", inode + 1, 4, "looked for");
        check("/host/b.log", inode, 4, "nothing");
    }
}
