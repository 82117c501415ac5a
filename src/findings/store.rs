//! The file: making it, opening it, and facts about what it is of.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::connect::{Access, connected, is_writable};
use super::failure::OfStore;
use super::{home, migrate};
use crate::error::{Error, Result};
use crate::files;

/// `application_id` of a store: "saes" in ASCII.
pub(super) const APPLICATION: i32 = 0x7361_6573;

/// How long to wait for another program that is writing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pages of the cache, in KiB (negative, as SQLite wants it).
const CACHE: i64 = -65_536;

/// An open store: what analyses found about the latents of one dictionary.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    access: Access,
}

impl Store {
    /// Makes an empty store at `path` with the facts `meta` of its dictionary.
    ///
    /// # Errors
    /// Something is there already; it cannot be written.
    pub fn create(path: impl AsRef<Path>, meta: &BTreeMap<String, String>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        }
        // Also reserves the name, so that of two that make it one is refused.
        File::create_new(path).map_err(|error| Error::io("create", path, error))?;
        let store = Self::connect(path, Access::Write)?;
        let made = store.fill(meta);
        if made.is_err() {
            drop(store);
            // What could not be made is not left half made.
            let _ = std::fs::remove_file(path);
            return Err(made.err().unwrap_or_else(|| Error::run("the store was not made")));
        }
        Ok(store)
    }

    fn fill(&self, meta: &BTreeMap<String, String>) -> Result<()> {
        let set = |statement: &str| {
            self.connection
                .execute_batch(statement)
                .of_store("write", &self.path)
        };
        set("PRAGMA page_size = 16384; PRAGMA auto_vacuum = NONE;")?;
        set(&format!(
            "BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}; {} COMMIT;",
            migrate::VERSION,
            include_str!("schema.sql"),
        ))?;
        for (key, value) in meta {
            self.set_meta(key, value)?;
        }
        self.set_meta(home::KEY, &home::here())?;
        Ok(())
    }

    /// Opens the store at `path`, to be written where the file may be. A store of an older version is brought to this
    /// one's, and a copy of it kept beside it; where it may only be read, a copy for this process is.
    ///
    /// # Errors
    /// No such file, no store, one of a newer program, a damaged one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let access = if is_writable(path) {
            Access::Write
        } else {
            Access::Read
        };
        Self::open_for(path, access)
    }

    /// Opens the store at `path`, for reading only or to be written.
    ///
    /// # Errors
    /// As [`open`](Self::open); it may not be written although that was asked for.
    pub fn open_for(path: impl AsRef<Path>, access: Access) -> Result<Self> {
        let path = path.as_ref();
        // Says what is missing, or no regular file.
        drop(files::open(path).map_err(|error| Error::io("open", path, error))?);
        if access == Access::Write && !is_writable(path) {
            return Err(
                Error::input(format!("the store `{}` may not be written", path.display()))
                    .hint("copy it to a folder that can be written"),
            );
        }
        let mut store = Self::connect(path, access)?;
        store.require_store()?;
        if let Some(copy) = migrate::to_current(&store.connection, path, access == Access::Write)? {
            store.connection = copy;
            store.prepare().of_store("open", path)?;
        }
        Ok(store)
    }

    fn connect(path: &Path, access: Access) -> Result<Self> {
        let connection = connected(path, access)?;
        let store = Store {
            connection,
            path: path.to_path_buf(),
            access,
        };
        store.prepare().of_store("open", path)?;
        Ok(store)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(PATIENCE)?;
        // A store may come from elsewhere: nothing in it is run.
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        self.connection.pragma_update(None, "cache_size", CACHE)?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        self.connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn require_store(&self) -> Result<()> {
        let application: i32 = self
            .connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .of_store("open", &self.path)?;
        if application == APPLICATION {
            return Ok(());
        }
        Err(Error::input(format!(
            "`{}` is an SQLite file, but no store of an analysis",
            self.path.display()
        ))
        .hint("`saescript analyze` makes stores"))
    }

    /// Returns whether this user made the store at `path` on this machine; nothing about it is changed.
    ///
    /// # Errors
    /// No such file, no store, a damaged one.
    pub fn is_from_here(path: impl AsRef<Path>) -> Result<bool> {
        let store = Self::connect(path.as_ref(), Access::Read)?;
        store.require_store()?;
        Ok(store.meta(home::KEY)?.is_some_and(|made| made == home::here()))
    }

    /// Returns the connection, for statements of one's own.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether it may be written.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Returns a number that is another one as soon as another program has written into the store.
    ///
    /// # Errors
    /// A damaged store.
    pub fn changes_by_others(&self) -> Result<i64> {
        let number = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0));
        number.of_store("read", &self.path)
    }

    /// Refuses to change a store that was opened for reading.
    ///
    /// # Errors
    /// It was.
    pub fn require_writable(&self) -> Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(Error::input(format!(
                "the store `{}` is open for reading only",
                self.path.display()
            ))
            .hint("its file or folder may not be written: copy it elsewhere to add to it")),
        }
    }

    /// Returns a fact about the dictionary, model or tokenizer, e.g. `dictionary.identity`; `None` if it has none.
    ///
    /// # Errors
    /// A damaged store.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        use rusqlite::OptionalExtension;
        let value = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0));
        value.optional().of_store("read", &self.path)
    }

    /// Returns all facts.
    ///
    /// # Errors
    /// A damaged store.
    pub fn all_meta(&self) -> Result<BTreeMap<String, String>> {
        self.rows("SELECT key, value FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map(|rows| rows.into_iter().collect())
    }

    /// Sets a fact.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        self.change("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
            .map(drop)
    }

    /// Runs `work` as one change: all of it is kept, or none where it fails.
    ///
    /// # Errors
    /// What `work` says; the store cannot be written.
    pub fn transaction<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.require_writable()?;
        let transaction = self
            .connection
            .unchecked_transaction()
            .of_store("write", &self.path)?;
        let value = work()?;
        transaction.commit().of_store("write", &self.path)?;
        Ok(value)
    }

    /// Prepares for a long time of writing, during which others can read.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn begin_writing(&self) -> Result<()> {
        self.require_writable()?;
        let mode = "PRAGMA journal_mode = WAL";
        self.connection
            .query_row(mode, [], |_| Ok(()))
            .of_store("write", &self.path)
    }

    /// Ends what [`begin_writing`](Self::begin_writing) began: afterwards one file is all there is of the store, and it
    /// can be copied. Where more than a quarter of it is room that removed rows left, it is written anew without that.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn end_writing(&self) -> Result<()> {
        let pages = |pragma| {
            self.connection
                .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
                .of_store("read", &self.path)
        };
        if 4 * pages("freelist_count")? > pages("page_count")? {
            // A disk without room for both, or somebody who reads: then it stays as large as it is.
            let _ = self.connection.execute_batch("VACUUM");
        }
        for pragma in [
            "PRAGMA optimize",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "PRAGMA journal_mode = DELETE",
        ] {
            // Where somebody reads meanwhile the log stays beside the file until they are done.
            let mut statement = self.connection.prepare(pragma).of_store("write", &self.path)?;
            let mut rows = statement.query([]).of_store("write", &self.path)?;
            while let Ok(Some(_)) = rows.next() {}
        }
        Ok(())
    }

    /// Runs one statement that changes rows; returns how many.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(crate) fn change(&self, statement: &str, parameters: impl rusqlite::Params) -> Result<usize> {
        self.require_writable()?;
        let mut prepared = self
            .connection
            .prepare_cached(statement)
            .of_store("write", &self.path)?;
        prepared.execute(parameters).of_store("write", &self.path)
    }

    /// Returns what `read` makes of each row that `query` gives.
    ///
    /// # Errors
    /// A damaged store.
    pub(crate) fn rows<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut prepared = self
            .connection
            .prepare_cached(query)
            .of_store("read", &self.path)?;
        let rows = prepared
            .query_map(parameters, read)
            .of_store("read", &self.path)?;
        rows.collect::<rusqlite::Result<Vec<T>>>()
            .of_store("read", &self.path)
    }

    /// Returns what `read` makes of the row that `query` gives, if it gives one.
    ///
    /// # Errors
    /// A damaged store.
    pub(crate) fn row<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.rows(query, parameters, read)?.into_iter().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn room_that_is_no_longer_needed_is_given_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        let store = Store::create(&path, &BTreeMap::new()).expect("made");
        let size = || std::fs::metadata(&path).expect("a file").len();
        store.begin_writing().expect("writable");
        store.set_meta("large", &"x".repeat(4_000_000)).expect("set");
        store.end_writing().expect("ended");
        let before = size();
        store.begin_writing().expect("writable");
        store.set_meta("large", "small").expect("set");
        store.end_writing().expect("ended");
        assert!(size() + 3_900_000 < before, "{} of {before}", size());
        assert_eq!(store.meta("large").expect("read").as_deref(), Some("small"));
    }

    #[test]
    fn a_store_knows_where_it_was_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        let store = Store::create(&path, &BTreeMap::new()).expect("made");
        assert!(Store::is_from_here(&path).expect("read"));
        store.set_meta(home::KEY, "0123456789abcdef").expect("set");
        assert!(!Store::is_from_here(&path).expect("read"), "made elsewhere");
    }
}
