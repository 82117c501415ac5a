//! Batches put together from rows of mapped chunks.

use std::sync::Arc;

use super::chunk::Chunk;
use super::column_view::ColumnView;
use crate::activations::Batch;
use crate::activations::columns::Column;
use crate::error::{Error, Result};
use crate::tensor::{DType, Device, Kind, Tensor, fill_rows};

/// Rows of chunks, in the order in which they are handed out.
#[derive(Default)]
pub(super) struct Picked {
    /// The chunks that rows are taken from, each once.
    pub chunks: Vec<Arc<Chunk>>,
    /// For each row, which of the chunks, and its number there.
    pub rows: Vec<(u32, u32)>,
}

/// How rows are handed out.
#[derive(Clone, Debug)]
pub(super) struct Handing {
    /// The dtype of activations; `None` as stored.
    pub dtype: Option<DType>,
    /// Tokens and masks alone.
    pub only_tokens: bool,
    /// Where batches go.
    pub device: Device,
    /// Tokens that count nowhere: where whole sequences are handed out, their mask is 0 there.
    pub ignored: Vec<i64>,
}

/// Returns room for the picked rows: their columns, not filled yet.
///
/// It is made apart from filling it, by the thread that takes the batches: memory is given back to the thread that it
/// was taken by, and there it is found again for a later batch.
///
/// # Errors
/// Chunks that do not fit each other; no memory.
pub(super) fn room_for(picked: &Picked, how: &Handing) -> Result<Vec<(Column, Tensor)>> {
    let Some(first) = picked.chunks.first() else {
        return Ok(Vec::new());
    };
    let columns = first.columns().into_iter();
    let wanted = columns.filter(|column| !how.only_tokens || !matches!(column, Column::Activation(_)));
    let room = wanted.map(|column| {
        let views = views_of(picked, &column)?;
        let mut size = vec![picked.rows.len() as i64];
        size.extend(&views[0].row);
        let empty = Tensor::f_empty(size, (views[0].kind, Device::Cpu))?;
        Ok((column, empty))
    });
    room.collect()
}

/// Returns the batch of the picked rows, on the CPU, in the `room` made for it; on its way to a GPU in pinned memory.
///
/// # Errors
/// A chunk that fails its check.
pub(super) fn gather(picked: &Picked, room: Vec<(Column, Tensor)>, how: &Handing) -> Result<Batch> {
    picked.chunks.iter().try_for_each(|chunk| chunk.check())?;
    let Some(first) = picked.chunks.first() else {
        return Ok(Batch::default());
    };
    let mut columns = Vec::new();
    for (column, empty) in room {
        let x = fill(picked, &column, empty)?;
        let x = match (&column, how.dtype) {
            (Column::Activation(_), Some(dtype)) => x.f_to_kind(dtype.kind())?,
            (Column::Activation(_), None) => x,
            (Column::Tokens, _) => x.f_to_kind(Kind::Int64)?,
            (Column::Mask | Column::AttentionMask, _) => x.f_to_kind(Kind::Int)?,
        };
        columns.push((column, x));
    }
    picked.chunks.iter().try_for_each(|chunk| chunk.require_whole())?;
    let mut batch = Batch::from_columns(columns);
    if first.gives_sequences() {
        mask_ignored(&mut batch, &how.ignored)?;
        let origins = picked.rows.iter();
        batch.meta = origins
            .map(|(chunk, row)| picked.chunks[*chunk as usize].origin(*row).cloned())
            .collect();
    }
    batch.all_count = match &batch.mask {
        Some(mask) => mask.f_ne(0.0)?.f_all()?.f_int64_value(&[])? != 0,
        None => true,
    };
    batch.pinned_for(how.device)
}

/// Sets the mask to 0 at `ignored` tokens.
fn mask_ignored(batch: &mut Batch, ignored: &[i64]) -> Result<()> {
    if ignored.is_empty() {
        return Ok(());
    }
    let tokens = batch.tokens.as_ref().ok_or_else(|| {
        Error::input("the cache has no `tokens`, which `ignore_token_ids` needs").under("ignore_token_ids")
    })?;
    let dropped = Tensor::f_isin(tokens, &Tensor::f_from_slice(ignored)?, false, false)?;
    batch.mask = Some(match &batch.mask {
        Some(mask) => mask.f_masked_fill(&dropped, 0)?,
        None => dropped.f_logical_not()?.f_to_kind(Kind::Int)?,
    });
    Ok(())
}

/// Where the chunks hold a column, all in the same form.
fn views_of<'a>(picked: &'a Picked, column: &Column) -> Result<Vec<ColumnView<'a>>> {
    let views = picked.chunks.iter().map(|chunk| {
        chunk
            .view(column)
            .ok_or_else(|| Error::input(format!("some chunks of the cache hold `{column}`, others do not")))
    });
    let views: Vec<ColumnView> = views.collect::<Result<_>>()?;
    let first = &views[0];
    let odd = views
        .iter()
        .find(|view| view.kind != first.kind || view.row != first.row);
    if let Some(odd) = odd {
        return Err(Error::input(format!(
            "chunks of the cache do not fit each other: `{column}` has rows of shape {:?} and dtype {} in one, {:?} \
             and {} in another",
            first.row,
            DType::from(first.kind),
            odd.row,
            DType::from(odd.kind)
        )));
    }
    Ok(views)
}

fn fill(picked: &Picked, column: &Column, empty: Tensor) -> Result<Tensor> {
    let views = views_of(picked, column)?;
    let width = views[0].row.iter().product::<i64>() as usize * views[0].kind.elt_size_in_bytes();
    let slices = picked.rows.iter().map(|(chunk, row)| {
        let chunk = *chunk as usize;
        let start = picked.chunks[chunk].place(*row) * width;
        &views[chunk].bytes[start..start + width]
    });
    fill_rows(empty, slices)
}
