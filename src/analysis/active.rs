//! Which latents fire on which tokens, how strongly: the encoder, of which only active entries are kept.

use crate::dictionary::{Capability, Gate, Pass, Selection, SparseAutoEncoder, Wants, norm_floor};
use crate::error::{Error, Result};
use crate::kernels::screen::{Encoder, Keep, Rows, Screen};
use crate::tensor::slices::numbers;
use crate::tensor::{DType, Device, Kind, Tensor, Workspace};

/// Rows of a context that are encoded together where every latent of a row is computed.
const BLOCK: i64 = 256;

/// Encodes contexts.
pub(super) struct ActiveEncoder<'a> {
    sae: &'a SparseAutoEncoder,
    amp: Option<DType>,
    native: Option<Native>,
}

/// The dictionary's numbers as the kernels take them, and their room to work in.
struct Native {
    weight: Tensor,
    bias: Tensor,
    factor: Option<Tensor>,
    selection: Selection,
    screen: Screen,
    found: Rows,
}

impl<'a> ActiveEncoder<'a> {
    /// Returns an encoder for the latents of `sae`. Products are done in `amp` where that is given.
    ///
    /// # Errors
    /// Thresholds that nobody has set; too little memory.
    pub(super) fn new(sae: &'a SparseAutoEncoder, amp: Option<DType>) -> Result<Self> {
        sae.require_thresholds()?;
        let native = if is_native(sae, amp) {
            Some(Native::new(sae)?)
        } else {
            None
        };
        Ok(ActiveEncoder { sae, amp, native })
    }

    /// Returns the latents that fire on each counted position of some contexts, from their normalised activations
    /// `x (B, T, [heads,] d)`; `mask (B, T)` says which positions count, and `counted` their numbers, context by context.
    ///
    /// # Errors
    /// Activations that are not numbers; too little memory.
    pub(super) fn encode(&mut self, x: &Tensor, mask: &Tensor, counted: &[Vec<u32>]) -> Result<Rows> {
        let mut rows = Rows::default();
        rows.offsets.push(0);
        let each_token_by_itself = self.sae.cfg.act_fn.is_per_token();
        match &mut self.native {
            Some(native) if each_token_by_itself => native.encode(&chosen(x, counted)?, &mut rows)?,
            _ => {
                // A context is a batch of its own, so that nothing depends on what it is read together with.
                for (index, places) in (0..).zip(counted).filter(|(_, places)| !places.is_empty()) {
                    let (x, mask) = (x.f_narrow(0, index, 1)?, mask.f_narrow(0, index, 1)?);
                    let places = std::slice::from_ref(places);
                    match &mut self.native {
                        Some(native) => native.encode(&chosen(&x, places)?, &mut rows)?,
                        None => self.dense(&x, &mask, places, &mut rows)?,
                    }
                }
            }
        }
        match rows.value.iter().find(|value| !value.is_finite()) {
            None => Ok(rows),
            Some(value) => Err(Error::run(format!(
                "a latent's activation is {value}: the stream's activations, or the dictionary's weights, are not numbers"
            ))
            .hint("look for what made them NaN or infinite; half precision overflows early")),
        }
    }

    /// Computes every latent of one context, some rows at a time where each row stands for itself.
    fn dense(&self, x: &Tensor, mask: &Tensor, counted: &[Vec<u32>], rows: &mut Rows) -> Result<()> {
        let cfg = &self.sae.cfg;
        if cfg.variant.wants() == Wants::Sequences || !cfg.act_fn.is_per_token() {
            let pass = Pass {
                amp: self.amp,
                ..Pass::counting(Some(mask))
            };
            let acts = self.heads_joined(self.sae.encode_with(x, &pass)?.feature_acts)?;
            return append(&chosen(&acts, counted)?, rows);
        }
        let pass = Pass {
            amp: self.amp,
            ..Pass::default()
        };
        let x = chosen(x, counted)?;
        for start in (0..x.size()[0]).step_by(BLOCK as usize) {
            let block = x.f_narrow(0, start, BLOCK.min(x.size()[0] - start))?;
            let acts = self.heads_joined(self.sae.encode_with(&block, &pass)?.feature_acts)?;
            append(&acts, rows)?;
        }
        Ok(())
    }

    /// Returns the largest activation over the heads, where there are several.
    fn heads_joined(&self, acts: Tensor) -> Result<Tensor> {
        match self.sae.cfg.hooks.heads() {
            Some(_) => Ok(acts.f_amax([-2i64].as_slice(), false)?),
            None => Ok(acts),
        }
    }
}

/// Returns whether the latents that fire can be found by the kernels, without computing the others.
fn is_native(sae: &SparseAutoEncoder, amp: Option<DType>) -> bool {
    let plain = sae.cfg.variant.can(Capability::NativeStep)
        && sae.cfg.hooks.heads().is_none()
        && !sae.cfg.use_glu_encoder
        && !sae.cfg.act_fn.is_custom();
    let as_it_is = amp.is_none_or(|amp| amp.kind() == sae.kind());
    plain && as_it_is && sae.kind() == Kind::Float && sae.device() == Device::Cpu
}

/// Returns the rows of `x (B, T, …)` at the positions `counted` of each context, `(n, …)`.
fn chosen(x: &Tensor, counted: &[Vec<u32>]) -> Result<Tensor> {
    let length = x.size()[1];
    let x = x.f_flatten(0, 1)?;
    let places = (0..).zip(counted).flat_map(|(context, positions)| {
        positions
            .iter()
            .map(move |position| context * length + i64::from(*position))
    });
    let places: Vec<i64> = places.collect();
    if x.size()[0] == places.len() as i64 {
        return Ok(x);
    }
    Ok(x.f_index_select(0, &Tensor::f_from_slice(&places)?.f_to_device(x.device())?)?)
}

/// Appends the entries above 0 of `acts (n, d_sae)`.
fn append(acts: &Tensor, rows: &mut Rows) -> Result<()> {
    let acts = acts.f_to_kind(Kind::Float)?;
    // NaN is kept, so that it is found.
    let fires = acts.f_le(0.0)?.f_logical_not()?;
    let places = fires.f_nonzero()?;
    let values = acts.f_masked_select(&fires)?.f_to_device(Device::Cpu)?;
    let values = Vec::<f32>::try_from(values)?;
    let places = Vec::<i64>::try_from(places.f_to_device(Device::Cpu)?.f_reshape([-1])?)?;
    let mut entries = places.chunks_exact(2).zip(values).peekable();
    for row in 0..acts.size()[0] {
        while let Some((place, value)) = entries.next_if(|(place, _)| place[0] == row) {
            rows.index.push(place[1] as u32);
            rows.value.push(value);
        }
        rows.offsets.push(rows.index.len());
    }
    Ok(())
}

impl Native {
    fn new(sae: &SparseAutoEncoder) -> Result<Self> {
        let parameter = |name: &str| -> Result<Tensor> { Ok(sae.parameter(name)?.f_detach()?) };
        let norm = sae.decoder_norm()?.f_detach()?;
        let factor = if sae.cfg.sparsity_include_decoder_norm {
            Some(norm.f_mul(&norm.f_gt(norm_floor(Kind::Float))?)?.f_contiguous()?)
        } else {
            None
        };
        let workspace = Workspace::default();
        let gate = Gate {
            k: sae.cfg.top_k,
            threshold: sae.threshold(Some(&workspace))?,
            // Nothing is learnt here: what is below its threshold is off, however near.
            window: 0.0,
            counted: None,
            custom: None,
        };
        let selection = sae.cfg.act_fn.selection(&gate, &norm, None, false, &workspace)?;
        let selection = match selection {
            Selection::Above { bounds, .. } => Selection::Above {
                bounds: bounds.f_contiguous()?,
                spans: None,
            },
            other => other,
        };
        Ok(Native {
            weight: parameter("W_E")?.f_tr()?.f_contiguous()?,
            bias: parameter("b_E")?.f_contiguous()?,
            factor,
            selection,
            screen: Screen::default(),
            found: Rows::default(),
        })
    }

    /// Appends the entries of `x (n, d)`.
    fn encode(&mut self, x: &Tensor, rows: &mut Rows) -> Result<()> {
        if x.numel() == 0 {
            return Ok(());
        }
        let x = x.f_contiguous()?;
        let encoder = Encoder {
            width: x.size()[1] as usize,
            weight: numbers(&self.weight)?,
            bias: numbers(&self.bias)?,
            factor: self.factor.as_ref().map(numbers).transpose()?,
        };
        let keep = match &self.selection {
            Selection::Largest(k) => Keep::Largest(*k as usize),
            Selection::Batch(k) => Keep::Batch((*k * x.size()[0]) as usize),
            Selection::Above { bounds, .. } => Keep::Above(numbers(bounds)?),
        };
        self.screen.encode(numbers(&x)?, &encoder, keep, &mut self.found);
        let first = rows.index.len();
        rows.index.extend_from_slice(&self.found.index);
        rows.value.extend_from_slice(&self.found.value);
        rows.offsets
            .extend(self.found.offsets[1..].iter().map(|offset| first + offset));
        Ok(())
    }
}
