//! `datasets::load_dataset` and the object it returns.

use rhai::plugin::*;
use rhai::{Array, ImmutableString, Map, Module};

use crate::config;
use crate::error::Result;
use crate::event::RunContext;
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::state::State;
use crate::text::{Dataset, DatasetConfig};

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
        &["/// Records of text or tokens: files, folders, globs, or a data set of the Hugging Face hub."],
    );
    combine_with_exported_module!(module, "dataset", methods);
}

fn load(path: &str, options: Map, context: &RunContext) -> Result<DatasetHandle> {
    let mut fields = options;
    let mut arguments = Arguments::new("load_dataset", fields.clone());
    for name in [
        "path",
        "split",
        "text_column",
        "data_files",
        "streaming",
        "cache_dir",
        "is_dataset_on_disk",
    ] {
        arguments.take(name);
    }
    arguments.finish()?;
    fields.remove("path");
    fields.insert("dataset_name_or_path".into(), path.into());
    let config: DatasetConfig = Arguments::new("load_dataset", fields).into_config()?;
    Dataset::load(&config, context).map(DatasetHandle)
}

/// Data sets from files, folders and the Hugging Face hub.
#[export_module]
pub mod functions {
    /// Loads a data set: a file, a folder, a glob such as `"corpus/*.jsonl"`, or a name on the Hugging Face hub.
    #[rhai_fn(return_raw, volatile)]
    pub fn load_dataset(context: NativeCallContext, path: ImmutableString) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            load(&path, Map::new(), State::of(&context).context()).raise()
        })
    }

    /// Loads a data set with `#{ split: "train", text_column: "text", data_files: "*.parquet", streaming: true }`.
    #[rhai_fn(name = "load_dataset", return_raw, volatile)]
    pub fn load_dataset_with(
        context: NativeCallContext,
        path: ImmutableString,
        options: Map,
    ) -> RhaiResultOf<DatasetHandle> {
        placed(&context, || {
            load(&path, options, State::of(&context).context()).raise()
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
}

#[export_module]
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

    /// The files it is read from.
    #[rhai_fn(get = "files", pure)]
    pub fn files(dataset: &mut DatasetHandle) -> Array {
        dataset
            .dataset()
            .files()
            .map(|path| path.display().to_string().into())
            .collect()
    }

    /// Name, columns and number of files.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(dataset: &mut DatasetHandle) -> String {
        let dataset = dataset.dataset();
        let columns: Vec<String> = dataset
            .columns()
            .iter()
            .map(|name| config::Value::from(name.as_str()).to_string())
            .collect();
        let files = dataset.files().count();
        format!(
            "Dataset({:?}, columns: [{}], files: {files})",
            dataset.name(),
            columns.join(", ")
        )
    }
}
