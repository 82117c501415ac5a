//! `datasets::load_dataset` and the other ways to a data set.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map};

use super::dataset::{DatasetHandle, to_row};
use crate::config::{self, Value};
use crate::error::{Context, Error, Result};
use crate::event::RunContext;
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::state::State;
use crate::text::{Dataset, DatasetConfig, Row};

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
            .chain(DatasetConfig::OTHER_NAMES.iter().map(ToString::to_string))
            .collect(),
        _ => Vec::new(),
    };
    if let Some(unknown) = options
        .keys()
        .find(|key| !allowed.iter().any(|name| name == key.as_str()))
    {
        let error = Error::unknown_key("argument", unknown, &allowed).under(unknown.as_str());
        return Err(error.context(format!("in the call of `{function}`")));
    }
    options.insert("dataset_name_or_path".into(), path.into());
    for (key, value) in fixed {
        options.insert((*key).into(), value.clone());
    }
    let config: DatasetConfig = Arguments::new("datasets", function, options).into_config()?;
    Dataset::load(&config, context).map(DatasetHandle::new)
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

    /// Loads with `#{ split: "train[:10%]", text_column: "text", data_files: "*.parquet", on_bad_record: "skip" }`;
    /// also `name`, `revision`, `data_dir`, `cache_dir`, `is_dataset_on_disk`, `streaming`, and for some formats `sep`,
    /// `field` and `sample_by`, all of which `DatasetConfig` describes.
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
            Dataset::load(config.get(), State::of(&context).context())
                .map(DatasetHandle::new)
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

    /// Returns a data set of records that a script made: `datasets::from_list([#{ text: "one" }, #{ text: "two" }])`.
    #[rhai_fn(return_raw)]
    pub fn from_list(context: NativeCallContext, records: Array) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            let rows = records.iter().enumerate();
            rows.map(|(index, record)| to_row(record).under(format!("[{index}]")))
                .collect::<Result<Vec<Row>>>()
                .and_then(|rows| Dataset::from_rows("list", rows))
                .map(DatasetHandle::new)
                .raise()
        })
    }
}
