//! Batches put together from rows of mapped chunks.

use std::sync::Arc;

use super::chunk::{Chunk, ColumnView};
use crate::activations::Batch;
use crate::activations::columns::Column;
use crate::error::{Error, Result};
use crate::tensor::{DType, Kind, Tensor, from_rows};

/// Row `row` of a chunk.
pub(super) struct RowAt {
    pub chunk: Arc<Chunk>,
    pub row: u32,
}

/// How rows are handed out.
#[derive(Clone, Debug)]
pub(super) struct Handing {
    /// The dtype of activations; `None` as stored.
    pub dtype: Option<DType>,
    /// Tokens and masks alone.
    pub only_tokens: bool,
}

/// The batch of `rows`, in their order, on the CPU.
///
/// # Errors
/// A chunk that fails its check, chunks that do not fit each other.
pub(super) fn gather(rows: &[RowAt], how: &Handing) -> Result<Batch> {
    let mut last: Option<&Arc<Chunk>> = None;
    for row in rows {
        if last.is_none_or(|last| !Arc::ptr_eq(last, &row.chunk)) {
            row.chunk.check()?;
            last = Some(&row.chunk);
        }
    }
    let Some(first) = rows.first() else {
        return Ok(Batch::default());
    };
    let mut columns = Vec::new();
    for column in first.chunk.columns() {
        if how.only_tokens && matches!(column, Column::Activation(_)) {
            continue;
        }
        let x = column_of(rows, &column)?;
        let x = match (&column, how.dtype) {
            (Column::Activation(_), Some(dtype)) => x.f_to_kind(dtype.kind())?,
            (Column::Activation(_), None) => x,
            (Column::Tokens, _) => x.f_to_kind(Kind::Int64)?,
            (Column::Mask | Column::AttentionMask, _) => x.f_to_kind(Kind::Int)?,
        };
        columns.push((column, x));
    }
    let mut batch = Batch::from_columns(columns);
    if first.chunk.gives_sequences() {
        batch.meta = rows
            .iter()
            .map(|row| row.chunk.origin(row.row).cloned())
            .collect();
    }
    Ok(batch)
}

fn column_of(rows: &[RowAt], column: &Column) -> Result<Tensor> {
    let mut views: Vec<(*const Chunk, ColumnView)> = Vec::new();
    for row in rows {
        let key = Arc::as_ptr(&row.chunk);
        if views.iter().all(|(known, _)| *known != key) {
            let view = row.chunk.view(column).ok_or_else(|| {
                Error::input(format!("some chunks of the cache hold `{column}`, others do not"))
            })?;
            views.push((key, view));
        }
    }
    let (_, first) = &views[0];
    let odd = views
        .iter()
        .find(|(_, view)| view.kind != first.kind || view.row != first.row);
    if let Some((_, odd)) = odd {
        return Err(Error::input(format!(
            "chunks of the cache do not fit each other: `{column}` has rows of shape {:?} and dtype {} in one, {:?} \
             and {} in another",
            first.row,
            DType::from(first.kind),
            odd.row,
            DType::from(odd.kind)
        )));
    }
    let mut size = vec![rows.len() as i64];
    size.extend(&first.row);
    let width = first.row.iter().product::<i64>() as usize * first.kind.elt_size_in_bytes();
    views.sort_by_key(|(key, _)| *key);
    let slices = rows.iter().map(|row| {
        let key = Arc::as_ptr(&row.chunk);
        // Present: every chunk of `rows` was put into `views` above.
        let at = views.binary_search_by_key(&key, |(known, _)| *known).unwrap_or(0);
        let start = row.chunk.place(row.row) * width;
        &views[at].1.bytes[start..start + width]
    });
    from_rows(&size, views[0].1.kind, slices)
}
