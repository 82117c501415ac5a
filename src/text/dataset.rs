//! A data set: records of text or token ids, read from files as they are needed.

use std::path::Path;
use std::sync::Arc;

use super::cell::Row;
use super::config::{DatasetConfig, OnBadRecord};
use super::data_file::DataFile;
use super::order::Order;
use crate::config::Value;
use crate::error::{Error, Result};

/// A cheap handle on a data set; clones share what was found out about the files.
#[derive(Clone, Debug)]
pub struct Dataset(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    name: String,
    /// The split that it was loaded as; `None` for one that was made from others or in memory.
    split: Option<String>,
    text_column: String,
    on_bad_record: OnBadRecord,
    /// Settings besides these that decide what the records are, where they are not the defaults.
    reading: Vec<(&'static str, Value)>,
    columns: Vec<String>,
    source: Source,
    /// How many data sets it was made from, each from the one before.
    steps: usize,
}

/// Where the records are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In files.
    Files(Arc<[Arc<DataFile>]>),
    /// In memory.
    Memory(Arc<[Row]>),
    /// In another data set.
    Chosen(Dataset, Order),
}

impl Dataset {
    /// Returns the data set that `config` describes, of these files with these columns.
    pub(super) fn of_files(config: &DatasetConfig, columns: Vec<String>, files: Vec<Arc<DataFile>>) -> Self {
        Dataset(Arc::new(Inner {
            name: config.dataset_name_or_path.clone(),
            split: None,
            text_column: config.text_column.clone(),
            on_bad_record: config.on_bad_record,
            reading: config.reading(&files),
            columns,
            source: Source::Files(files.into()),
            steps: 0,
        }))
    }

    /// Returns a data set of records that are in memory.
    ///
    /// # Errors
    /// There are none, or they have no keys.
    pub fn from_rows(name: &str, rows: Vec<Row>) -> Result<Dataset> {
        let keys: Row = rows.iter().flat_map(|row| row.clone()).collect();
        let columns: Vec<String> = keys.into_keys().collect();
        if columns.is_empty() {
            return Err(Error::input(format!("the data set `{name}` holds no records")));
        }
        Ok(Dataset(Arc::new(Inner {
            name: name.into(),
            split: None,
            text_column: DatasetConfig::default().text_column,
            on_bad_record: OnBadRecord::default(),
            reading: Vec::new(),
            columns,
            source: Source::Memory(rows.into()),
            steps: 0,
        })))
    }

    fn changed(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = (*self.0).clone();
        change(&mut inner);
        Dataset(Arc::new(inner))
    }

    /// Returns the same data set under the name of the split that it is.
    pub(super) fn loaded_as(&self, split: &str) -> Self {
        self.changed(|inner| inner.split = Some(split.to_string()))
    }

    /// Returns the same data set, without its bad records.
    pub(super) fn skipping(&self) -> Self {
        self.changed(|inner| inner.on_bad_record = OnBadRecord::Skip)
    }

    /// Returns another data set made from this one by `step`, e.g. `take(10)`.
    pub(super) fn derived(&self, step: &str, columns: Vec<String>, source: Source) -> Self {
        self.changed(|inner| {
            inner.name = format!("{}.{step}", inner.name);
            inner.split = None;
            inner.columns = columns;
            inner.source = source;
            inner.steps += 1;
        })
    }

    /// Returns the same data set with its records elsewhere.
    pub(super) fn with_source(&self, source: Source) -> Self {
        self.changed(|inner| inner.source = source)
    }

    /// Returns how many data sets it was made from, each from the one before: `corpus.shuffle(42).take(10)` from 2.
    pub fn steps(&self) -> usize {
        self.0.steps
    }

    pub(super) fn source(&self) -> &Source {
        &self.0.source
    }

    /// Returns the split that it was loaded as.
    pub(super) fn split(&self) -> Option<&str> {
        self.0.split.as_deref()
    }

    /// Returns the column that holds the text, or a path to it.
    pub(super) fn text_column(&self) -> &str {
        &self.0.text_column
    }

    /// Returns whether records that cannot be used are left out.
    pub(super) fn skips_bad_records(&self) -> bool {
        self.0.on_bad_record == OnBadRecord::Skip
    }

    /// Settings that decide what the records are, besides the text column.
    pub(super) fn reading(&self) -> &[(&'static str, Value)] {
        &self.0.reading
    }

    /// Returns the name or path it was loaded by, and what was done with it since: `corpus.shuffle(42).take(10)`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the column names: of a Parquet, Arrow or CSV file; of JSON all keys of the first records.
    pub fn columns(&self) -> &[String] {
        &self.0.columns
    }

    /// Returns the files it is read from, in order; those of the hub by their names there.
    pub fn files(&self) -> Vec<&Path> {
        match &self.0.source {
            Source::Files(files) => files.iter().map(|file| file.shown()).collect(),
            Source::Chosen(of, _) => of.files(),
            Source::Memory(_) => Vec::new(),
        }
    }

    /// Returns the number of records, those with it that are skipped as bad. Counted once: from the footers of Parquet
    /// files, by reading text files through.
    ///
    /// # Errors
    /// Files that cannot be read or fetched.
    pub fn len(&self) -> Result<u64> {
        match &self.0.source {
            Source::Files(files) => files.iter().map(|file| file.rows()).sum(),
            Source::Memory(rows) => Ok(rows.len() as u64),
            Source::Chosen(of, order) => match order.known_count() {
                Some(count) => Ok(count),
                None => Ok(order.count(of.len()?)),
            },
        }
    }
}
