//! A data set: records of text or token ids, read from files as they are needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::config::DatasetConfig;
use super::files;
use super::format::{self, Row, Rows, Selection};
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
    text_column: String,
    columns: Vec<String>,
    files: Vec<DataFile>,
}

#[derive(Debug)]
struct DataFile {
    path: Arc<Path>,
    rows: OnceLock<u64>,
}

impl Dataset {
    /// Finds the files of a data set and looks into the first one.
    ///
    /// # Errors
    /// Missing paths, unknown splits and formats, empty files and folders, files that are damaged at first sight.
    pub fn load(config: &DatasetConfig, context: &RunContext) -> Result<Dataset> {
        config.validate()?;
        context.check("loading the data set")?;
        let files = files::find(config)?;
        let columns = match files.first() {
            Some(first) => (format::required(first)?.columns)(first)?,
            None => Vec::new(),
        };
        if columns.is_empty() {
            return Err(Error::input(format!(
                "the data set `{}` holds no records",
                config.dataset_name_or_path
            )));
        }
        let dataset = Dataset(Arc::new(Inner {
            name: config.dataset_name_or_path.clone(),
            text_column: config.text_column.clone(),
            columns,
            files: files.into_iter().map(DataFile::new).collect(),
        }));
        if !config.streaming {
            for row in dataset.rows(None, 0) {
                row?;
                context.check("loading the data set")?;
            }
        }
        Ok(dataset)
    }

    /// The name or path it was loaded by.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The column names of the first file.
    pub fn columns(&self) -> &[String] {
        &self.0.columns
    }

    /// The files it is read from, in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.files.iter().map(|file| file.path.as_ref())
    }

    /// The number of records. Counted once: from the footers of Parquet files, by reading text files through.
    pub fn len(&self) -> Result<u64> {
        self.0.files.iter().map(DataFile::rows).sum()
    }

    /// Is there no record at all?
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
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
        if !self.0.columns.contains(&column) {
            return Err(self.no_such_column(&column, kind));
        }
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

    /// Whole rows from number `start` on, with their origins; only `column` of each where one is given.
    fn rows(&self, column: Option<String>, start: u64) -> RowReader {
        RowReader {
            dataset: self.clone(),
            column,
            skip: start,
            file: 0,
            row: 0,
            index: start,
            open: None,
        }
    }

    fn no_such_column(&self, column: &str, kind: RecordKind) -> Error {
        let error = Error::unknown("column", column, self.columns())
            .context(format!("in the data set `{}`", self.name()));
        match kind {
            RecordKind::Text => error.hint("`text_column` names the column that holds the text"),
            RecordKind::Tokens => {
                error.hint("records of a tokenised data set hold lists of ids under `tokens`")
            }
        }
    }
}

impl DataFile {
    fn new(path: PathBuf) -> Self {
        DataFile {
            path: path.into(),
            rows: OnceLock::new(),
        }
    }

    fn rows(&self) -> Result<u64> {
        if let Some(rows) = self.rows.get() {
            return Ok(*rows);
        }
        let rows = (format::required(&self.path)?.count)(&self.path)?;
        Ok(*self.rows.get_or_init(|| rows))
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

/// Walks through the files; those that lie wholly before the start are only counted.
struct RowReader {
    dataset: Dataset,
    column: Option<String>,
    skip: u64,
    file: usize,
    row: u64,
    index: u64,
    open: Option<Rows>,
}

impl RowReader {
    fn advance(&mut self) -> Result<Option<(Origin, Row)>> {
        loop {
            let dataset = self.dataset.clone();
            let Some(file) = dataset.0.files.get(self.file) else {
                return Ok(None);
            };
            if self.open.is_none() {
                if self.skip > 0 && file.rows()? <= self.skip {
                    self.skip -= file.rows()?;
                    self.file += 1;
                    continue;
                }
                let selection = Selection {
                    column: self.column.clone(),
                    skip: self.skip,
                };
                self.open = Some((format::required(&file.path)?.open)(&file.path, &selection)?);
                self.row = self.skip;
                self.skip = 0;
            }
            if let Some(row) = self.open.as_mut().and_then(|rows| rows.next()) {
                let origin = Origin {
                    file: file.path.clone(),
                    row: self.row,
                    index: self.index,
                };
                self.row += 1;
                self.index += 1;
                return Ok(Some((origin, row?)));
            }
            self.open = None;
            self.file += 1;
        }
    }
}

impl Iterator for RowReader {
    type Item = Result<(Origin, Row)>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance();
        if item.is_err() {
            self.file = usize::MAX;
            self.open = None;
        }
        item.transpose()
    }
}
