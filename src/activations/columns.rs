//! The tensors of a batch as named columns, the way buffers and files hold them.

use std::collections::BTreeMap;
use std::fmt;

use super::stream::Batch;
use crate::config::Value;
use crate::error::Result;
use crate::tensor::{Device, Tensor, send};

/// One tensor of a batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    /// Activations at a hook point.
    Activation(String),
    /// Token ids.
    Tokens,
    /// 1 where a row counts.
    Mask,
    /// 1 where the model attends.
    AttentionMask,
}

impl Column {
    /// Returns whether it holds activations.
    pub(super) fn is_activation(&self) -> bool {
        matches!(self, Column::Activation(_))
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Column::Activation(hook_point) => hook_point,
            Column::Tokens => "tokens",
            Column::Mask => "mask",
            Column::AttentionMask => "attention_mask",
        })
    }
}

impl Batch {
    /// Returns the tensors that are there.
    pub(super) fn columns(&self) -> Vec<(Column, &Tensor)> {
        let activations = self
            .activations
            .iter()
            .map(|(name, x)| (Column::Activation(name.clone()), x));
        let integers = [
            (Column::Tokens, &self.tokens),
            (Column::Mask, &self.mask),
            (Column::AttentionMask, &self.attention_mask),
        ];
        let integers = integers
            .into_iter()
            .filter_map(|(column, x)| Some((column, x.as_ref()?)));
        activations.chain(integers).collect()
    }

    /// Returns a batch of these tensors, without meta.
    pub(super) fn from_columns(columns: impl IntoIterator<Item = (Column, Tensor)>) -> Batch {
        let mut batch = Batch::default();
        for (column, x) in columns {
            match column {
                Column::Activation(name) => drop(batch.activations.insert(name, x)),
                Column::Tokens => batch.tokens = Some(x),
                Column::Mask => batch.mask = Some(x),
                Column::AttentionMask => batch.attention_mask = Some(x),
            }
        }
        batch
    }

    /// Returns the same batch on `device`.
    pub fn to_device(&self, device: Device) -> Result<Batch> {
        let columns = self.columns().into_iter();
        let moved = columns.map(|(column, x)| Ok((column, send(x, device)?)));
        Ok(Batch {
            meta: self.meta.clone(),
            all_count: self.all_count,
            ..Batch::from_columns(moved.collect::<Result<Vec<_>>>()?)
        })
    }

    /// Returns the same batch where a copy to `device` waits for nothing: for a GPU in pinned memory.
    pub(super) fn pinned_for(self, device: Device) -> Result<Batch> {
        let Device::Cuda(_) = device else {
            return Ok(self);
        };
        let columns = self.columns().into_iter();
        let pinned = columns.map(|(column, x)| Ok((column, x.f_pin_memory(device)?)));
        let pinned = Batch::from_columns(pinned.collect::<Result<Vec<_>>>()?);
        Ok(Batch {
            meta: self.meta,
            all_count: self.all_count,
            ..pinned
        })
    }

    /// Returns the `count` rows from row `start` on; no data is copied.
    pub(super) fn narrow(&self, start: usize, count: usize) -> Result<Batch> {
        let columns = self.columns().into_iter();
        let cut = columns.map(|(column, x)| Ok((column, x.f_narrow(0, start as i64, count as i64)?)));
        Ok(Batch {
            meta: self.meta.as_ref().map(|meta| meta[start..start + count].to_vec()),
            all_count: self.all_count,
            ..Batch::from_columns(cut.collect::<Result<Vec<_>>>()?)
        })
    }

    /// Returns the rows of several batches, one after another.
    pub(super) fn concatenated(pieces: &[Batch]) -> Result<Batch> {
        let [first, others @ ..] = pieces else {
            return Ok(Batch::default());
        };
        if others.is_empty() {
            return Ok(first.share());
        }
        let mut columns: BTreeMap<Column, Vec<&Tensor>> = BTreeMap::new();
        for (column, x) in pieces.iter().flat_map(Batch::columns) {
            columns.entry(column).or_default().push(x);
        }
        let joined = columns
            .into_iter()
            .map(|(column, parts)| Ok((column, Tensor::f_cat(&parts, 0)?)));
        let meta: Option<Vec<Vec<Value>>> = pieces.iter().map(|piece| piece.meta.clone()).collect();
        Ok(Batch {
            meta: meta.map(|meta| meta.concat()),
            all_count: pieces.iter().all(|piece| piece.all_count),
            ..Batch::from_columns(joined.collect::<Result<Vec<_>>>()?)
        })
    }

    /// Rows: the leading dimension.
    pub fn rows(&self) -> usize {
        self.columns()
            .first()
            .map_or(0, |(_, x)| x.size().first().map_or(0, |rows| *rows as usize))
    }
}
