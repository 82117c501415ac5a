//! How a data set is named in scripts and configuration files.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data_file::DataFile;
use super::format::{self, Manner, SampleBy};
use super::split::Split;
use crate::config::{Config, Value};
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
    /// The column (or JSON key) that holds the text. A path such as `meta.text` leads into an object, a struct or a map,
    /// unless a column has that very name.
    pub text_column: String,
    /// What becomes of a record that cannot be read, or that holds no text (or no token ids): `"error"` ends the work at it
    /// and says what is wrong; `"skip"` goes on without it, and how many there were is said at the end.
    pub on_bad_record: OnBadRecord,
    /// Only these files of the folder or hub data set: a glob or a list of globs, relative to its root; or a map from
    /// split to such.
    pub data_files: Option<DataFiles>,
    /// CSV: the one character that stands between cells; null: a comma, or a tab in `.tsv`. Also called `delimiter`.
    #[serde(alias = "delimiter")]
    pub sep: Option<String>,
    /// JSON: the key of the object in a file under which its list of records is; null: the first list of objects in it.
    pub field: Option<String>,
    /// Plain text: what is one record: a `"line"`, a `"paragraph"` (blank lines stand between them), or the whole file, a
    /// `"document"`.
    pub sample_by: SampleBy,
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
            on_bad_record: OnBadRecord::default(),
            data_files: None,
            sep: None,
            field: None,
            sample_by: SampleBy::default(),
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
        separator(self.sep.as_deref()).map_err(|error| error.under("sep"))?;
        if self.is_dataset_on_disk && self.data_files.is_some() {
            return Err(Error::input(
                "a folder written by save_to_disk lists its own files, so `data_files` cannot choose among them",
            )
            .under("data_files"));
        }
        Ok(())
    }
}

impl DatasetConfig {
    /// Other names that fields go by.
    pub const OTHER_NAMES: &'static [&'static str] = &["delimiter"];

    /// Returns how the files are to be read.
    pub(super) fn manner(&self) -> Manner {
        Manner {
            separator: separator(self.sep.as_deref()).unwrap_or_default(),
            field: self.field.clone(),
            text_column: self.text_column.clone(),
            sample_by: self.sample_by,
        }
    }

    /// Returns what decides the records of `files` besides their contents and the text column, for fingerprints.
    pub(super) fn reading(&self, files: &[Arc<DataFile>]) -> Vec<(&'static str, Value)> {
        let is_plain = files.first().and_then(|file| format::of(file.shown()));
        let is_plain = is_plain.is_some_and(|format| format.settings.contains(&"sample_by"));
        let told = [
            (
                "on_bad_record",
                (self.on_bad_record == OnBadRecord::Skip).then(|| "skip".into()),
            ),
            ("sep", self.sep.as_deref().map(Value::from)),
            ("field", self.field.as_deref().map(Value::from)),
            // Told even where nobody says it: blank lines were once no records.
            ("sample_by", is_plain.then(|| self.sample_by.name().into())),
        ];
        told.into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }

    /// Returns the settings that were given of how files are to be read.
    pub(super) fn manner_given(&self) -> Vec<&'static str> {
        let given = [
            ("sep", self.sep.is_some()),
            ("field", self.field.is_some()),
            ("sample_by", self.sample_by != SampleBy::default()),
        ];
        given
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(key, _)| key)
            .collect()
    }
}

/// The byte that `sep` names.
fn separator(sep: Option<&str>) -> Result<Option<u8>> {
    let Some(sep) = sep else {
        return Ok(None);
    };
    let byte = match sep {
        "\\t" => Some(b'\t'),
        _ => <[u8; 1]>::try_from(sep.as_bytes()).ok().map(|[byte]| byte),
    };
    let usable = byte.filter(|byte| (*byte == b'\t' || (b' '..=b'~').contains(byte)) && *byte != b'"');
    match usable {
        Some(byte) => Ok(Some(byte)),
        None => Err(Error::input(format!(
            "must be one ASCII character that is no quote, e.g. `;`, but is {sep:?}"
        ))),
    }
}

/// What becomes of records that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBadRecord {
    /// They end the work.
    #[default]
    Error,
    /// They are left out and counted.
    Skip,
}

/// Which files these settings lead to is told by what the files hold.
impl Identified for DatasetConfig {
    const DECIDES: &'static [&'static str] = &[
        "split",
        "text_column",
        "on_bad_record",
        "sep",
        "field",
        "sample_by",
    ];
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
    /// Returns the globs for `split`, in the order given.
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
