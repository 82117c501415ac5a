//! Plain text: each line that is not blank is a record with the one column `text`, as the Hugging Face loader reads it.

use super::lines::Lines;
use super::{Format, Input, Row, Rows, Selection};
use crate::error::Result;

const COLUMN: &str = "text";

pub(super) const FORMAT: Format = Format {
    name: "plain text",
    extensions: &["txt", "text", "md"],
    compressible: true,
    columns: |_| Ok(vec![COLUMN.into()]),
    count: |input| Lines::open(input)?.count_filled(),
    open,
};

fn open(input: &Input, selection: &Selection) -> Result<Rows> {
    let rows = Lines::open(input)?
        .filter(|line| !matches!(line, Ok(text) if text.trim().is_empty()))
        .skip(selection.skip as usize)
        .map(|line| line.map(|text| Row::from_iter([(COLUMN.to_string(), text.into())])));
    Ok(Box::new(rows))
}
