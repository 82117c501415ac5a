//! Rows of tables.

use rusqlite::types::ValueRef;

use super::blobs::as_text;
use super::kinds::{CellKind, Form, Table, TableCell, TableColumn};
use crate::error::Result;
use crate::findings::failure::{OfStore, broken};
use crate::findings::samples::decode;
use crate::findings::store::Store;

/// Returns what SQLite has in a column; `None` if that is nothing this program writes there.
fn cell(column: &TableColumn, value: ValueRef<'_>) -> Option<TableCell> {
    match (column.read, value) {
        (_, ValueRef::Null) => Some(TableCell::Null),
        (Some(read), ValueRef::Blob(bytes)) => read(bytes),
        (None, ValueRef::Integer(number)) if column.kind == CellKind::Integer => {
            Some(TableCell::Integer(number))
        }
        (None, ValueRef::Real(number)) if column.kind == CellKind::Real => Some(TableCell::Real(number)),
        (None, ValueRef::Text(bytes)) if column.kind == CellKind::Text => as_text(bytes),
        _ => None,
    }
}

/// Returns the rows of one row of `sample`.
fn samples(row: &rusqlite::Row<'_>, asked: &[TableCell]) -> Option<Vec<Vec<TableCell>>> {
    let number = |at: usize| row.get_ref(at).ok()?.as_i64().ok();
    let (n, compact) = (usize::try_from(number(3)?).ok()?, number(4)? != 0);
    let all = decode(row.get_ref(5).ok()?.as_blob().ok()?, n, compact)?;
    let rows = all.into_iter().enumerate().map(|(rank, sample)| {
        let (positions, values) = sample
            .activations
            .into_iter()
            .map(|(position, value)| (i64::from(position), value))
            .unzip();
        let own = [
            TableCell::Integer(rank as i64),
            TableCell::Integer(i64::from(sample.context)),
            TableCell::Integer(i64::from(sample.peak_position)),
            TableCell::Real(f64::from(sample.peak)),
            TableCell::Integers(positions),
            TableCell::Reals(values),
        ];
        asked.iter().cloned().chain(own).collect()
    });
    Some(rows.collect())
}

impl Store {
    /// Calls `visit` with every row of a table, in order, one cell for each of its columns.
    ///
    /// # Errors
    /// A damaged store; what `visit` says.
    pub fn each_row(&self, table: &Table, mut visit: impl FnMut(Vec<TableCell>) -> Result<()>) -> Result<()> {
        let damaged = || broken(self.path(), &format!("a row of the table `{}`", table.name));
        let mut statement = self
            .connection()
            .prepare(&table.query())
            .of_store("read", self.path())?;
        let asked = statement.column_count().min(table.columns.len());
        let asked = if table.form == Form::Samples { 3 } else { asked };
        let mut rows = statement.query([]).of_store("read", self.path())?;
        while let Some(row) = rows.next().of_store("read", self.path())? {
            let cells = table.columns[..asked].iter().enumerate().map(|(at, column)| {
                let value = row.get_ref(at).ok()?;
                cell(column, value)
            });
            let mut cells: Vec<TableCell> = cells.collect::<Option<_>>().ok_or_else(damaged)?;
            match table.form {
                Form::Plain => visit(cells)?,
                Form::Samples => samples(row, &cells)
                    .ok_or_else(damaged)?
                    .into_iter()
                    .try_for_each(&mut visit)?,
                Form::Contexts => {
                    let TableCell::Integer(id) = cells[0] else {
                        return Err(damaged());
                    };
                    let id = u32::try_from(id).map_err(|_| damaged())?;
                    let tokens = self.contexts([id])?.remove(&id).map(|context| context.tokens);
                    let tokens = tokens.ok_or_else(damaged)?.into_iter().map(i64::from);
                    cells.push(TableCell::Integers(tokens.collect()));
                    visit(cells)?;
                }
            }
        }
        Ok(())
    }
}
