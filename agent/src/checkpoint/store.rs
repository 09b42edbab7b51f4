//! The store: `redb` in the state directory, one value per source.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::record::SourceRecord;
use crate::core::SourceKey;

/// Rises with each change of what is stored that an older agent could not read.
const FORMAT: u32 = 1;

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
const SOURCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sources");

/// The working set is one value per active source, so a few MiB hold it; redb's own default of
/// 1 GiB would be most of a node's spare memory.
const CACHE_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub struct Store {
    database: Database,
    path: PathBuf,
}

/// What opening gave.
#[derive(Debug)]
pub struct Opened {
    pub store: Store,
    pub sources: Vec<(SourceKey, SourceRecord)>,
    /// The store was damaged and lies here now; the agent goes on from the heads of the files.
    pub moved_aside: Option<(PathBuf, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the store {path} was written by a newer sluice (format {found}, this one reads up to \
         {FORMAT}); run that version or a newer one, or move the file away to start from the \
         heads of the logs"
    )]
    Newer { path: PathBuf, found: u32 },
    #[error("the store {path} is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error("cannot use the store {path}: {reason}; check the disk's space and permissions")]
    Unusable { path: PathBuf, reason: String },
}

thread_local! {
    /// A panic on this thread is taken as a sign of damage and does not end the process.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

impl Store {
    /// Whether a panic on this thread is being watched for; for the process's panic hook.
    pub fn guards_this_thread() -> bool {
        GUARDED.with(Cell::get)
    }

    /// Opens the store of a state directory and reads all of it. A damaged one is moved aside.
    pub fn open(directory: &Path) -> Result<Opened, StoreError> {
        let path = directory.join("state.redb");
        match Self::try_open(&path) {
            Ok((store, sources)) => Ok(Opened { store, sources, moved_aside: None }),
            Err(StoreError::Damaged { reason, .. }) => {
                let aside = move_aside(&path)?;
                let (store, sources) = Self::try_open(&path)?;
                Ok(Opened { store, sources, moved_aside: Some((aside, reason)) })
            }
            Err(error) => Err(error),
        }
    }

    fn try_open(path: &Path) -> Result<(Self, Vec<(SourceKey, SourceRecord)>), StoreError> {
        // redb answers most damage with an error and some with a panic.
        let was = GUARDED.with(|guarded| guarded.replace(true));
        let result = catch_unwind(AssertUnwindSafe(|| Self::open_and_load(path)));
        GUARDED.with(|guarded| guarded.set(was));
        result.unwrap_or_else(|_| {
            Err(StoreError::Damaged { path: path.to_owned(), reason: "it makes no sense".into() })
        })
    }

    fn open_and_load(path: &Path) -> Result<(Self, Vec<(SourceKey, SourceRecord)>), StoreError> {
        let failed = |error: redb::Error| classify(path, &error);
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| failed(error.into()))?;
        let store = Self { database, path: path.to_owned() };
        store.check_format()?;
        let sources = store.load().map_err(failed)?;
        let mut records = Vec::with_capacity(sources.len());
        for (key, bytes) in sources {
            let record = SourceRecord::from_bytes(&bytes).map_err(|error| StoreError::Damaged {
                path: path.to_owned(),
                reason: format!("the value of {key}: {error}"),
            })?;
            records.push((SourceKey(key.into()), record));
        }
        Ok((store, records))
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let failed = |error: redb::Error| classify(&self.path, &error);
        let run = || -> Result<u32, redb::Error> {
            let write = self.database.begin_write()?;
            let found = {
                let mut meta = write.open_table(META)?;
                write.open_table(SOURCES)?;
                let found = meta.get("format")?.map(|value| value.value());
                if found.is_none() {
                    meta.insert("format", FORMAT)?;
                }
                found.unwrap_or(FORMAT)
            };
            write.commit()?;
            Ok(found)
        };
        match run().map_err(failed)? {
            found if found > FORMAT => Err(StoreError::Newer { path: self.path.clone(), found }),
            _ => Ok(()),
        }
    }

    fn load(&self) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
        let read = self.database.begin_read()?;
        let table = read.open_table(SOURCES)?;
        let mut all = Vec::new();
        for entry in table.iter()? {
            let (key, value) = entry?;
            all.push((key.value().to_owned(), value.value().to_vec()));
        }
        Ok(all)
    }

    /// Writes values (or with `None` deletes them) in one transaction, with fsync.
    pub fn commit(&self, puts: &[(SourceKey, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let run = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            {
                let mut sources = write.open_table(SOURCES)?;
                for (key, value) in puts {
                    match value {
                        Some(bytes) => sources.insert(key.as_str(), bytes.as_slice())?,
                        None => sources.remove(key.as_str())?,
                    };
                }
            }
            write.commit()?;
            Ok(())
        };
        run().map_err(|error| StoreError::Unusable {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn classify(path: &Path, error: &redb::Error) -> StoreError {
    let (path, reason) = (path.to_owned(), error.to_string());
    match error {
        redb::Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => {
            StoreError::Damaged { path, reason }
        }
        redb::Error::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged { path, reason }
        }
        redb::Error::Io(_) | redb::Error::DatabaseAlreadyOpen => {
            StoreError::Unusable { path, reason }
        }
        _ => StoreError::Damaged { path, reason },
    }
}

fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".damaged-{seconds}"));
    let aside = PathBuf::from(aside);
    std::fs::rename(path, &aside).map_err(|error| StoreError::Unusable {
        path: path.to_owned(),
        reason: format!("it is damaged and cannot be moved aside: {error}"),
    })?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> SourceRecord {
        SourceRecord { container_name: name.into(), ..SourceRecord::default() }
    }

    #[test]
    fn what_was_committed_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let key = SourceKey::docker("abc");
        let bytes = record("web").to_bytes().unwrap();
        let opened = Store::open(directory.path()).unwrap();
        assert!(opened.sources.is_empty());
        opened.store.commit(&[(key.clone(), Some(bytes))]).unwrap();
        drop(opened);
        let opened = Store::open(directory.path()).unwrap();
        assert_eq!(opened.sources, [(key.clone(), record("web"))]);
        opened.store.commit(&[(key, None)]).unwrap();
        drop(opened);
        assert!(Store::open(directory.path()).unwrap().sources.is_empty());
    }

    #[test]
    fn a_store_of_a_newer_version_is_a_stop_with_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let opened = Store::open(directory.path()).unwrap();
        let write = opened.store.database.begin_write().unwrap();
        write.open_table(META).unwrap().insert("format", FORMAT + 1).unwrap();
        write.commit().unwrap();
        drop(opened);
        let error = Store::open(directory.path()).unwrap_err();
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("newer sluice"));
    }

    #[test]
    fn a_damaged_store_is_moved_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.redb");
        drop(Store::open(directory.path()).unwrap());
        for bytes in [b"no store at all".to_vec(), vec![0; 70_000]] {
            std::fs::write(&path, &bytes).unwrap();
            let opened = Store::open(directory.path()).unwrap();
            let (aside, _) = opened.moved_aside.expect("it was damaged");
            assert_eq!(std::fs::read(&aside).unwrap(), bytes);
            std::fs::remove_file(aside).unwrap();
            drop(opened.store);
        }
    }
}
