//! Products that pass over the activations that are 0, in float32 on the CPU: the reconstruction, the derivative by activations
//! (thresholds want it for others as well) and the gradients of both matrices.
//!
//! Where the threshold penalty has something to say of pre-activations, it says it of nearly all that are off. It is taken to say
//! it of all: that adds a sum of inputs to the gradient of the encoder, and what is left is 0 of all that are off and below their
//! threshold.

use super::super::facts::Facts;
use super::super::gradients::{Gradients, add_in_place};
use super::super::multiply::Addend;
use super::super::panels::Stays;
use super::super::places::Places;
use super::super::zeros::{Products, most_filled};
use crate::error::Result;
use crate::tensor::Tensor;

/// What the blocks of a step leave for its end, and room to work in.
pub(super) struct OverZeros<'a> {
    pub(super) products: &'a mut Products,
    places: Places<'a>,
    has_decoder: bool,
    /// The sum of the inputs of the tokens of which more is left to say, `(d_model)`, and how many they are.
    inputs: Option<Tensor>,
    tokens: i64,
}

impl<'a> OverZeros<'a> {
    /// Returns the way over zeros; `None` where there is none.
    pub(super) fn new(products: &'a mut Products, places: Places<'a>, facts: &Facts<'_>) -> Option<Self> {
        facts.passes_over_zeros().then_some(Self {
            products,
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
        // With a gate the same cost says something else to each token.
        facts.penalised_thresholds().is_some() && !facts.sae.cfg.use_glu_encoder
    }

    /// Returns whether most derivatives by pre-activations are 0 where most activations are.
    pub(super) fn is_for_encoder(facts: &Facts<'_>) -> bool {
        facts.penalised_thresholds().is_none() || Self::is_lifted(facts)
    }

    /// Puts the decoder into tiles, once a step.
    fn prepare(&mut self, facts: &Facts<'_>) -> Result<()> {
        if !self.has_decoder {
            self.products.take(&facts.parameter("W_D")?)?;
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
        self.products.add_decoded(acts, &mut error)?;
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
        self.products.add_by_latent(acts, by_decoded, &mut sum)
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
            self.products.put_dots(acts, by_decoded, &mut by_acts)?;
        } else {
            let rows = facts.parameter("W_D")?.f_tr()?;
            facts.multiply(by_decoded, (&rows, Stays::Step), Addend::Nothing, &mut by_acts)?;
        }
        Ok(by_acts)
    }

    /// Adds the gradients of one of the encoder's matrices and its bias from the derivative by what they give, but for what
    /// `finish` adds.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn encoder(
        &mut self,
        facts: &Facts<'_>,
        x: &Tensor,
        by_pre: &Tensor,
        (name, bias): (&'static str, &'static str),
        gradients: &mut Gradients,
    ) -> Result<()> {
        let mut sum = gradients.so_far((facts, self.places.step), name)?.f_tr()?;
        self.products.add_by_latent(by_pre, x, &mut sum)?;
        gradients.add_bias(facts, bias, by_pre)?;
        if Self::is_lifted(facts) {
            self.tokens += x.size()[0];
            add_in_place(&mut self.inputs, facts.sum_of_rows(x)?)?;
        }
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
