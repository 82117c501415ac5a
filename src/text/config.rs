//! How a data set is named in scripts and configuration files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};

/// Which records to read, and from where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetConfig {
    /// A file, a folder, a glob such as `"corpus/*.jsonl"`, or a data set's name on the Hugging Face hub.
    pub dataset_name_or_path: String,
    /// The Hugging Face cache for data sets from the hub; same effect as the environment variable HF_HOME.
    pub cache_dir: Option<String>,
    /// True: the path is a folder written by Python's `datasets.save_to_disk` (Arrow files).
    pub is_dataset_on_disk: bool,
    /// Which split to read: the one whose name is in the file or folder names, e.g. `train-00000-of-00003.parquet`.
    pub split: String,
    /// The column (or JSON key) that holds the text.
    pub text_column: String,
    /// Only these files of the folder or hub data set: a glob or a list of globs, relative to its root.
    pub data_files: Option<DataFiles>,
    /// True: files are read as their records are needed. False: they are also read through once when the data set is
    /// loaded, so that whatever is wrong with any record shows at once. Memory is small either way.
    pub streaming: bool,
}

impl Default for DatasetConfig {
    fn default() -> Self {
        DatasetConfig {
            dataset_name_or_path: "openwebtext".into(),
            cache_dir: None,
            is_dataset_on_disk: false,
            split: "train".into(),
            text_column: "text".into(),
            data_files: None,
            streaming: true,
        }
    }
}

impl Config for DatasetConfig {
    const NAME: &'static str = "DatasetConfig";

    fn validate(&self) -> Result<()> {
        let required = [
            ("dataset_name_or_path", &self.dataset_name_or_path),
            ("split", &self.split),
            ("text_column", &self.text_column),
        ];
        for (key, value) in required {
            if value.trim().is_empty() {
                return Err(Error::input("must not be empty").under(key));
            }
        }
        if self
            .data_files
            .as_ref()
            .is_some_and(|files| files.patterns().is_empty())
        {
            return Err(Error::input("the list is empty, so no file would be read")
                .hint("leave `data_files` out to read all files of the split")
                .under("data_files"));
        }
        if self.is_dataset_on_disk && self.data_files.is_some() {
            return Err(Error::input(
                "a folder written by save_to_disk lists its own files, so `data_files` cannot choose among them",
            )
            .under("data_files"));
        }
        Ok(())
    }
}

/// One glob or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a glob or a list of globs")]
pub enum DataFiles {
    /// `"data/*.parquet"`
    One(String),
    /// `["a.jsonl", "b-*.jsonl"]`
    Many(Vec<String>),
}

impl DataFiles {
    /// The globs in the order given.
    pub fn patterns(&self) -> &[String] {
        match self {
            DataFiles::One(pattern) => std::slice::from_ref(pattern),
            DataFiles::Many(patterns) => patterns,
        }
    }
}
