//! Runs planned token sequences through the model and writes their rows into the buffer.
//!
//! How many rows a sequence gives is known from its tokens alone. So a whole refill of the buffer is planned first,
//! its rows get their places in the order of the data set, and the forward passes then take sequences of similar
//! lengths, where little is padded, and write each row to its place.

use std::collections::BTreeMap;

use super::buffer::RowBuffer;
use super::grouping::{Limits, groups};
use super::model::Capture;
use crate::activations::config::ActivationFactoryTarget;
use crate::activations::stats::StreamMemory;
use crate::activations::stream::Batch;
use crate::config::Value;
use crate::error::{Error, Result};
use crate::tensor::{DType, Device, Kind, Tensor, no_grad, send};

/// A sequence whose rows are planned.
#[derive(Debug)]
pub(in crate::activations) struct Planned {
    /// Token ids, not padded.
    pub ids: Vec<i64>,
    /// 1D: the positions that become rows. Empty in 2D, where the whole sequence is one row.
    pub kept: Vec<usize>,
    /// 2D: where it came from.
    pub meta: Option<Value>,
    /// Number of its first row among all rows of the refill.
    pub start: usize,
}

/// How rows are made of sequences.
pub(in crate::activations) struct Forward {
    /// Where the model computes.
    pub device: Device,
    /// `None`: tokens are all that is wanted.
    pub capture: Option<Capture>,
    pub target: ActivationFactoryTarget,
    pub hook_points: Vec<String>,
    /// What goes into one forward pass.
    pub limits: Limits,
    /// Length of all sequences in 2D.
    pub context_size: Option<usize>,
    pub dtype: Option<DType>,
    pub special: SpecialIds,
    /// The model's, and that of its passes.
    pub memory: StreamMemory,
}

/// Token ids that are no text.
#[derive(Clone, Debug, Default)]
pub(in crate::activations) struct SpecialIds {
    pub bos: Option<i64>,
    pub pad: Option<i64>,
    /// Dropped in 1D instead of BOS and PAD; counted nowhere.
    pub ignored: Option<Vec<i64>>,
}

impl SpecialIds {
    /// Does the mask count this token?
    fn counts(&self, id: i64) -> bool {
        let ignored = self.ignored.as_ref().is_some_and(|ignored| ignored.contains(&id));
        Some(id) != self.bos && Some(id) != self.pad && !ignored
    }

    /// The positions that become rows in 1D.
    pub(in crate::activations) fn kept(&self, ids: &[i64]) -> Vec<usize> {
        let keep = |id: i64| match &self.ignored {
            Some(ignored) => !ignored.contains(&id),
            None => self.counts(id),
        };
        (0..ids.len()).filter(|position| keep(ids[*position])).collect()
    }
}

impl Forward {
    /// Where rows are computed.
    pub(in crate::activations) fn device(&self) -> Device {
        self.device
    }

    /// Rows that a planned sequence gives.
    pub(in crate::activations) fn rows_of(&self, planned: &Planned) -> usize {
        match self.target {
            ActivationFactoryTarget::Activations1D => planned.kept.len(),
            _ => 1,
        }
    }

    /// Computes the rows of `sequences` and writes each to its place among `slots`, those of
    /// the refill.
    ///
    /// `checkpoint` is called between forward passes; its error ends the work. Returns how many tokens of padding went
    /// through the model.
    pub(super) fn run(
        &self,
        sequences: &[Planned],
        slots: &[usize],
        buffer: &mut RowBuffer,
        mut checkpoint: impl FnMut() -> Result<()>,
    ) -> Result<u64> {
        let of_use = (0..sequences.len()).filter(|index| self.rows_of(&sequences[*index]) > 0);
        let lengths: Vec<(usize, usize)> = of_use
            .map(|index| (index, self.length(&sequences[index])))
            .collect();
        let mut padding = 0;
        for group in groups(&lengths, self.limits) {
            checkpoint()?;
            let places = group.iter().flat_map(|index| {
                let sequence = &sequences[*index];
                slots[sequence.start..][..self.rows_of(sequence)].iter().copied()
            });
            let places: Vec<usize> = places.collect();
            let group: Vec<&Planned> = group.iter().map(|index| &sequences[*index]).collect();
            let length = group.iter().map(|sequence| self.length(sequence)).max();
            let padded = Padded::new(&group, length.unwrap_or(1), &self.special);
            let is_1d = self.target == ActivationFactoryTarget::Activations1D;
            let kept = is_1d.then(|| padded.flat_positions(&group));
            buffer.write(&places, &self.rows(&group, &padded)?, kept.as_deref())?;
            if self.capture.is_some() {
                padding += padded.padding;
            }
        }
        Ok(padding)
    }

    /// The length at which a sequence goes through the model if nothing longer goes with it.
    fn length(&self, sequence: &Planned) -> usize {
        match self.target {
            ActivationFactoryTarget::Activations1D => sequence.ids.len(),
            _ => self.context_size.unwrap_or(1),
        }
    }

    /// One forward pass: what it gives for `group`, which is `padded`, sequence by sequence. Nobody waits for a GPU.
    fn rows(&self, group: &[&Planned], padded: &Padded) -> Result<Batch> {
        let tokens = padded.tensor(&padded.tokens, Kind::Int64)?;
        let activations = self.activations(&tokens)?;
        let mask = send(&padded.tensor(&padded.mask, Kind::Int)?, self.device)?;
        let meta: Option<Vec<Value>> = group.iter().map(|sequence| sequence.meta.clone()).collect();
        Ok(Batch {
            activations,
            tokens: Some(send(&tokens, self.device)?),
            attention_mask: Some(mask.shallow_clone()),
            mask: Some(mask),
            meta,
            all_count: false,
        })
    }

    fn activations(&self, tokens: &Tensor) -> Result<BTreeMap<String, Tensor>> {
        let Some(capture) = &self.capture else {
            return Ok(BTreeMap::new());
        };
        let captured = no_grad(|| capture(tokens))?;
        let mut activations = BTreeMap::new();
        for name in &self.hook_points {
            let x = captured.get(name).ok_or_else(|| {
                Error::run(format!(
                    "the model gave no activations at the hook point `{name}`"
                ))
            })?;
            if x.dim() < 3 || x.size()[..2] != tokens.size()[..] {
                return Err(Error::input(format!(
                    "the hook point `{name}` gives shape {:?}, but activations need (batch, seq, d)",
                    x.size()
                ))
                .hint("take a hook point of the residual stream, an attention output or an MLP"));
            }
            // Heads are laid out side by side: (batch, seq, head, d_head) becomes (batch, seq, d).
            let x = x.f_flatten(2, -1)?;
            let x = match self.dtype {
                Some(dtype) => x.f_to_kind(dtype.kind())?,
                None => x,
            };
            activations.insert(name.clone(), x);
        }
        Ok(activations)
    }
}

/// Sequences side by side, padded on the right to one length.
struct Padded {
    rows: usize,
    length: usize,
    tokens: Vec<i64>,
    /// 1 where a token counts.
    mask: Vec<i64>,
    /// How many of the tokens stand for none.
    padding: u64,
}

impl Padded {
    fn new(group: &[&Planned], length: usize, special: &SpecialIds) -> Self {
        let pad = special.pad.or(special.bos).unwrap_or(0);
        let mut tokens = vec![pad; group.len() * length];
        let mut mask = vec![0; tokens.len()];
        let real: usize = group.iter().map(|sequence| sequence.ids.len().min(length)).sum();
        let padding = (tokens.len() - real) as u64;
        for (row, sequence) in group.iter().enumerate() {
            for (position, id) in sequence.ids.iter().take(length).enumerate() {
                tokens[row * length + position] = *id;
                mask[row * length + position] = i64::from(special.counts(*id));
            }
        }
        Padded {
            rows: group.len(),
            length,
            tokens,
            mask,
            padding,
        }
    }

    fn tensor(&self, values: &[i64], kind: Kind) -> Result<Tensor> {
        let flat = Tensor::f_from_slice(values)?.f_to_kind(kind)?;
        Ok(flat.f_view([self.rows as i64, self.length as i64])?)
    }

    /// The kept positions as indices into the flattened batch.
    fn flat_positions(&self, group: &[&Planned]) -> Vec<usize> {
        let rows = group.iter().enumerate();
        rows.flat_map(|(row, sequence)| {
            sequence
                .kept
                .iter()
                .map(move |position| row * self.length + position)
        })
        .collect()
    }
}
