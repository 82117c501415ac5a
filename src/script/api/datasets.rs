//! `datasets::load_dataset` and the object it returns.

use std::any::TypeId;
use std::ops::{Range, RangeInclusive};

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, Module};

use super::callbacks::Callbacks;
use crate::config::{self, Value};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::script::arguments::Arguments;
use crate::script::bridge;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf, placed, raise};
use crate::script::guard;
use crate::script::state::State;
use crate::text::{Dataset, DatasetConfig, Row, SHUFFLE_BUFFER};

/// A data set that scripts hold; copies of the handle mean the same data set.
#[derive(Clone)]
pub struct DatasetHandle(Dataset);

impl DatasetHandle {
    /// The data set.
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

/// Options of `load_dataset` that are no setting of `DatasetConfig` under the same name.
const PATH: &str = "path";

/// Loads `path` with `options`, of which `fixed` are set already.
fn load(
    function: &'static str,
    path: &str,
    mut options: Map,
    fixed: &[(&str, Dynamic)],
    context: &RunContext,
) -> Result<DatasetHandle> {
    options.remove(PATH);
    let allowed: Vec<String> = match config::to_value(&DatasetConfig::default())? {
        Value::Object(fields) => fields
            .keys()
            .filter(|key| *key != "dataset_name_or_path")
            .cloned()
            .collect(),
        _ => Vec::new(),
    };
    if let Some(unknown) = options
        .keys()
        .find(|key| !allowed.iter().any(|name| name == key.as_str()))
    {
        let error = Error::unknown("argument", unknown, &allowed).under(unknown.as_str());
        return Err(error.context(format!("in the call of `{function}`")));
    }
    options.insert("dataset_name_or_path".into(), path.into());
    for (key, value) in fixed {
        options.insert((*key).into(), value.clone());
    }
    let config: DatasetConfig = Arguments::new(function, options).into_config()?;
    Dataset::load(&config, context).map(DatasetHandle)
}

/// The most steps in which data sets are made one from another: each looks through all before it.
const MOST_STEPS: usize = 1000;

/// A data set that was made from another.
fn derived(dataset: Dataset) -> Result<DatasetHandle> {
    match dataset.steps() <= MOST_STEPS {
        true => Ok(DatasetHandle(dataset)),
        false => Err(Error::input(format!(
            "a data set cannot be made from another in more than {MOST_STEPS} steps"
        ))
        .hint("do in one `map` or `filter` what a loop does in many")),
    }
}

fn to_map(row: Row) -> Dynamic {
    bridge::from_value(&Value::Object(row))
}

/// A record that a script made.
fn to_row(value: &Dynamic) -> Result<Row> {
    match value.read_lock::<Map>() {
        Some(map) => match bridge::map_to_value(&map)? {
            Value::Object(row) => Ok(row),
            _ => Ok(Row::new()),
        },
        None => Err(Error::input(format!(
            "a record is a map of columns, not a {}",
            bridge::kind_of(value)
        ))),
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
            .map_err(|kind| Error::input(format!("expected a whole number, not a {kind}")));
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
    let mut arguments = Arguments::new("shuffle", options);
    let seed = arguments.data::<u64>("seed")?.unwrap_or(42);
    let buffer = arguments.data::<usize>("buffer_size")?.unwrap_or(SHUFFLE_BUFFER);
    arguments.finish()?;
    dataset.0.shuffle(seed, buffer).and_then(derived)
}

/// Data sets from files, folders and the Hugging Face hub.
#[export_module(manifest)]
pub mod functions {
    /// Loads a data set: a file, a folder, a glob such as `"corpus/*.jsonl"`, or a name on the Hugging Face hub.
    /// Formats: Parquet, JSON lines, JSON, CSV, TSV, Arrow and text, the text ones also as `.gz` and `.zst`.
    #[rhai_fn(return_raw, volatile)]
    pub fn load_dataset(context: NativeCallContext, path: ImmutableString) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            load(
                "load_dataset",
                &path,
                Map::new(),
                &[],
                State::of(&context).context(),
            )
            .raise()
        })
    }

    /// Loads one of the configurations that a data set has: `load_dataset("wikitext", "wikitext-2-raw-v1")`.
    #[rhai_fn(name = "load_dataset", return_raw, volatile)]
    pub fn load_dataset_named(
        context: NativeCallContext,
        path: ImmutableString,
        name: ImmutableString,
    ) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            let fixed = [("name", Dynamic::from(name.clone()))];
            load(
                "load_dataset",
                &path,
                Map::new(),
                &fixed,
                State::of(&context).context(),
            )
            .raise()
        })
    }

    /// Loads with `#{ split: "train[:10%]", text_column: "text", data_files: "*.parquet", streaming: true }`; also
    /// `name`, `revision`, `data_dir`, `cache_dir` and `is_dataset_on_disk`, which `DatasetConfig` describes.
    #[rhai_fn(name = "load_dataset", return_raw, volatile)]
    pub fn load_dataset_with(
        context: NativeCallContext,
        path: ImmutableString,
        options: Map,
    ) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            load("load_dataset", &path, options, &[], State::of(&context).context()).raise()
        })
    }

    /// Loads one of the configurations that a data set has, with further options.
    #[rhai_fn(name = "load_dataset", return_raw, volatile)]
    pub fn load_dataset_named_with(
        context: NativeCallContext,
        path: ImmutableString,
        name: ImmutableString,
        options: Map,
    ) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            let fixed = [("name", Dynamic::from(name.clone()))];
            load(
                "load_dataset",
                &path,
                options,
                &fixed,
                State::of(&context).context(),
            )
            .raise()
        })
    }

    /// Loads the data set that a `DatasetConfig` describes.
    #[rhai_fn(name = "load_dataset", return_raw, volatile)]
    pub fn load_dataset_config(
        context: NativeCallContext,
        config: ConfigHandle<DatasetConfig>,
    ) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            Dataset::load(&config.get(), State::of(&context).context())
                .map(DatasetHandle)
                .raise()
        })
    }

    /// Loads a folder that Python's `datasets.save_to_disk` wrote.
    #[rhai_fn(
        name = "load_from_disk",
        name = "load_dataset_from_disk",
        return_raw,
        volatile
    )]
    pub fn load_from_disk(context: NativeCallContext, path: ImmutableString) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            let fixed = [("is_dataset_on_disk", true.into())];
            load(
                "load_from_disk",
                &path,
                Map::new(),
                &fixed,
                State::of(&context).context(),
            )
            .raise()
        })
    }

    /// Loads such a folder with `#{ split: "train", text_column: "text" }`.
    #[rhai_fn(
        name = "load_from_disk",
        name = "load_dataset_from_disk",
        return_raw,
        volatile
    )]
    pub fn load_from_disk_with(
        context: NativeCallContext,
        path: ImmutableString,
        options: Map,
    ) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            let fixed = [("is_dataset_on_disk", true.into())];
            load(
                "load_from_disk",
                &path,
                options,
                &fixed,
                State::of(&context).context(),
            )
            .raise()
        })
    }

    /// A data set of records that a script made: `datasets::from_list([#{ text: "one" }, #{ text: "two" }])`.
    #[rhai_fn(return_raw)]
    pub fn from_list(context: NativeCallContext, records: Array) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            let rows = records.iter().enumerate();
            rows.map(|(index, record)| to_row(record).under(format!("[{index}]")))
                .collect::<Result<Vec<Row>>>()
                .and_then(|rows| Dataset::from_rows("list", rows))
                .map(DatasetHandle)
                .raise()
        })
    }
}

#[export_module(manifest)]
mod methods {
    /// Number of records. Reads the whole data set where its files do not say.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn len(dataset: &mut DatasetHandle) -> RhaiResultOf<i64> {
        dataset.dataset().len().map(|length| length as i64).raise()
    }

    /// Names of the columns.
    #[rhai_fn(get = "column_names", pure)]
    pub fn column_names(dataset: &mut DatasetHandle) -> Array {
        dataset
            .dataset()
            .columns()
            .iter()
            .map(|name| name.clone().into())
            .collect()
    }

    /// The files it is read from; those of the hub by their names there.
    #[rhai_fn(get = "files", pure)]
    pub fn files(dataset: &mut DatasetHandle) -> Array {
        let files = dataset.dataset().files().into_iter();
        files.map(|path| path.display().to_string().into()).collect()
    }

    /// A record as a map, counted from 0; `-1` is the last.
    #[rhai_fn(index_get, return_raw, pure, volatile)]
    pub fn record(dataset: &mut DatasetHandle, index: i64) -> RhaiResultOf<Dynamic> {
        let dataset = dataset.dataset();
        let missing = || Error::input(format!("there is no record {index}"));
        let at = match index < 0 {
            false => Ok(index as u64),
            true => dataset
                .len()
                .and_then(|length| length.checked_sub(index.unsigned_abs()).ok_or_else(missing)),
        };
        at.and_then(|at| dataset.maps(at).next().unwrap_or_else(|| Err(missing())))
            .map(to_map)
            .raise()
    }

    /// The first `count` records.
    #[rhai_fn(return_raw, pure)]
    pub fn take(dataset: &mut DatasetHandle, count: i64) -> RhaiResultOf<DatasetHandle> {
        let count = number(count, "count").raise()?;
        derived(dataset.dataset().take(count)).raise()
    }

    /// All but the first `count` records.
    #[rhai_fn(return_raw, pure)]
    pub fn skip(dataset: &mut DatasetHandle, count: i64) -> RhaiResultOf<DatasetHandle> {
        let count = number(count, "count").raise()?;
        derived(dataset.dataset().skip(count)).raise()
    }

    /// Part `index` (from 0) of `num_shards`: the records `index`, `index + num_shards`, and so on.
    #[rhai_fn(return_raw, pure)]
    pub fn shard(dataset: &mut DatasetHandle, num_shards: i64, index: i64) -> RhaiResultOf<DatasetHandle> {
        number(num_shards, "num_shards")
            .and_then(|shards| dataset.dataset().shard(shards, number(index, "index")?))
            .and_then(derived)
            .raise()
    }

    /// Part of the data set: `#{ num_shards: 4, index: 0 }`.
    #[rhai_fn(name = "shard", return_raw, pure)]
    pub fn shard_with(dataset: &mut DatasetHandle, options: Map) -> RhaiResultOf<DatasetHandle> {
        let mut arguments = Arguments::new("shard", options);
        let shards = arguments
            .required::<i64>("num_shards", "a number of parts")
            .raise()?;
        let index = arguments.required::<i64>("index", "a part's number").raise()?;
        arguments.finish().raise()?;
        shard(dataset, shards, index)
    }

    /// The same records in an order that depends on the seed alone: files in random order, windows of 10 000
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

    /// The records with these numbers, in this order. Numbers that do not ascend keep the chosen records in memory.
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

    /// The records of a range: `dataset.select(100..200)`.
    #[rhai_fn(name = "select", return_raw, pure)]
    pub fn select_range(dataset: &mut DatasetHandle, range: Range<i64>) -> RhaiResultOf<DatasetHandle> {
        slice(dataset, range).raise()
    }

    /// The records of a range with its end: `dataset.select(100..=199)`.
    #[rhai_fn(name = "select", return_raw, pure)]
    pub fn select_closed(
        dataset: &mut DatasetHandle,
        range: RangeInclusive<i64>,
    ) -> RhaiResultOf<DatasetHandle> {
        slice(dataset, *range.start()..range.end().saturating_add(1)).raise()
    }

    /// The records for which a closure is true: `dataset.filter(|r| r.text.len() > 100)`. Reads all records now, and
    /// keeps the numbers of those that stay.
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
                    "the closure of `filter` returns true or false, but returned a {}",
                    bridge::kind_of(&answer)
                ))
            })
        });
        callbacks.finish(kept.and_then(derived))
    }

    /// Each record with the columns that a closure returns for it, new ones or others of the same name:
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

    /// Name, columns and number of files.
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
