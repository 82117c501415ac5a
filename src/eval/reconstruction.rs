//! How well activations are reconstructed, over many batches: sums, so that every token weighs the same.

use crate::dictionary::{squared_error, sum_last};
use crate::error::Result;
use crate::event::Metrics;
use crate::tensor::{Kind, Tensor};

/// Sums over tokens, float64.
#[derive(Debug, Default)]
pub struct ReconstructionSums {
    tokens: f64,
    error: f64,
    active: f64,
    /// Sum of the labels, `(d_model)`, and of their squared norms.
    labels: Option<(Tensor, f64)>,
}

impl ReconstructionSums {
    /// Adds rows of normalised labels and reconstructions `(rows, d_model)` with their latents `(rows, d_sae)`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn add(&mut self, label: &Tensor, reconstructed: &Tensor, feature_acts: &Tensor) -> Result<()> {
        let total = |x: Tensor| -> Result<f64> { Ok(x.f_sum(Kind::Double)?.f_double_value(&[])?) };
        self.tokens += label.size()[0] as f64;
        self.error += total(squared_error(reconstructed, label)?)?;
        self.active += total(feature_acts.f_gt(0.0)?)?;
        let sum = label.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?;
        let squares = total(sum_last(&label.f_square()?)?)?;
        self.labels = Some(match self.labels.take() {
            Some((labels, before)) => (labels.f_add(&sum)?, before + squares),
            None => (sum, squares),
        });
        Ok(())
    }

    /// Explained variance `1 − Σ‖x̂ − y‖² / Σ‖y − ȳ‖²`, L0 and mean squared error over everything that was added.
    ///
    /// # Errors
    /// The device failed.
    pub fn metrics(&self) -> Result<Metrics> {
        let Some((labels, squares)) = &self.labels else {
            return Ok(Metrics::new());
        };
        let mean_square = labels.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])? / self.tokens;
        let variance = squares - mean_square;
        Ok(vec![
            ("metrics/explained_variance".into(), 1.0 - self.error / variance),
            ("metrics/l0".into(), self.active / self.tokens),
            ("losses/mse_loss".into(), self.error / self.tokens),
        ])
    }
}
