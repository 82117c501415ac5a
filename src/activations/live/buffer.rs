//! The buffer between the model's rows and the stream's batches.
//!
//! Rows lie in one preallocated tensor for each column (hook point, tokens, masks) and never move: shuffling permutes
//! a list of slots on the CPU, a batch is gathered on the device from the slots at the front of that list, and new
//! rows are written into the slots that became free.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use crate::activations::columns::Column;
use crate::activations::saved_rows;
use crate::activations::stream::{Batch, bytes_of};
use crate::config::Value;
use crate::error::{Context, Error, Result};
use crate::memory;
use crate::tensor::{Device, Generator, Tensor, copy_rows, send};

/// Rows in the order in which they will be handed out.
#[derive(Default)]
pub(super) struct RowBuffer {
    columns: BTreeMap<Column, Tensor>,
    /// One entry a slot; empty where rows have no origins.
    meta: Vec<Option<Value>>,
    /// Slots in the order of their rows.
    order: VecDeque<usize>,
    free: Vec<usize>,
    /// Slots ever used.
    slots: usize,
    /// Rows to make room for at the first write.
    expected: usize,
}

impl RowBuffer {
    /// Returns an empty buffer that makes room for `expected` rows when it is first written to, and for more if need
    /// be.
    pub(super) fn new(expected: usize) -> Self {
        RowBuffer {
            expected,
            ..Default::default()
        }
    }

    /// Rows in the buffer.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the bytes of its tensors.
    pub(super) fn bytes(&self) -> u64 {
        self.columns.values().map(bytes_of).sum()
    }

    /// Appends `count` rows to the order and says into which slots they are to be written.
    pub(super) fn reserve(&mut self, count: usize) -> Vec<usize> {
        let reused = count.min(self.free.len());
        let mut slots = self.free.split_off(self.free.len() - reused);
        slots.extend(self.slots..self.slots + count - reused);
        self.slots += count - reused;
        self.order.extend(&slots);
        slots
    }

    /// Takes back the last `count` rows reserved.
    pub(super) fn unreserve(&mut self, count: usize) {
        let kept = self.order.len().saturating_sub(count);
        self.free.extend(self.order.split_off(kept));
    }

    /// Writes `rows` into reserved slots: as many as there are slots, or with `kept` those of `(batch, seq, …)` at these flat
    /// positions, each copied once.
    ///
    /// # Errors
    /// Rows of another shape or dtype than those before; no memory for the buffer.
    pub(super) fn write(&mut self, slots: &[usize], rows: &Batch, kept: Option<&[usize]>) -> Result<()> {
        let capacity = self.slots.max(self.expected);
        let mut moves = Moves::new(slots, kept)?;
        for (column, x) in rows.columns() {
            let x = match kept {
                Some(_) => x.f_flatten(0, 1)?,
                None => x.shallow_clone(),
            };
            if !self.columns.contains_key(&column) {
                self.columns.insert(column.clone(), storage_like(&x, capacity)?);
            }
            if let Some(storage) = self.columns.get_mut(&column) {
                put(storage, &mut moves, &x, capacity).context(format!("in the buffer of `{column}`"))?;
            }
        }
        if let Some(meta) = &rows.meta {
            let bytes = capacity.saturating_mul(size_of::<Option<Value>>());
            memory::admit(bytes as u64, &format!("the origins of {capacity} rows"))?;
            self.meta.resize(capacity.max(self.meta.len()), None);
            for (slot, value) in slots.iter().zip(meta) {
                self.meta[*slot] = Some(value.clone());
            }
        }
        Ok(())
    }

    /// Brings all rows into a new random order.
    pub(super) fn permute(&mut self, generator: &mut Generator) {
        generator.shuffle(self.order.make_contiguous());
    }

    /// Writes all rows to a file, in their order, without a copy of them all.
    pub(super) fn save(&mut self, path: &Path) -> Result<()> {
        let columns = self.columns.iter();
        let columns = columns.map(|(column, storage)| (column.clone(), storage.shallow_clone()));
        let mut all = Batch::from_columns(columns);
        if !self.meta.is_empty() {
            let meta = self.meta.iter().map(|meta| meta.clone().unwrap_or_default());
            all.meta = Some(meta.collect());
        }
        saved_rows::write(path, &all, Some(self.order.make_contiguous()))
    }

    /// Takes the first `count` rows, or all if there are fewer.
    pub(super) fn take(&mut self, count: usize) -> Result<Batch> {
        let count = count.min(self.order.len());
        let batch = self.first(count)?;
        self.free.extend(self.order.drain(..count));
        Ok(batch)
    }

    /// Returns a copy of the first `count` rows.
    fn first(&self, count: usize) -> Result<Batch> {
        let slots = self.order.iter().copied().take(count);
        let mut index = Index::new(slots.clone())?;
        let columns = self.columns.iter().map(|(column, storage)| {
            let rows = storage.f_index_select(0, index.on(storage.device())?)?;
            Ok((column.clone(), rows))
        });
        let mut batch = Batch::from_columns(columns.collect::<Result<Vec<_>>>()?);
        if !self.meta.is_empty() {
            let meta = slots.map(|slot| self.meta[slot].clone().unwrap_or_default());
            batch.meta = Some(meta.collect());
        }
        Ok(batch)
    }
}

/// Slots as a tensor, on the device where they were asked for last.
struct Index(Tensor);

impl Index {
    fn new(slots: impl Iterator<Item = usize>) -> Result<Self> {
        let slots: Vec<i64> = slots.map(|slot| slot as i64).collect();
        Ok(Index(Tensor::f_from_slice(&slots)?))
    }

    fn on(&mut self, device: Device) -> Result<&Tensor> {
        self.0 = send(&self.0, device)?;
        Ok(&self.0)
    }
}

/// Which rows are written, and where.
struct Moves<'a> {
    slots: &'a [usize],
    kept: Option<&'a [usize]>,
    to: Index,
    from: Option<Index>,
}

impl<'a> Moves<'a> {
    fn new(slots: &'a [usize], kept: Option<&'a [usize]>) -> Result<Self> {
        let from = kept.map(|kept| Index::new(kept.iter().copied()));
        Ok(Moves {
            slots,
            kept,
            to: Index::new(slots.iter().copied())?,
            from: from.transpose()?,
        })
    }

    /// Copies the rows of `x` to `storage`.
    fn copy(&mut self, x: &Tensor, storage: &mut Tensor) -> Result<()> {
        let device = storage.device();
        if let (Some(kept), Device::Cpu) = (self.kept, device) {
            return copy_rows(storage, self.slots, &x.f_to_device(device)?.f_contiguous()?, kept);
        }
        let picked = match &mut self.from {
            Some(from) => x.f_index_select(0, from.on(x.device())?)?,
            None => x.shallow_clone(),
        };
        let _ = storage.f_index_copy_(0, self.to.on(device)?, &picked.f_to_device(device)?)?;
        Ok(())
    }
}

/// An uninitialised tensor of `capacity` rows like those of `x`.
fn storage_like(x: &Tensor, capacity: usize) -> Result<Tensor> {
    let mut size = x.size();
    admit(x, capacity)?;
    size[0] = capacity as i64;
    Ok(Tensor::f_empty(size, (x.kind(), x.device()))?)
}

/// Lets `capacity` rows like those of `x` be held. A GPU says itself what it cannot hold.
fn admit(x: &Tensor, capacity: usize) -> Result<()> {
    let what = format!("a buffer of {capacity} rows");
    let row: i64 = x.size()[1..].iter().product();
    let row = row as u64 * x.kind().elt_size_in_bytes() as u64;
    let bytes = row.saturating_mul(capacity as u64);
    match x.device() {
        Device::Cpu => memory::admit(bytes, &what),
        _ if i64::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Error::input(format!("{what} is larger than any memory"))),
    }
    .map_err(|error| error.hint("set a smaller `buffer_size`, `batch_size` or `model_batch_size`"))
}

/// Writes rows of `x` to their places in `storage`, which grows where it is too small.
fn put(storage: &mut Tensor, moves: &mut Moves<'_>, x: &Tensor, capacity: usize) -> Result<()> {
    let (have, given) = (storage.size(), x.size());
    if have[1..] != given[1..] || storage.kind() != x.kind() {
        return Err(Error::input(format!(
            "rows of shape {:?} and dtype {:?} cannot be mixed with rows of shape {:?} and dtype {:?}",
            &given[1..],
            x.kind(),
            &have[1..],
            storage.kind()
        ))
        .hint("give all sources the same width and length, e.g. by `context_size`, and the same dtype, by `override_dtype`"));
    }
    if (capacity as i64) > have[0] {
        let grown = storage_like(x, capacity + capacity / 8)?;
        grown.f_narrow(0, 0, have[0])?.f_copy_(storage)?;
        *storage = grown;
    }
    moves.copy(x, storage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Kind;

    fn rows(values: std::ops::Range<i64>) -> Batch {
        let x = Tensor::from_slice(&values.clone().map(|value| value as f32).collect::<Vec<_>>());
        Batch {
            activations: BTreeMap::from([("x".to_string(), x.view([-1, 1]))]),
            tokens: Some(Tensor::from_slice(&values.collect::<Vec<_>>())),
            ..Batch::default()
        }
    }

    fn append(buffer: &mut RowBuffer, values: std::ops::Range<i64>) {
        let slots = buffer.reserve((values.end - values.start) as usize);
        buffer.write(&slots, &rows(values), None).expect("written");
    }

    fn numbers(batch: &Batch) -> Vec<i64> {
        Vec::try_from(batch.tokens.as_ref().expect("tokens")).expect("one dimension")
    }

    #[test]
    fn rows_come_out_in_order_through_reused_slots() {
        let mut buffer = RowBuffer::new(4);
        append(&mut buffer, 0..6);
        assert_eq!(numbers(&buffer.take(4).expect("four")), [0, 1, 2, 3]);
        append(&mut buffer, 6..12);
        let batch = buffer.take(100).expect("the rest");
        assert_eq!(numbers(&batch), (4..12).collect::<Vec<_>>());
        let x = Vec::<f32>::try_from(batch.activations["x"].view([-1])).expect("floats");
        assert_eq!(x, (4..12).map(|value| value as f32).collect::<Vec<_>>());
        assert_eq!(buffer.len(), 0);
    }

    #[test]
    fn kept_rows_of_padded_sequences_go_to_their_slots() {
        let mut buffer = RowBuffer::new(0);
        let padded = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([2, 3, 2]);
        let batch = Batch {
            activations: BTreeMap::from([("x".to_string(), padded)]),
            tokens: Some(Tensor::arange(6, (Kind::Int64, Device::Cpu)).view([2, 3])),
            ..Batch::default()
        };
        let slots = buffer.reserve(3);
        let places = [slots[2], slots[0], slots[1]];
        buffer.write(&places, &batch, Some(&[0, 4, 5])).expect("written");
        let first = buffer.take(3).expect("all");
        assert_eq!(numbers(&first), [4, 5, 0]);
        let x = Vec::<f32>::try_from(first.activations["x"].view([-1])).expect("floats");
        assert_eq!(x, [8.0, 9.0, 10.0, 11.0, 0.0, 1.0]);
        let beyond = buffer
            .write(&places, &batch, Some(&[0, 4, 6]))
            .expect_err("there are six");
        assert!(beyond.headline().contains("row"), "{beyond}");
    }

    #[test]
    fn permuting_is_indexing_by_torchs_permutation() {
        let mut buffer = RowBuffer::new(0);
        append(&mut buffer, 0..10);
        buffer.permute(&mut Generator::new(42));
        let order: Vec<i64> = Generator::new(42)
            .permutation(10)
            .iter()
            .map(|i| *i as i64)
            .collect();
        assert_eq!(numbers(&buffer.take(10).expect("all")), order);
    }

    #[test]
    fn rows_of_another_width_are_refused() {
        let mut buffer = RowBuffer::new(4);
        append(&mut buffer, 0..4);
        let slots = buffer.reserve(2);
        let wide = Batch {
            activations: BTreeMap::from([("x".to_string(), Tensor::from_slice(&[0f32; 4]).view([2, 2]))]),
            ..Batch::default()
        };
        let error = buffer.write(&slots, &wide, None).expect_err("another width");
        assert!(error.headline().contains("cannot be mixed"), "{error}");
        buffer.unreserve(2);
        assert_eq!(buffer.len(), 4);
    }
}
