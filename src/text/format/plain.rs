//! Plain text: records with the one column `text`, cut as the Hugging Face loader cuts them.

use std::path::PathBuf;

use super::lines::{Line, Lines};
use super::{Entry, Format, Input, Rows, SampleBy, Selection, rows};
use crate::error::Result;
use crate::text::cell::Row;

const COLUMN: &str = "text";

pub(super) const FORMAT: Format = Format {
    name: "plain text",
    extensions: &["txt", "text", "md"],
    compressible: true,
    settings: &["sample_by"],
    columns: |_| Ok(vec![COLUMN.into()]),
    count,
    open,
};

fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    let records = Records {
        lines: Lines::open(input)?,
        path: input.path.clone(),
        by: input.manner.sample_by,
        ended: false,
    };
    Ok(Box::new(records.skip(selection.skip as usize)))
}

fn count(input: &Input) -> Result<u64> {
    match input.manner.sample_by {
        SampleBy::Line => Lines::open(input)?.try_fold(0, |count, line| line.map(|_| count + 1)),
        SampleBy::Paragraph | SampleBy::Document => rows::count_rows(open(input, &Selection::default())?),
    }
}

struct Records {
    lines: Lines,
    path: PathBuf,
    by: SampleBy,
    ended: bool,
}

impl Records {
    fn read(&mut self) -> Result<Option<Entry>> {
        let text = match self.by {
            SampleBy::Line => self.lines.next().transpose()?,
            SampleBy::Paragraph | SampleBy::Document => self.joined()?,
        };
        Ok(text.map(|text| {
            let text = text.text(&self.path)?;
            Ok(Row::from_iter([(COLUMN.to_string(), text.into())]))
        }))
    }

    /// The next lines as one: those before a blank line, or all there are. As in Python's `text.split("\n\n")`, a third
    /// line end belongs to the paragraph that follows.
    fn joined(&mut self) -> Result<Option<Line>> {
        let mut joined: Option<Line> = None;
        while let Some(line) = self.lines.next().transpose()? {
            let whole = joined.get_or_insert_with(|| Line::begun(line.number));
            whole.append(line, &self.path)?;
            if self.by == SampleBy::Paragraph && whole.bytes.ends_with(b"\n\n") {
                whole.bytes.truncate(whole.bytes.len() - 2);
                if !whole.bytes.is_empty() {
                    return Ok(joined);
                }
                joined = None;
            }
        }
        Ok(joined)
    }
}

impl Iterator for Records {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.ended {
            return None;
        }
        let entry = self.read().transpose();
        self.ended = !matches!(entry, Some(Ok(_)));
        entry
    }
}
