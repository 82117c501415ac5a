//! A data set: records of text or token ids, read from files as they are needed.

use std::path::Path;
use std::sync::Arc;

use super::config::DatasetConfig;
use super::data_file::DataFile;
use super::files;
use super::format::Row;
use super::order::Order;
use super::rows::{self, PlacedRows};
use super::split::{Part, Split};
use crate::config::{Config, Value};
use crate::error::{Error, Result};
use crate::event::RunContext;

/// The column that holds the token ids of records that are tokenised already.
pub const TOKEN_COLUMN: &str = "tokens";

/// What a record is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// The text in the configured text column.
    Text,
    /// The token ids in the column `tokens`.
    Tokens,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text.
    Text(String),
    /// Token ids.
    Tokens(Vec<i64>),
}

/// Where a record came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The file.
    pub file: Arc<Path>,
    /// Row in the file, from 0.
    pub row: u64,
    /// Row in the whole data set, from 0.
    pub index: u64,
}

/// One text or token sequence of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Text or token ids.
    pub content: Content,
    /// Where it came from.
    pub origin: Origin,
}

/// Records in order. Ends after the first error.
pub type Records = Box<dyn Iterator<Item = Result<Record>> + Send>;

/// A cheap handle on a data set; clones share what was found out about the files.
#[derive(Clone, Debug)]
pub struct Dataset(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    /// The split that it was loaded as; `None` for one that was made from others or in memory.
    split: Option<String>,
    text_column: String,
    columns: Vec<String>,
    source: Source,
    /// How many data sets it was made from, each from the one before.
    steps: usize,
}

/// Where the records are.
#[derive(Debug)]
pub(super) enum Source {
    /// In files.
    Files(Arc<[Arc<DataFile>]>),
    /// In memory.
    Memory(Arc<[Row]>),
    /// In another data set.
    Chosen(Dataset, Order),
}

impl Source {
    /// Another handle on the same records.
    fn share(&self) -> Source {
        match self {
            Source::Files(files) => Source::Files(files.clone()),
            Source::Memory(rows) => Source::Memory(rows.clone()),
            Source::Chosen(of, order) => Source::Chosen(of.clone(), order.clone()),
        }
    }
}

impl Dataset {
    /// Finds the files of a data set and looks into the first one.
    ///
    /// # Errors
    /// Missing paths, unknown splits and formats, empty files and folders, files that are damaged at first sight, a
    /// text column other than the default that the first file does not have, what the hub has to say.
    pub fn load(config: &DatasetConfig, context: &RunContext) -> Result<Dataset> {
        config.validate()?;
        context.check("loading the data set")?;
        let split = Split::parse(&config.split).map_err(|error| error.under("split"))?;
        let files = files::find(config, &split.name, context)?;
        if let Some(revision) = &config.revision
            && files.iter().all(|file| file.on_hub_at().is_none())
        {
            context.events.warn(format!(
                "`revision` \"{revision}\" does nothing: `{}` is read from this machine, not from the hub",
                config.dataset_name_or_path
            ))?;
        }
        let columns = match files.first() {
            Some(first) => first.columns()?,
            None => Vec::new(),
        };
        if columns.is_empty() {
            return Err(Error::input(format!(
                "the data set `{}` holds no records",
                config.dataset_name_or_path
            )));
        }
        let dataset = Dataset::new(
            config.dataset_name_or_path.clone(),
            config.text_column.clone(),
            columns,
            Source::Files(files.into()),
        );
        // Records of tokens have no use for the default.
        if config.text_column != DatasetConfig::default().text_column {
            dataset
                .check_column(&config.text_column, RecordKind::Text)
                .map_err(|error| error.under("text_column"))?;
        }
        let dataset = match split.part {
            Some(part) => dataset.part(part)?,
            None => dataset,
        };
        let dataset = dataset.loaded_as(config.split.trim());
        if !config.streaming {
            dataset.read_through(context)?;
        }
        Ok(dataset)
    }

    /// The same data set under the name of the split that it is.
    fn loaded_as(self, split: &str) -> Self {
        let inner = &self.0;
        Dataset(Arc::new(Inner {
            name: inner.name.clone(),
            split: Some(split.to_string()),
            text_column: inner.text_column.clone(),
            columns: inner.columns.clone(),
            source: inner.source.share(),
            steps: inner.steps,
        }))
    }

    /// A data set of records that are in memory.
    ///
    /// # Errors
    /// There are none, or the first has no keys.
    pub fn from_rows(name: &str, rows: Vec<Row>) -> Result<Dataset> {
        let columns: Vec<String> = rows.first().into_iter().flat_map(Row::keys).cloned().collect();
        if columns.is_empty() {
            return Err(Error::input(format!("the data set `{name}` holds no records")));
        }
        let text_column = DatasetConfig::default().text_column;
        Ok(Dataset::new(
            name.into(),
            text_column,
            columns,
            Source::Memory(rows.into()),
        ))
    }

    fn new(name: String, text_column: String, columns: Vec<String>, source: Source) -> Self {
        Dataset(Arc::new(Inner {
            name,
            split: None,
            text_column,
            columns,
            source,
            steps: 0,
        }))
    }

    /// How many data sets it was made from, each from the one before: `corpus.shuffle(42).take(10)` from 2.
    pub fn steps(&self) -> usize {
        self.0.steps
    }

    /// Another data set made from this one by `step`, e.g. `take(10)`.
    pub(super) fn derived(&self, step: &str, columns: Vec<String>, source: Source) -> Self {
        Dataset(Arc::new(Inner {
            name: format!("{}.{step}", self.0.name),
            split: None,
            text_column: self.0.text_column.clone(),
            columns,
            source,
            steps: self.0.steps + 1,
        }))
    }

    /// The same data set with its records elsewhere.
    pub(super) fn with_source(&self, source: Source) -> Self {
        let inner = &self.0;
        Dataset(Arc::new(Inner {
            name: inner.name.clone(),
            split: inner.split.clone(),
            text_column: inner.text_column.clone(),
            columns: inner.columns.clone(),
            source,
            steps: inner.steps,
        }))
    }

    pub(super) fn source(&self) -> &Source {
        &self.0.source
    }

    /// The split that it was loaded as.
    pub(super) fn split(&self) -> Option<&str> {
        self.0.split.as_deref()
    }

    /// The column that holds the text.
    pub(super) fn text_column(&self) -> &str {
        &self.0.text_column
    }

    fn part(&self, part: Part) -> Result<Dataset> {
        let length = match part.needs_length() {
            true => self.len()?,
            false => u64::MAX,
        };
        let range = part.range(length);
        Ok(self.skip(range.start).take(range.end - range.start))
    }

    /// Reads every record, for what it would be used for, so that whatever is wrong shows now.
    fn read_through(&self, context: &RunContext) -> Result<()> {
        let kinds = [
            (self.0.text_column.as_str(), RecordKind::Text),
            (TOKEN_COLUMN, RecordKind::Tokens),
        ];
        let used = kinds
            .iter()
            .find(|(column, _)| self.0.columns.iter().any(|name| name == column));
        match used {
            Some((_, kind)) => self.records(*kind, 0)?.try_for_each(|record| {
                record?;
                context.check("loading the data set")
            }),
            None => self.rows(None, 0).try_for_each(|row| {
                row?;
                context.check("loading the data set")
            }),
        }
    }

    /// The name or path it was loaded by, and what was done with it since: `corpus.shuffle(42).take(10)`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The column names of the first file.
    pub fn columns(&self) -> &[String] {
        &self.0.columns
    }

    /// The files it is read from, in order; those of the hub by their names there.
    pub fn files(&self) -> Vec<&Path> {
        match &self.0.source {
            Source::Files(files) => files.iter().map(|file| file.shown()).collect(),
            Source::Chosen(of, _) => of.files(),
            Source::Memory(_) => Vec::new(),
        }
    }

    /// The number of records. Counted once: from the footers of Parquet files, by reading text files through.
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

    /// Is there no record at all?
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool> {
        self.rows(None, 0).next().transpose().map(|first| first.is_none())
    }

    /// The records from number `start` on.
    ///
    /// # Errors
    /// The column is missing; later, what is wrong with a file, naming it and the line.
    pub fn records(&self, kind: RecordKind, start: u64) -> Result<Records> {
        let column = match kind {
            RecordKind::Text => self.0.text_column.clone(),
            RecordKind::Tokens => TOKEN_COLUMN.to_string(),
        };
        self.check_column(&column, kind)?;
        let parse_column = column.clone();
        let rows = self.rows(Some(column), start);
        Ok(Box::new(rows.map(move |row| {
            let (origin, mut row) = row?;
            let cell = row.swap_remove(&parse_column);
            let content = match kind {
                RecordKind::Text => text(cell),
                RecordKind::Tokens => tokens(cell),
            };
            match content {
                Ok(content) => Ok(Record { content, origin }),
                Err(what) => Err(Error::input(format!(
                    "`{}`, record {}: the column `{parse_column}` {what}",
                    origin.file.display(),
                    origin.row + 1
                ))),
            }
        })))
    }

    /// Whole records from number `start` on: column name → value.
    pub fn maps(&self, start: u64) -> Box<dyn Iterator<Item = Result<Row>> + Send> {
        Box::new(self.rows(None, start).map(|row| Ok(row?.1)))
    }

    /// Whole rows from number `start` on, with their origins; only `column` of each where one is given.
    pub(super) fn rows(&self, column: Option<String>, start: u64) -> PlacedRows {
        match &self.0.source {
            Source::Files(files) => rows::read(files.clone(), column, start),
            Source::Memory(kept) => {
                let file: Arc<Path> = Path::new(&self.0.name).into();
                let kept = kept.clone();
                let row = move |index: u64| {
                    let origin = Origin {
                        file: file.clone(),
                        row: index,
                        index,
                    };
                    Ok((origin, kept.get(index as usize)?.clone())).into()
                };
                Box::new((start..).map_while(row))
            }
            Source::Chosen(of, order) => order.rows(of, column, start),
        }
    }

    fn check_column(&self, column: &str, kind: RecordKind) -> Result<()> {
        if self.0.columns.iter().any(|name| name == column) {
            return Ok(());
        }
        let error = Error::unknown("column", column, self.columns())
            .context(format!("in the data set `{}`", self.name()));
        Err(match kind {
            RecordKind::Text => error.hint("`text_column` names the column that holds the text"),
            RecordKind::Tokens => {
                error.hint("records of a tokenised data set hold lists of ids under `tokens`")
            }
        })
    }
}

fn text(cell: Option<Value>) -> Result<Content, String> {
    match cell {
        Some(Value::String(text)) => Ok(Content::Text(text)),
        other => Err(format!("should hold a text, but {}", describe(other.as_ref()))),
    }
}

fn tokens(cell: Option<Value>) -> Result<Content, String> {
    let wrong = |found: String| format!("should hold a list of token ids, but {found}");
    match cell {
        Some(Value::Array(items)) => {
            let ids: Option<Vec<i64>> = items.iter().map(Value::as_i64).collect();
            ids.filter(|ids| ids.iter().all(|id| *id >= 0))
                .map(Content::Tokens)
                .ok_or_else(|| wrong("not all items are non-negative integers".into()))
        }
        other => Err(wrong(describe(other.as_ref()))),
    }
}

fn describe(cell: Option<&Value>) -> String {
    match cell {
        None => "is missing".into(),
        Some(Value::Null) => "is null".into(),
        Some(Value::Array(_)) => "holds a list".into(),
        Some(Value::Object(_)) => "holds a map".into(),
        Some(Value::String(_)) => "holds a text".into(),
        Some(other) => format!("holds {other}"),
    }
}
