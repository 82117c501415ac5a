//! The data set object of scripts: its records, and data sets made from it.

use std::any::TypeId;
use std::ops::{Range, RangeInclusive};

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, Module};

use super::callbacks::Callbacks;
use crate::config::Value;
use crate::error::{Context, Error, Result, a};
use crate::script::arguments::Arguments;
use crate::script::bridge;
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::script::guard;
use crate::script::state::State;
use crate::text::{Cell, Dataset, Row, SHUFFLE_BUFFER};

/// A data set that scripts hold; copies of the handle mean the same data set.
#[derive(Clone)]
pub struct DatasetHandle(Dataset);

impl DatasetHandle {
    /// Returns a handle on `dataset`.
    pub fn new(dataset: Dataset) -> Self {
        DatasetHandle(dataset)
    }

    /// Returns the data set.
    pub fn dataset(&self) -> &Dataset {
        &self.0
    }
}

/// Puts the data set object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<DatasetHandle>(
        "Dataset",
        &["/// Records of text or tokens: files, folders, globs, or a data set of the Hugging Face hub. Taking parts and \
           shuffling are lazy; `for record in dataset` gives each record as a map."],
    );
    combine_with_exported_module!(module, "dataset", methods);
    guard::protect(module, &methods::RHAI_MANIFEST);
    module.set_iter_result(TypeId::of::<DatasetHandle>(), |dataset| {
        let records = dataset.cast::<DatasetHandle>().0.maps(0);
        Box::new(records.map(|row| row.map(to_map).map_err(raise)))
    });
}

/// The most steps in which data sets are made one from another: each looks through all before it.
const MOST_STEPS: usize = 1000;

/// A data set that was made from another.
fn derived(dataset: Dataset) -> Result<DatasetHandle> {
    if dataset.steps() > MOST_STEPS {
        return Err(Error::input(format!(
            "a data set cannot be made from another in more than {MOST_STEPS} steps"
        ))
        .hint("do in one `map` or `filter` what a loop does in many"));
    }
    Ok(DatasetHandle(dataset))
}

fn to_map(row: Row) -> Dynamic {
    let cells = row.into_iter().map(|(name, cell)| (name.into(), from_cell(cell)));
    cells.collect::<Map>().into()
}

fn from_cell(cell: Cell) -> Dynamic {
    match cell {
        Cell::Null => Dynamic::UNIT,
        Cell::Bool(flag) => flag.into(),
        Cell::Int(number) => number.into(),
        Cell::Float(number) => number.into(),
        Cell::Text(text) => text.into(),
        Cell::List(items) => items.into_iter().map(from_cell).collect::<Array>().into(),
        Cell::Map(row) => to_map(row),
    }
}

/// Returns a record that a script made.
pub(super) fn to_row(value: &Dynamic) -> Result<Row> {
    match value.read_lock::<Map>() {
        Some(map) => row_of(&map, DEEPEST),
        None => Err(Error::input(format!(
            "a record is a map of columns, not {}",
            a(&bridge::kind_of(value))
        ))),
    }
}

/// The deepest that lists and maps are nested in a record, as in JSON.
const DEEPEST: usize = 100;

fn row_of(map: &Map, levels: usize) -> Result<Row> {
    map.iter()
        .map(|(name, value)| Ok((name.to_string(), to_cell(value, levels).under(name.as_str())?)))
        .collect()
}

/// A value of a record; numbers need not be finite there, as they must be in settings.
fn to_cell(value: &Dynamic, levels: usize) -> Result<Cell> {
    let deeper = || {
        levels.checked_sub(1).ok_or_else(|| {
            Error::input(format!(
                "a record is nested deeper than the {DEEPEST} levels that it may have"
            ))
        })
    };
    if let Ok(number) = value.as_float() {
        return Ok(Cell::Float(number));
    }
    if let Some(items) = value.read_lock::<Array>() {
        let levels = deeper()?;
        let cell = |(index, item)| to_cell(item, levels).under(format!("[{index}]"));
        return items
            .iter()
            .enumerate()
            .map(cell)
            .collect::<Result<_>>()
            .map(Cell::List);
    }
    match value.read_lock::<Map>() {
        Some(map) => row_of(&map, deeper()?).map(Cell::Map),
        None => bridge::to_value(value).map(Cell::from),
    }
}

/// A number of records, or of a record.
fn number(value: i64, what: &'static str) -> Result<u64> {
    u64::try_from(value)
        .map_err(|_| Error::input(format!("must not be negative, but is {value}")).under(what))
}

fn numbers(values: &Array) -> Result<Vec<u64>> {
    let read = |(index, value): (usize, &Dynamic)| {
        let whole = value
            .as_int()
            .map_err(|kind| Error::input(format!("expected a whole number, not {}", a(kind))));
        whole
            .and_then(|value| number(value, "index"))
            .under(format!("[{index}]"))
    };
    values.iter().enumerate().map(read).collect()
}

fn slice(dataset: &DatasetHandle, range: Range<i64>) -> Result<DatasetHandle> {
    let (start, end) = (number(range.start, "start")?, number(range.end, "end")?);
    derived(dataset.0.skip(start).take(end.saturating_sub(start)))
}

fn shuffle(dataset: &DatasetHandle, options: Map) -> Result<DatasetHandle> {
    let mut arguments = Arguments::new("Dataset", "shuffle", options);
    let seed = arguments.data::<u64>("seed")?.unwrap_or(42);
    let buffer = arguments.data::<usize>("buffer_size")?.unwrap_or(SHUFFLE_BUFFER);
    arguments.finish()?;
    dataset.0.shuffle(seed, buffer).and_then(derived)
}

#[export_module(manifest)]
mod methods {
    /// Returns the number of records, those included that are skipped as bad. Reads the whole data set where its files
    /// do not say.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn len(dataset: &mut DatasetHandle) -> RhaiResultOf<i64> {
        dataset.dataset().len().map(|length| length as i64).raise()
    }

    /// Returns what `on_bad_record: "skip"` leaves out, found by reading all: `#{ count, first }`, where `first` says
    /// what is wrong with the first of them, or is `()`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn bad_records(context: NativeCallContext, dataset: &mut DatasetHandle) -> RhaiResultOf<Map> {
        let bad = dataset
            .dataset()
            .bad_records(State::of(&context).context())
            .raise()?;
        let first = bad
            .first()
            .map_or(Dynamic::UNIT, |first| first.to_string().into());
        Ok(Map::from_iter([
            ("count".into(), Dynamic::from(bad.count as i64)),
            ("first".into(), first),
        ]))
    }

    /// Returns the names of the columns.
    #[rhai_fn(get = "column_names", pure)]
    pub fn column_names(dataset: &mut DatasetHandle) -> Array {
        dataset
            .dataset()
            .columns()
            .iter()
            .map(|name| name.clone().into())
            .collect()
    }

    /// Returns the files that it is read from; those of the hub by their names there.
    #[rhai_fn(get = "files", pure)]
    pub fn files(dataset: &mut DatasetHandle) -> Array {
        let files = dataset.dataset().files().into_iter();
        files.map(|path| path.display().to_string().into()).collect()
    }

    /// Returns a record as a map, counted from 0; `-1` is the last.
    #[rhai_fn(index_get, return_raw, pure, volatile)]
    pub fn record(dataset: &mut DatasetHandle, index: i64) -> RhaiResultOf<Dynamic> {
        let dataset = dataset.dataset();
        let missing = || Error::input(format!("there is no record {index}"));
        let from_end = |length: u64| length.checked_sub(index.unsigned_abs()).ok_or_else(missing);
        let at = if index < 0 {
            dataset.len().and_then(from_end)
        } else {
            Ok(index as u64)
        };
        at.and_then(|at| dataset.record(at)?.ok_or_else(missing))
            .map(to_map)
            .raise()
    }

    /// Returns the first `count` records, or all if there are fewer.
    #[rhai_fn(return_raw, pure)]
    pub fn take(dataset: &mut DatasetHandle, count: i64) -> RhaiResultOf<DatasetHandle> {
        let count = number(count, "count").raise()?;
        derived(dataset.dataset().take(count)).raise()
    }

    /// Returns all but the first `count` records.
    #[rhai_fn(return_raw, pure)]
    pub fn skip(dataset: &mut DatasetHandle, count: i64) -> RhaiResultOf<DatasetHandle> {
        let count = number(count, "count").raise()?;
        derived(dataset.dataset().skip(count)).raise()
    }

    /// Returns part `index` (from 0) of `num_shards`: the records `index`, `index + num_shards`, and so on.
    #[rhai_fn(return_raw, pure)]
    pub fn shard(dataset: &mut DatasetHandle, num_shards: i64, index: i64) -> RhaiResultOf<DatasetHandle> {
        number(num_shards, "num_shards")
            .and_then(|shards| dataset.dataset().shard(shards, number(index, "index")?))
            .and_then(derived)
            .raise()
    }

    /// Returns a part of the data set, `#{ num_shards: 4, index: 0 }`; both are needed.
    #[rhai_fn(name = "shard", return_raw, pure)]
    pub fn shard_with(dataset: &mut DatasetHandle, options: Map) -> RhaiResultOf<DatasetHandle> {
        let mut arguments = Arguments::new("Dataset", "shard", options);
        let shards = arguments
            .required::<i64>("num_shards", "a number of parts")
            .raise()?;
        let index = arguments.required::<i64>("index", "a part's number").raise()?;
        arguments.finish().raise()?;
        shard(dataset, shards, index)
    }

    /// Returns the same records in an order that depends on the seed alone: files in random order, windows of 10 000
    /// consecutive records mixed. Lazy; a data set of one file with fewer records is mixed altogether.
    #[rhai_fn(name = "shuffle", return_raw, pure)]
    pub fn shuffle_seed(dataset: &mut DatasetHandle, seed: i64) -> RhaiResultOf<DatasetHandle> {
        let mut options = Map::new();
        options.insert("seed".into(), seed.into());
        shuffle(dataset, options).raise()
    }

    /// Shuffles with `#{ seed: 42, buffer_size: 10_000 }`.
    #[rhai_fn(name = "shuffle", return_raw, pure)]
    pub fn shuffle_with(dataset: &mut DatasetHandle, options: Map) -> RhaiResultOf<DatasetHandle> {
        shuffle(dataset, options).raise()
    }

    /// Returns the records with these numbers, counted from 0, in this order. Numbers that do not ascend keep the
    /// chosen records in memory.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn select(
        context: NativeCallContext,
        dataset: &mut DatasetHandle,
        indices: Array,
    ) -> RhaiResultOf<DatasetHandle> {
        numbers(&indices)
            .and_then(|indices| dataset.dataset().select(&indices, State::of(&context).context()))
            .and_then(derived)
            .raise()
    }

    /// Returns the records of a range: `dataset.select(100..200)`.
    #[rhai_fn(name = "select", return_raw, pure)]
    pub fn select_range(dataset: &mut DatasetHandle, range: Range<i64>) -> RhaiResultOf<DatasetHandle> {
        slice(dataset, range).raise()
    }

    /// Returns the records of a range with its end: `dataset.select(100..=199)`.
    #[rhai_fn(name = "select", return_raw, pure)]
    pub fn select_closed(
        dataset: &mut DatasetHandle,
        range: RangeInclusive<i64>,
    ) -> RhaiResultOf<DatasetHandle> {
        slice(dataset, *range.start()..range.end().saturating_add(1)).raise()
    }

    /// Returns the records for which a closure is true: `dataset.filter(|r| r.text.len() > 100)`. Reads all records
    /// now, and keeps the numbers of those that stay.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn filter(
        context: NativeCallContext,
        dataset: &mut DatasetHandle,
        keep: FnPtr,
    ) -> RhaiResultOf<DatasetHandle> {
        let callbacks = Callbacks::new(&context);
        let state = State::of(&context);
        let kept = dataset.dataset().filter(state.context(), |row| {
            let answer = callbacks.call(&keep, (to_map(row),))?;
            answer.as_bool().map_err(|_| {
                Error::input(format!(
                    "the closure of `filter` returns true or false, but returned {}",
                    a(&bridge::kind_of(&answer))
                ))
            })
        });
        callbacks.finish(kept.and_then(derived))
    }

    /// Returns each record with the columns that a closure returns for it, new ones or others of the same name:
    /// `dataset.map(|r| #{ text: r.title + r.body })`. Goes through all records now and keeps them in a temporary file.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn map(
        context: NativeCallContext,
        dataset: &mut DatasetHandle,
        change: FnPtr,
    ) -> RhaiResultOf<DatasetHandle> {
        let callbacks = Callbacks::new(&context);
        let state = State::of(&context);
        let changed = dataset.dataset().map(state.context(), |row| {
            let made = callbacks.call(&change, (to_map(row),))?;
            to_row(&made).context("returned by the closure of `map`")
        });
        callbacks.finish(changed.and_then(derived))
    }

    /// Returns name, columns and number of files, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(dataset: &mut DatasetHandle) -> String {
        let dataset = dataset.dataset();
        let columns: Vec<String> = dataset
            .columns()
            .iter()
            .map(|name| Value::from(name.as_str()).to_string())
            .collect();
        let files = dataset.files().len();
        format!(
            "Dataset({:?}, columns: [{}], files: {files})",
            dataset.name(),
            columns.join(", ")
        )
    }
}
