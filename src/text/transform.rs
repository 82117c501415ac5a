//! Data sets made from data sets: parts, other orders, and records that a function chose or changed.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use super::cell::{self, Row};
use super::data_file::DataFile;
use super::dataset::{Dataset, Source};
use super::order::{self, Order};
use super::records::Skipped;
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};
use crate::tensor::Generator;

/// Records mixed with each other by [`Dataset::shuffle`] unless another number is asked for.
pub const SHUFFLE_BUFFER: usize = 10_000;

/// How many records are read between two reports.
const REPORT_EVERY: u64 = 1000;

impl Dataset {
    fn chosen(&self, step: &str, order: Order) -> Dataset {
        self.derived(step, self.columns().to_vec(), Source::Chosen(self.clone(), order))
    }

    /// Returns the first `count` records.
    pub fn take(&self, count: u64) -> Dataset {
        self.chosen(&format!("take({count})"), Order::First(count))
    }

    /// Returns all but the first `count` records.
    pub fn skip(&self, count: u64) -> Dataset {
        match count {
            0 => self.clone(),
            count => self.chosen(&format!("skip({count})"), Order::From(count)),
        }
    }

    /// Returns part `index` of `shards` parts of about equal size: the records `index`, `index + shards`, and so on.
    ///
    /// # Errors
    /// There is no such part.
    pub fn shard(&self, shards: u64, index: u64) -> Result<Dataset> {
        if index >= shards {
            return Err(Error::input(format!(
                "there is no part {index} of {shards}: parts are counted from 0"
            ))
            .under("index"));
        }
        let order = Order::Every {
            step: shards,
            first: index,
        };
        Ok(self.chosen(&format!("shard({shards}, {index})"), order))
    }

    /// Returns the same records in an order that depends on `seed` alone: the files in random order, and windows of
    /// `buffer` consecutive records mixed, each by a permutation of its own. A data set of one file with no more than
    /// `buffer` records is mixed altogether.
    ///
    /// # Errors
    /// A buffer of no records.
    pub fn shuffle(&self, seed: u64, buffer: usize) -> Result<Dataset> {
        if buffer == 0 {
            return Err(Error::input("must be at least 1").under("buffer_size"));
        }
        let order = Order::Mixed { seed, window: buffer };
        Ok(self
            .in_file_order_of(seed)
            .chosen(&format!("shuffle({seed})"), order))
    }

    /// The same records with the files in an order that depends on `seed`.
    fn in_file_order_of(&self, seed: u64) -> Dataset {
        match self.source() {
            Source::Files(files) => {
                let mut files: Vec<Arc<DataFile>> = files.to_vec();
                Generator::new(seed).shuffle(&mut files);
                self.with_source(Source::Files(files.into()))
            }
            _ => self.clone(),
        }
    }

    /// Returns the same records as they come in pass number `pass` over them, from 0: where `shuffle` was the last that
    /// was done, each pass has an order of its own; records that were chosen from a shuffled data set stay those, in
    /// their order.
    pub fn for_pass(&self, pass: u64) -> Dataset {
        match self.source() {
            Source::Chosen(of, Order::Mixed { seed, window }) if pass > 0 => {
                let seed = order::seed_of_pass(*seed, pass);
                let order = Order::Mixed {
                    seed,
                    window: *window,
                };
                self.with_source(Source::Chosen(of.in_file_order_of(seed), order))
            }
            _ => self.clone(),
        }
    }

    /// Returns the records with these numbers, in this order. Numbers that ascend are read from the files as they are
    /// needed; in any other order the chosen records are kept in memory.
    ///
    /// # Errors
    /// A number beyond the end; files that cannot be read.
    pub fn select(&self, numbers: &[u64], context: &RunContext) -> Result<Dataset> {
        let step = format!("select({} records)", numbers.len());
        let length = if numbers.is_empty() { 0 } else { self.len()? };
        if let Some(beyond) = numbers.iter().find(|number| **number >= length) {
            return Err(Error::input(format!(
                "there is no record {beyond}: the data set has {length}, counted from 0"
            )));
        }
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let ascending = self.chosen(&step, Order::Listed(sorted.clone().into()));
        if sorted == numbers {
            return Ok(ascending);
        }
        let mut rows: BTreeMap<u64, Row> = BTreeMap::new();
        for record in ascending.used(0) {
            context.check("selecting records")?;
            if let (at, Ok(row)) = record? {
                rows.extend(sorted.get(at as usize).map(|number| (*number, row)));
            }
        }
        let rows: Vec<Row> = numbers
            .iter()
            .filter_map(|number| rows.get(number).cloned())
            .collect();
        Ok(self.derived(&step, self.columns().to_vec(), Source::Memory(rows.into())))
    }

    /// Returns the records for which `keep` is true. Reads all of them now; only their numbers are kept.
    ///
    /// # Errors
    /// What `keep` says, files that cannot be read, an interruption.
    pub fn filter(&self, context: &RunContext, mut keep: impl FnMut(Row) -> Result<bool>) -> Result<Dataset> {
        let mut kept = Vec::new();
        self.each(context, "filtering", |number, row| {
            if keep(row)? {
                kept.push(number);
            }
            Ok(())
        })?;
        let step = format!("filter({} kept)", kept.len());
        Ok(self.chosen(&step, Order::Listed(kept.into())))
    }

    /// Returns each record with what `change` returns for it: keys that it had are overwritten, others are added. Goes
    /// through all records now and keeps the changed ones in a temporary file.
    ///
    /// # Errors
    /// What `change` says, files that cannot be read, a full disk, an interruption.
    pub fn map(&self, context: &RunContext, mut change: impl FnMut(Row) -> Result<Row>) -> Result<Dataset> {
        let failed = |error| Error::io("write", std::env::temp_dir(), error);
        let file = tempfile::Builder::new()
            .prefix("saescript-")
            .suffix(".jsonl")
            .tempfile();
        let (file, path) = file.map_err(failed)?.into_parts();
        let mut writer = std::io::BufWriter::with_capacity(1 << 20, file);
        let mut columns = None;
        self.each(context, "mapping", |_, row| {
            let mut made = row.clone();
            made.extend(change(row)?);
            columns.get_or_insert_with(|| made.keys().cloned().collect());
            cell::write_row(&made, &mut writer).map_err(failed)?;
            writer.write_all(b"\n").map_err(failed)
        })?;
        writer.flush().map_err(failed)?;
        let columns = columns.unwrap_or_else(|| self.columns().to_vec());
        let files: Vec<Arc<DataFile>> = vec![Arc::new(DataFile::temporary(path, &context.stop))];
        Ok(self.derived("map", columns, Source::Files(files.into())))
    }

    /// Calls `work` with every record and its number, and reports how far it is.
    fn each(
        &self,
        context: &RunContext,
        doing: &str,
        mut work: impl FnMut(u64, Row) -> Result<()>,
    ) -> Result<()> {
        context.events.emit(Event::TaskStarted {
            title: format!("{doing} {}", self.name()),
            unit: "records",
            total: None,
        })?;
        let mut done = Ok(());
        let mut skipped = Skipped::default();
        for record in self.used(0) {
            let number = record.as_ref().map_or(0, |(number, _)| *number);
            done = record
                .and_then(|(number, entry)| match entry {
                    Ok(row) => work(number, row),
                    Err(wrong) => {
                        skipped.add(wrong.message());
                        Ok(())
                    }
                })
                .and_then(|()| context.check(doing));
            if done.is_err() {
                break;
            }
            if number % REPORT_EVERY == 0 {
                context.events.emit(Event::TaskAdvanced {
                    done: number,
                    shown: Vec::new(),
                })?;
            }
        }
        context.events.emit(Event::TaskFinished)?;
        done?;
        skipped.tell(self.name(), &context.events)
    }
}
