//! Dictionaries with heads: latents that all of them share have a gate, a decoder and a reconstruction for each.
//!
//! To all that comes after the encoder, the latents of each head are latents of their own, `(heads, d_sae)`, one head after
//! the other: `W_D (heads, d_sae, d_model)` is a matrix with a row for each. What the encoder itself is told are sums over the
//! heads. A dictionary without heads passes through here as it is.

use super::facts::{Facts, of_each_head};
use super::multiply::Addend;
use super::panels::Stays;
use crate::dictionary::LossInput;
use crate::error::Result;
use crate::tensor::{Device, Kind, Tensor, Workspace};

/// Exchanges tokens and heads, the first two dimensions, where there are heads.
///
/// # Errors
/// Too little memory; so it is with all below.
fn exchanged(x: &Tensor) -> Result<Tensor> {
    match x.dim() {
        3 => Ok(x.f_transpose(0, 1)?),
        _ => Ok(x.shallow_clone()),
    }
}

impl Facts<'_> {
    /// Returns the sums over the heads of `by_head (heads, d_sae)`, `(d_sae)`.
    pub(super) fn sum_heads(&self, by_head: &Tensor) -> Result<Tensor> {
        self.sum_of_rows(by_head)
    }

    /// Returns `counted (d_sae)` of tokens for each latent; what heads count of one they count together.
    pub(super) fn pooled(&self, counted: Tensor) -> Result<Tensor> {
        match self.heads {
            Some(_) => of_each_head(&self.sum_heads(&counted)?, &counted, self.workspace),
            None => Ok(counted),
        }
    }

    /// Returns the format and the device of the dictionary.
    pub(super) fn options(&self) -> (Kind, Device) {
        (self.sae.kind(), self.sae.device())
    }

    /// Puts what a head should reconstruct, `(n, d_model)`, into the room for it.
    pub(super) fn label_of_head(
        &self,
        input: &LossInput<'_>,
        head: usize,
        mut room: Tensor,
    ) -> Result<Tensor> {
        let columns = self.sae.cfg.d_model;
        let label = input.label.f_narrow(1, head as i64 * columns, columns)?;
        room.f_copy_(&label)?;
        Ok(room)
    }

    /// Returns the decoder, a row for each latent.
    pub(super) fn decoder(&self) -> Result<Tensor> {
        Ok(self.parameter("W_D")?.f_flatten(0, -2)?)
    }

    /// Returns the encoder `(inputs, d_sae)`, where the inputs of all heads stand in a row.
    pub(super) fn encoder(&self) -> Result<Tensor> {
        Ok(self.parameter("W_E")?.f_flatten(0, -2)?)
    }

    /// Returns what the encoder adds, `(d_sae)`.
    pub(super) fn encoder_bias(&self) -> Result<Tensor> {
        let bias = self.parameter("b_E")?;
        match self.heads {
            Some(_) => self.sum_heads(&bias),
            None => Ok(bias),
        }
    }

    /// Returns pre-activations `(n, d_sae)` in a shape that goes with what each head makes of them.
    pub(super) fn for_heads(&self, hidden_pre: Tensor) -> Result<Tensor> {
        match self.heads {
            Some(_) => Ok(hidden_pre.f_unsqueeze(1)?),
            None => Ok(hidden_pre),
        }
    }

    /// Returns what all heads together say of pre-activations, `(n, m)`, of `by_pre (n, [heads,] m)`.
    pub(super) fn over_heads(&self, workspace: &Workspace, by_pre: Tensor) -> Result<Tensor> {
        let [tokens, _, latents] = by_pre.size()[..] else {
            return Ok(by_pre);
        };
        let sum = workspace.empty(&[tokens, latents], self.options())?;
        Ok(by_pre.f_sum_intlist_out(&sum, [1i64].as_slice(), false, None::<Kind>)?)
    }

    /// Returns the places of these latents among those of all heads.
    pub(super) fn of_each_head(&self, latents: &Tensor) -> Result<Tensor> {
        let Some(heads) = self.heads else {
            return Ok(latents.shallow_clone());
        };
        let first = Tensor::f_arange(heads, (Kind::Int64, latents.device()))?;
        let first = first.f_mul_scalar(self.sae.cfg.d_sae())?.f_unsqueeze(1)?;
        Ok(first.f_add(latents)?.f_flatten(0, -1)?)
    }

    /// Returns `x (n, columns)`, where what is of one head follows on that of the one before, as
    /// `(n, heads, columns / heads)`; as it is where there are no heads.
    pub(super) fn by_head(&self, x: &Tensor) -> Result<Tensor> {
        match self.heads {
            Some(heads) => Ok(x.f_view([x.size()[0], heads, -1])?),
            None => Ok(x.shallow_clone()),
        }
    }

    /// Adds what activations `(n, [heads,] m)` of the latents with the rows `decoder ([heads,] m, d_model)` decode to, to
    /// `sum (n, [heads,] d_model)`.
    pub(super) fn add_decoded(
        &self,
        acts: &Tensor,
        (decoder, stays): (&Tensor, Stays),
        sum: &mut Tensor,
    ) -> Result<()> {
        if self.heads.is_none() {
            return self.multiply(acts, (decoder, stays), Addend::Held, sum);
        }
        let decoded = exchanged(&self.product(&exchanged(acts)?, decoder)?)?;
        let _ = sum.f_add_(&decoded)?;
        Ok(())
    }

    /// Adds the derivative by the decoder's rows, from activations and the derivative by what they decode to, to
    /// `sum ([heads ·] m, d_model)`.
    pub(super) fn add_by_decoder(&self, acts: &Tensor, by_decoded: &Tensor, sum: &mut Tensor) -> Result<()> {
        if self.heads.is_none() {
            return self.multiply(&acts.f_tr()?, (by_decoded, Stays::Product), Addend::Held, sum);
        }
        let acts = exchanged(acts)?.f_transpose(-2, -1)?;
        let by_heads = self.product(&acts, &exchanged(by_decoded)?)?;
        let _ = sum.f_add_(&by_heads.f_flatten(0, -2)?)?;
        Ok(())
    }

    /// Puts the derivative by the activations, from that by what they decode to, into `by_acts (n, [heads,] m)`.
    pub(super) fn put_by_acts(
        &self,
        by_decoded: &Tensor,
        (decoder, stays): (&Tensor, Stays),
        by_acts: &mut Tensor,
    ) -> Result<()> {
        let rows = decoder.f_transpose(-2, -1)?;
        if self.heads.is_none() {
            return self.multiply(by_decoded, (&rows, stays), Addend::Nothing, by_acts);
        }
        Ok(by_acts.f_copy_(&exchanged(&self.product(&exchanged(by_decoded)?, &rows)?)?)?)
    }

    /// Returns a gradient in the shape of its parameter and laid out as it is; what heads share is that of each.
    pub(super) fn shaped(&self, gradient: Tensor, parameter: &Tensor) -> Result<Tensor> {
        if gradient.numel() < parameter.numel() {
            return of_each_head(&gradient, parameter, self.workspace);
        }
        if gradient.size() == parameter.size() {
            return Ok(gradient);
        }
        Ok(gradient.f_reshape(parameter.size())?)
    }
}
