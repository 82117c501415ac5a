//! How a data set is named in scripts and configuration files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::split::Split;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fingerprint::Identified;

/// Which records to read, and from where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetConfig {
    /// A file, a folder, a glob such as `"corpus/*.jsonl"`, or a data set's name on the Hugging Face hub.
    pub dataset_name_or_path: String,
    /// Which of the data set's configurations to read: one that its README lists, or a sub-folder.
    pub name: Option<String>,
    /// Branch, tag or commit of a data set from the hub; null: main.
    pub revision: Option<String>,
    /// Only what is below this folder of the data set.
    pub data_dir: Option<String>,
    /// The Hugging Face cache for data sets from the hub; same effect as the environment variable HF_HOME.
    pub cache_dir: Option<String>,
    /// True: the path is a folder written by Python's `datasets.save_to_disk` (Arrow files).
    pub is_dataset_on_disk: bool,
    /// Which split to read: the one that the README lists, or whose name is in the file or folder names, e.g.
    /// `train-00000-of-00003.parquet`. A part of one is written as `train[:1000]` or `train[10%:20%]`.
    pub split: String,
    /// The column (or JSON key) that holds the text.
    pub text_column: String,
    /// Only these files of the folder or hub data set: a glob or a list of globs, relative to its root; or a map from
    /// split to such.
    pub data_files: Option<DataFiles>,
    /// True: files are fetched and read as their records are needed. False: they are fetched and read through once when
    /// the data set is loaded, so that whatever is wrong with any record shows at once. Memory is small either way.
    pub streaming: bool,
}

impl Default for DatasetConfig {
    fn default() -> Self {
        DatasetConfig {
            dataset_name_or_path: "openwebtext".into(),
            name: None,
            revision: None,
            data_dir: None,
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
        let optional = [
            ("name", &self.name),
            ("revision", &self.revision),
            ("data_dir", &self.data_dir),
        ];
        let given = optional
            .iter()
            .filter_map(|(key, value)| Some((*key, value.as_ref()?)));
        for (key, value) in required.into_iter().chain(given) {
            if value.trim().is_empty() {
                return Err(Error::input("must not be empty").under(key));
            }
        }
        Split::parse(&self.split).map_err(|error| error.under("split"))?;
        if self.data_files.as_ref().is_some_and(DataFiles::is_empty) {
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

/// Which files these settings lead to is told by what the files hold.
impl Identified for DatasetConfig {
    const DECIDES: &'static [&'static str] = &["split", "text_column"];
    const FREE: &'static [&'static str] = &[
        "dataset_name_or_path",
        "name",
        "revision",
        "data_dir",
        "cache_dir",
        "is_dataset_on_disk",
        "data_files",
        "streaming",
    ];
}

/// One glob, several, or some for each split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a glob, a list of globs, or a map from split to globs")]
pub enum DataFiles {
    /// `"data/*.parquet"`
    One(String),
    /// `["a.jsonl", "b-*.jsonl"]`
    Many(Vec<String>),
    /// `{ train = "a-*.jsonl", test = ["b.jsonl"] }`
    BySplit(BTreeMap<String, DataFiles>),
}

impl DataFiles {
    /// The globs for `split`, in the order given.
    ///
    /// # Errors
    /// A map without that split.
    pub(super) fn of_split(&self, split: &str) -> Result<Vec<String>> {
        match self {
            DataFiles::One(glob) => Ok(vec![glob.clone()]),
            DataFiles::Many(globs) => Ok(globs.clone()),
            DataFiles::BySplit(map) => {
                let names: Vec<&String> = map.keys().collect();
                let files = map
                    .get(split)
                    .ok_or_else(|| Error::unknown("split", split, &names))?;
                files.of_split(split)
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            DataFiles::One(_) => false,
            DataFiles::Many(globs) => globs.is_empty(),
            DataFiles::BySplit(map) => map.values().any(DataFiles::is_empty) || map.is_empty(),
        }
    }
}
