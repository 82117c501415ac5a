//! How well activations are reconstructed, over many batches: sums, so that every token weighs the same.

use crate::dictionary::{squared_error, sum_last};
use crate::error::Result;
use crate::event::Metrics;
use crate::tensor::{Kind, Tensor};

/// Sums over tokens, float64.
#[derive(Debug, Default)]
pub struct ReconstructionSums {
    tokens: f64,
    /// Tokens times heads.
    outputs: f64,
    error: f64,
    /// Of the activations as the model has them.
    unscaled_error: f64,
    active: f64,
    /// Sum of the labels, `(d_model)`, and of their squared norms.
    labels: Option<(Tensor, f64)>,
}

/// Normalised rows of one batch, all of which count. A dictionary with heads has a dimension for them behind the first.
pub struct Rows<'a> {
    /// What should come out, `(n, d_model)`.
    pub label: &'a Tensor,
    /// What comes out, `(n, d_model)`.
    pub reconstructed: &'a Tensor,
    /// The latents, `(n, d_sae)`.
    pub feature_acts: &'a Tensor,
    /// What `label` was multiplied by; broadcasts against it.
    pub factor: &'a Tensor,
}

impl ReconstructionSums {
    /// Adds rows.
    ///
    /// # Errors
    /// Too little memory.
    pub fn add(&mut self, rows: &Rows<'_>) -> Result<()> {
        let total = |x: Tensor| -> Result<f64> { Ok(x.f_sum(Kind::Double)?.f_double_value(&[])?) };
        let error = squared_error(rows.reconstructed, rows.label)?;
        let unscaled = rows
            .reconstructed
            .f_sub(rows.label)?
            .f_div(rows.factor)?
            .f_square()?;
        self.tokens += rows.label.size()[0] as f64;
        self.outputs += error.numel() as f64;
        self.error += total(error)?;
        self.unscaled_error += total(unscaled)?;
        self.active += total(rows.feature_acts.f_gt(0.0)?)?;
        let sum = rows
            .label
            .f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?;
        let squares = total(sum_last(&rows.label.f_square()?)?)?;
        self.labels = Some(match self.labels.take() {
            Some((labels, before)) => (labels.f_add(&sum)?, before + squares),
            None => (sum, squares),
        });
        Ok(())
    }

    /// Returns, over everything that was added, explained variance `1 − Σ‖x̂ − y‖² / Σ‖y − ȳ‖²`, L0, and the mean of
    /// `‖x̂ − y‖²` in the model's own scale, which is the same whether the scale is folded into the weights or not.
    /// Labels that do not vary have no explained variance.
    ///
    /// # Errors
    /// The device failed.
    pub fn metrics(&self) -> Result<Metrics> {
        let Some((labels, squares)) = self.labels.as_ref().filter(|_| self.tokens > 0.0) else {
            return Ok(Metrics::new());
        };
        let mean_square = labels.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])? / self.tokens;
        let variance = squares - mean_square;
        let mut metrics = Metrics::new();
        // What is left of equal numbers is rounding.
        if variance > 1e-12 * squares {
            metrics.push(("metrics/explained_variance".into(), 1.0 - self.error / variance));
        }
        metrics.push(("metrics/l0".into(), self.active / self.outputs));
        metrics.push((
            "metrics/unnormalized_mse".into(),
            self.unscaled_error / self.outputs,
        ));
        Ok(metrics)
    }
}
