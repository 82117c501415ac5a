//! A few rows of a chunk, copied out of its files.

use std::path::PathBuf;

use memmap2::MmapMut;

use super::column_view::ColumnView;
use crate::activations::columns::Column;
use crate::error::{Error, Result};
use crate::tensor::Kind;

/// Rows of a chunk that is not mapped any more.
pub(super) struct Kept {
    /// Their numbers in the chunk, ascending.
    rows: Vec<u32>,
    columns: Vec<(Column, KeptColumn)>,
}

struct KeptColumn {
    file: PathBuf,
    bytes: MmapMut,
    kind: Kind,
    row: Vec<i64>,
}

impl Kept {
    /// Begins with no column of the rows with these numbers.
    pub(super) fn new(mut rows: Vec<u32>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        Kept {
            rows,
            columns: Vec::new(),
        }
    }

    /// Returns the numbers of the rows.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Copies a column; `place` says where in `view` a row lies.
    ///
    /// The memory comes from the system and goes back there: between the batches, it would leave holes that no batch
    /// fits into.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn copy(
        &mut self,
        column: Column,
        view: &ColumnView<'_>,
        place: impl Fn(u32) -> usize,
    ) -> Result<()> {
        let width = view.row.iter().product::<i64>() as usize * view.kind.elt_size_in_bytes();
        let mut bytes = MmapMut::map_anon((self.rows.len() * width).max(1)).map_err(|error| {
            Error::run(format!(
                "no memory for rows of `{}`: {error}",
                view.file.display()
            ))
        })?;
        for (target, row) in bytes.chunks_exact_mut(width).zip(&self.rows) {
            let start = place(*row) * width;
            target.copy_from_slice(&view.bytes[start..start + width]);
        }
        let kept = KeptColumn {
            file: view.file.to_path_buf(),
            bytes,
            kind: view.kind,
            row: view.row.clone(),
        };
        self.columns.push((column, kept));
        Ok(())
    }

    /// Returns the columns, in the order in which they were copied.
    pub(super) fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().map(|(column, _)| column)
    }

    /// Returns a column.
    pub(super) fn view(&self, column: &Column) -> Option<ColumnView<'_>> {
        let (_, kept) = self.columns.iter().find(|(known, _)| known == column)?;
        Some(ColumnView {
            file: &kept.file,
            bytes: &kept.bytes,
            kind: kept.kind,
            row: kept.row.clone(),
        })
    }

    /// Returns where row number `row` of the chunk lies. Only rows that were kept are asked for.
    pub(super) fn place(&self, row: u32) -> usize {
        self.rows.binary_search(&row).unwrap_or(0)
    }
}
