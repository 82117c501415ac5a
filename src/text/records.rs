//! Records as they are used: a text or token ids, or what is wrong with them.

use serde::{Deserialize, Serialize};

use super::cell::{self, Cell, Row, described};
use super::dataset::Dataset;
use super::format::{Entry, Wanted};
use super::rows::Origin;
use crate::error::{Error, Result};
use crate::event::{Events, RunContext};

/// The column that holds the token ids of records that are tokenised already.
pub const TOKEN_COLUMN: &str = "tokens";

/// The column in which Hugging Face's tokenizers put the token ids, and the one that tells which of them are padding.
const INPUT_IDS: &str = "input_ids";
const ATTENTION_MASK: &str = "attention_mask";

/// What to do about a record that cannot be used.
const SKIP: &str =
    "with `on_bad_record` set to \"skip\" the data set goes on without such records and counts them";

/// What a record is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// The text in the configured text column.
    Text,
    /// The token ids in the column `tokens`, or else in `input_ids`, without those whose `attention_mask` is 0.
    Tokens,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text.
    Text(String),
    /// Token ids.
    Tokens(Vec<i64>),
    /// Neither, in a data set that skips such records: what is wrong.
    Bad(String),
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

/// Bad records that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// What is wrong with the first.
    first: Option<String>,
}

impl Skipped {
    /// Counts one that is bad for this reason.
    pub fn add(&mut self, wrong: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| wrong.to_string());
    }

    /// Returns what is wrong with the first.
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Warns of them, if there are any; `name` is the data set's.
    ///
    /// # Errors
    /// What an observer says.
    pub fn tell(&self, name: &str, events: &Events) -> Result<()> {
        match (&self.first, self.count) {
            (None, _) => Ok(()),
            (Some(first), 1) => events.warn(format!("`{name}`: 1 bad record was skipped: {first}")),
            (Some(first), count) => events.warn(format!(
                "`{name}`: {count} bad records were skipped; the first: {first}"
            )),
        }
    }
}

/// The columns in which records of one kind are, and how they are read.
#[derive(Clone, Debug)]
struct Reading {
    kind: RecordKind,
    column: String,
    /// Tells which token ids are no padding.
    mask: Option<&'static str>,
}

impl Reading {
    fn wanted(&self) -> Wanted {
        let mask = self.mask.map(String::from);
        Wanted::only(std::iter::once(self.column.clone()).chain(mask).collect())
    }

    /// What `row` holds.
    ///
    /// # Errors
    /// Something else.
    fn content(&self, row: &Row, origin: &Origin) -> Result<Content> {
        let cell = cell::find(row, &self.column);
        let content = match self.kind {
            RecordKind::Text => text(cell),
            RecordKind::Tokens => tokens(cell, self.mask.and_then(|mask| row.get(mask))),
        };
        content.map_err(|what| {
            let (file, column) = (origin.file.display(), &self.column);
            Error::input(format!(
                "`{file}`, record {}: the column `{column}` {what}",
                origin.row + 1
            ))
        })
    }
}

impl Dataset {
    /// Returns the records from number `start` on.
    ///
    /// # Errors
    /// The column is missing; later, what is wrong with a file, or with a record unless bad records are skipped.
    pub fn records(&self, kind: RecordKind, start: u64) -> Result<Records> {
        let reading = self.reading_of(kind)?;
        let skips = self.skips_bad_records();
        let rows = self.rows(&reading.wanted(), start);
        let records = rows.map(move |row| {
            let (origin, entry) = row?;
            match entry.and_then(|row| reading.content(&row, &origin)) {
                Ok(content) => Ok(Record { content, origin }),
                Err(wrong) if skips => Ok(Record {
                    content: Content::Bad(wrong.message().to_string()),
                    origin,
                }),
                Err(wrong) => Err(wrong.hint(SKIP)),
            }
        });
        Ok(Box::new(records.scan(false, |failed, record| {
            let ended = *failed;
            *failed = record.is_err();
            (!ended).then_some(record)
        })))
    }

    /// Returns the whole records from number `start` on: column name → cell, null where a record lacks a column. Where
    /// bad records are skipped, those are left out that could not be used as texts, or as token ids if there are no
    /// texts.
    pub fn maps(&self, start: u64) -> Box<dyn Iterator<Item = Result<Row>> + Send> {
        let used = self.used(start);
        Box::new(used.filter_map(|record| match record {
            Ok((_, row)) => row.ok().map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// Returns the record of this number as [`maps`](Self::maps) gives it; `None` beyond the end.
    ///
    /// # Errors
    /// What is wrong with the file, or with the record where it would be skipped as bad.
    pub fn record(&self, number: u64) -> Result<Option<Row>> {
        self.used(number).next().map(|record| record?.1).transpose()
    }

    /// Returns the whole records from number `start` on with their numbers, or what is wrong with them where bad
    /// records are skipped.
    pub(super) fn used(&self, start: u64) -> Box<dyn Iterator<Item = Result<(u64, Entry)>> + Send> {
        let columns = self.columns().to_vec();
        let skips = self.skips_bad_records();
        let reading = self.used_as().filter(|_| skips);
        let rows = self.rows(&Wanted::default(), start);
        Box::new(rows.map(move |row| {
            let (origin, entry) = row?;
            let entry = entry.and_then(|mut row| {
                if let Some(reading) = &reading {
                    reading.content(&row, &origin)?;
                }
                for column in &columns {
                    if !row.contains_key(column) {
                        row.insert(column.clone(), Cell::Null);
                    }
                }
                Ok(row)
            });
            match entry {
                Err(wrong) if !skips => Err(wrong.hint(SKIP)),
                entry => Ok((origin.index, entry)),
            }
        }))
    }

    /// Returns the bad records, by reading all: how many there are, and what is wrong with the first.
    ///
    /// # Errors
    /// Files that cannot be read, an interruption.
    pub fn bad_records(&self, context: &RunContext) -> Result<Skipped> {
        self.skipping().look_through(context)
    }

    /// Reads every record, for what it would be used for: those that are skipped as bad.
    pub(super) fn look_through(&self, context: &RunContext) -> Result<Skipped> {
        let mut skipped = Skipped::default();
        let mut look = |wrong: Option<String>| {
            wrong.iter().for_each(|wrong| skipped.add(wrong));
            context.check("reading the data set")
        };
        match self.used_as() {
            Some(reading) => {
                for record in self.records(reading.kind, 0)? {
                    look(match record?.content {
                        Content::Bad(wrong) => Some(wrong),
                        Content::Text(_) | Content::Tokens(_) => None,
                    })?;
                }
            }
            None => {
                for record in self.used(0) {
                    look(record?.1.err().map(|wrong| wrong.message().to_string()))?;
                }
            }
        }
        Ok(skipped)
    }

    /// What its records would be used as: texts, or token ids if there are no texts.
    fn used_as(&self) -> Option<Reading> {
        let mut kinds = [RecordKind::Text, RecordKind::Tokens].into_iter();
        kinds.find_map(|kind| self.reading_of(kind).ok())
    }

    /// Where records of a kind stand.
    fn reading_of(&self, kind: RecordKind) -> Result<Reading> {
        let has = |column: &str| self.columns().iter().any(|name| name == column);
        let reading = match kind {
            RecordKind::Text => Reading {
                kind,
                column: self.text_column().into(),
                mask: None,
            },
            RecordKind::Tokens if has(INPUT_IDS) && !has(TOKEN_COLUMN) => Reading {
                kind,
                column: INPUT_IDS.into(),
                mask: Some(ATTENTION_MASK).filter(|mask| has(mask)),
            },
            RecordKind::Tokens => Reading {
                kind,
                column: TOKEN_COLUMN.into(),
                mask: None,
            },
        };
        match self.check_column(&reading.column) {
            Ok(()) => Ok(reading),
            Err(error) if kind == RecordKind::Tokens => {
                Err(error
                    .hint("records of a tokenised data set hold lists of ids under `tokens` or `input_ids`"))
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses a column that no column begins the path of.
    pub(super) fn check_column(&self, column: &str) -> Result<()> {
        if self.columns().iter().any(|name| cell::begins(column, name)) {
            return Ok(());
        }
        Err(self.unknown_column(column, self.columns()))
    }

    pub(super) fn unknown_column(&self, column: &str, known: &[String]) -> Error {
        let error =
            Error::unknown("column", column, known).context(format!("in the data set `{}`", self.name()));
        if column == self.text_column() {
            return error.hint("`text_column` names the column that holds the text");
        }
        error
    }
}

fn text(cell: Option<&Cell>) -> Result<Content, String> {
    match cell {
        Some(Cell::Text(text)) => Ok(Content::Text(text.clone())),
        other => Err(format!("should hold a text, but {}", described(other))),
    }
}

fn tokens(cell: Option<&Cell>, mask: Option<&Cell>) -> Result<Content, String> {
    let ids = numbers(cell).map_err(|found| format!("should hold a list of token ids, but {found}"))?;
    let Some(mask) = mask else {
        return Ok(Content::Tokens(ids));
    };
    let mask = numbers(Some(mask)).map_err(|found| format!("has an `{ATTENTION_MASK}` that {found}"))?;
    if mask.len() != ids.len() {
        return Err(format!(
            "holds {} token ids, but its `{ATTENTION_MASK}` has {} numbers",
            ids.len(),
            mask.len()
        ));
    }
    let kept = ids.into_iter().zip(mask).filter(|(_, kept)| *kept != 0);
    Ok(Content::Tokens(kept.map(|(id, _)| id).collect()))
}

/// A list of numbers that are not negative, or what it is instead.
fn numbers(cell: Option<&Cell>) -> Result<Vec<i64>, String> {
    match cell {
        Some(Cell::List(items)) => {
            let numbers: Option<Vec<i64>> = items.iter().map(Cell::as_i64).collect();
            numbers
                .filter(|numbers| numbers.iter().all(|number| *number >= 0))
                .ok_or_else(|| "not all items are non-negative integers".into())
        }
        other => Err(described(other)),
    }
}
