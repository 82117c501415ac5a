//! What the columns of a record hold: one form of values for every format.
//!
//! Beyond JSON there are floats that are not finite, which Python writes into JSON as `NaN` and which Arrow's columns hold.

use std::io::{self, Write};

use indexmap::IndexMap;

use crate::config::Value;

/// One record: column name → cell, in the order of the file.
pub type Row = IndexMap<String, Cell>;

/// What one column of a record holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing: a null, an empty cell of a CSV file, a column that the record lacks.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, NaN and the infinities with it.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Cell>),
    /// Names with a cell each: an object, a struct, a map.
    Map(Row),
}

impl Cell {
    /// Returns the whole number that it is.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Cell::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the text that it is.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Writes it as Python's `json` does: JSON with `NaN`, `Infinity` and `-Infinity`.
    ///
    /// # Errors
    /// What the writer says.
    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Cell::Null => out.write_all(b"null"),
            Cell::Bool(flag) => write!(out, "{flag}"),
            Cell::Int(number) => write!(out, "{number}"),
            Cell::Float(number) if number.is_nan() => out.write_all(b"NaN"),
            Cell::Float(number) if number.is_infinite() => {
                out.write_all(if *number > 0.0 { b"Infinity" } else { b"-Infinity" })
            }
            Cell::Float(number) => Ok(serde_json::to_writer(out, number)?),
            Cell::Text(text) => Ok(serde_json::to_writer(out, text)?),
            Cell::List(items) => {
                out.write_all(b"[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.write_all(b",")?;
                    }
                    item.write_json(out)?;
                }
                out.write_all(b"]")
            }
            Cell::Map(row) => write_row(row, out),
        }
    }
}

/// Writes a record as [`Cell::write_json`] does.
///
/// # Errors
/// What the writer says.
pub(super) fn write_row(row: &Row, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{")?;
    for (index, (name, cell)) in row.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, name)?;
        out.write_all(b":")?;
        cell.write_json(out)?;
    }
    out.write_all(b"}")
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Int(number)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Float(number)
    }
}

/// A whole number beyond 64 bits with a sign is the nearest float, as everywhere else.
impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Cell::Float(number as f64), Cell::Int)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Cell::Bool(flag)
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(flag) => Cell::Bool(flag),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Cell::Int(number),
                None => Cell::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Cell::Text(text),
            Value::Array(items) => Cell::List(items.into_iter().map(Cell::from).collect()),
            Value::Object(map) => {
                Cell::Map(map.into_iter().map(|(name, cell)| (name, cell.into())).collect())
            }
        }
    }
}

/// Returns the cell that `column` names in `row`: the column of that name, or else what a path such as `meta.text`
/// leads to. `None` if the record has no such column.
pub(super) fn find<'a>(row: &'a Row, column: &str) -> Option<&'a Cell> {
    let by_path = || {
        let mut dots = column.match_indices('.');
        dots.find_map(|(at, _)| match row.get(&column[..at])? {
            Cell::Map(inner) => find(inner, &column[at + 1..]),
            Cell::Null => Some(&Cell::Null),
            _ => None,
        })
    };
    row.get(column).or_else(by_path)
}

/// Returns whether reading `column` takes the column `name`: the same, or the one that a path begins with.
pub(super) fn begins(column: &str, name: &str) -> bool {
    column
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns what it is, for messages.
pub(super) fn described(cell: Option<&Cell>) -> String {
    match cell {
        None => "is missing".into(),
        Some(Cell::Null) => "is null".into(),
        Some(Cell::List(_)) => "holds a list".into(),
        Some(Cell::Map(_)) => "holds a map".into(),
        Some(Cell::Text(_)) => "holds a text".into(),
        Some(Cell::Bool(flag)) => format!("holds {flag}"),
        Some(Cell::Int(number)) => format!("holds the number {number}"),
        Some(Cell::Float(number)) => format!("holds the number {number:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        match Cell::from(serde_json::from_str::<Value>(text).expect("JSON")) {
            Cell::Map(row) => row,
            other => panic!("expected an object, not {other:?}"),
        }
    }

    #[test]
    fn a_column_of_that_name_comes_before_a_path() {
        let text = r#"{"a": {"b": "path", "c.d": "inner", "n": null}, "a.b": "name", "n": null, "s": "x"}"#;
        for (column, wanted) in [
            ("a.b", Some(Cell::from("name"))),
            ("a.c.d", Some("inner".into())),
            ("a.n", Some(Cell::Null)),
            ("a.n.x", Some(Cell::Null)),
            ("n.x", Some(Cell::Null)),
            ("s.x", None),
            ("a.x", None),
            ("x", None),
        ] {
            assert_eq!(find(&row(text), column), wanted.as_ref(), "{column}");
        }
        assert!(begins("a.b", "a") && begins("a.b", "a.b") && !begins("ab", "a"));
    }

    #[test]
    fn floats_that_are_not_finite_are_written_as_python_does() {
        let floats = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0];
        let mut out = Vec::new();
        let list = Cell::List(floats.map(Cell::from).to_vec());
        list.write_json(&mut out).expect("written");
        assert_eq!(out, b"[NaN,Infinity,-Infinity,1.0]");
    }
}
