//! Products that pass over the activations that are 0, in float32 on the CPU: the reconstruction, the derivative by activations
//! (thresholds want it for others as well) and the gradients of both matrices.
//!
//! Where the threshold penalty has something to say of pre-activations, it says it of nearly all that are off. It is taken to say
//! it of all: that adds a sum of inputs to the gradient of the encoder, and what is left is 0 of all that are off and below their
//! threshold.

use super::super::facts::Facts;
use super::super::gradients::{Gradients, add_in_place};
use super::super::places::Places;
use crate::error::Result;
use crate::kernels::isa::Isa;
use crate::kernels::tiles::Tiles;
use crate::kernels::zeros::{self, Matrix};
use crate::tensor::slices::{numbers, numbers_mut};
use crate::tensor::{Tensor, product};

/// Room to work in, which serves one step after the other.
#[derive(Default)]
pub(in super::super) struct Room {
    decoder: Tiles,
    tokens: Tiles,
}

/// What the blocks of a step leave for its end, and room to work in.
pub(super) struct OverZeros<'a> {
    room: &'a mut Room,
    places: Places<'a>,
    has_decoder: bool,
    /// The sum of the inputs of the tokens of which more is left to say, `(d_model)`, and how many they are.
    inputs: Option<Tensor>,
    tokens: i64,
}

/// Returns up to which part of all activations that are not 0 it is faster to pass over the others: `(products, dots)`.
fn most_filled() -> (f64, f64) {
    match Isa::chosen() {
        // As measured with AVX2, beside products at 91% of what the processor can do; plain code goes the same ways.
        Isa::Plain | Isa::Avx2 => (0.7, 0.45),
        // Products are twice as fast, these not quite; by the number of their instructions, not measured.
        Isa::Avx512 => (0.35, 0.2),
    }
}

impl<'a> OverZeros<'a> {
    /// Returns the way over zeros; `None` where there is none.
    pub(super) fn new(room: &'a mut Room, places: Places<'a>, facts: &Facts<'_>) -> Option<Self> {
        facts.passes_over_zeros().then_some(Self {
            room,
            places,
            has_decoder: false,
            inputs: None,
            tokens: 0,
        })
    }

    /// Returns whether it is the faster way where this part of the activations is not 0.
    pub(super) fn is_worth_it(filled: f64) -> bool {
        filled < most_filled().0
    }

    /// Returns whether the derivatives by pre-activations are those that lack what all cost.
    pub(super) fn is_lifted(facts: &Facts<'_>) -> bool {
        facts.penalised_thresholds().is_some()
    }

    /// Puts the decoder into tiles, once a step.
    fn prepare(&mut self, facts: &Facts<'_>) -> Result<()> {
        if !self.has_decoder {
            let decoder = facts.parameter("W_D")?;
            let columns = decoder.size()[1] as usize;
            self.room
                .decoder
                .pack(numbers(&decoder)?, facts.latents(), columns, zeros::WIDTH);
            self.has_decoder = true;
        }
        Ok(())
    }

    /// Returns `x̂ − y`, `(n, d_model)`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn error(&mut self, facts: &Facts<'_>, acts: &Tensor, label: &Tensor) -> Result<Tensor> {
        self.prepare(facts)?;
        let mut error = self.places.block.empty_like(label)?;
        let _ = match facts.parameter("b_D") {
            Ok(bias) => bias.f_sub_out(&error, label)?,
            Err(_) => label.f_neg_out(&error)?,
        };
        zeros::multiply(matrix(acts, facts)?, &self.room.decoder, numbers_mut(&mut error)?);
        Ok(error)
    }

    /// Adds the gradient of the decoder.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn decoder(
        &mut self,
        facts: &Facts<'_>,
        acts: &Tensor,
        by_decoded: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let mut sum = gradients.so_far((facts, self.places.step), "W_D")?;
        self.add_product(matrix(acts, facts)?, by_decoded, numbers_mut(&mut sum)?)
    }

    /// Returns the derivative by the activations, `(n, d_sae)`, of which this part is `filled`: without thresholds, it is left out
    /// where they are 0 if that is faster.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn by_acts(
        &mut self,
        facts: &Facts<'_>,
        (acts, filled): (&Tensor, f64),
        by_decoded: &Tensor,
    ) -> Result<Tensor> {
        let mut by_acts = self.places.block.empty_like(acts)?;
        if !facts.sae.cfg.act_fn.has_thresholds() && filled < most_filled().1 {
            self.prepare(facts)?;
            let filled = matrix(acts, facts)?;
            let rows = numbers_mut(&mut by_acts)?;
            zeros::dots(filled, numbers(by_decoded)?, &self.room.decoder, rows);
        } else {
            product::put_product(&mut by_acts, by_decoded, &facts.parameter("W_D")?.f_tr()?)?;
        }
        Ok(by_acts)
    }

    /// Adds the gradients of the encoder from the derivative by its pre-activations, but for what `finish` adds.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn encoder(
        &mut self,
        facts: &Facts<'_>,
        x: &Tensor,
        by_pre: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let mut sum = gradients.so_far((facts, self.places.step), "W_E")?.f_tr()?;
        self.add_product(matrix(by_pre, facts)?, x, numbers_mut(&mut sum)?)?;
        gradients.add_bias(facts, "b_E", by_pre)?;
        if facts.penalised_thresholds().is_some() {
            self.tokens += x.size()[0];
            add_in_place(&mut self.inputs, facts.sum_of_rows(x)?)?;
        }
        Ok(())
    }

    /// Adds `leftᵀ · right` to `sum`, row after row.
    fn add_product(&mut self, left: Matrix<'_>, right: &Tensor, sum: &mut [f32]) -> Result<()> {
        let shape = right.size();
        let tokens = &mut self.room.tokens;
        tokens.pack(
            numbers(right)?,
            shape[0] as usize,
            shape[1] as usize,
            zeros::WIDTH,
        );
        zeros::multiply_turned(left, tokens, sum);
        Ok(())
    }

    /// Adds what is left to say.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn finish(&mut self, facts: &Facts<'_>, gradients: &mut Gradients) -> Result<()> {
        if let (Some(inputs), Some(cost)) = (&mut self.inputs, facts.threshold_cost()?) {
            let _ = gradients
                .so_far((facts, self.places.step), "W_E")?
                .f_addr_(&inputs.f_neg_()?, &cost)?;
            let of_all = facts.workspace.copy(&cost)?.f_mul_scalar_(-self.tokens)?;
            gradients.add("b_E", of_all)?;
        }
        Ok(())
    }
}

fn matrix<'a>(of_latents: &'a Tensor, facts: &Facts<'_>) -> Result<Matrix<'a>> {
    Ok(Matrix::new(numbers(of_latents)?, facts.latents()))
}
