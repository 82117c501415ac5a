//! The terms of a loss whose gradients are written by hand, in the order in which they are summed.

use super::facts::Facts;
use super::gradients::Gradients;
use crate::dictionary::{LOG_THRESHOLD, Term};
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

/// The terms besides the reconstruction that there are, 0-d.
pub(super) struct Terms {
    penalty: Option<Tensor>,
    threshold: Option<Tensor>,
    auxk: Option<Tensor>,
}

/// Adds `value` to what there is.
///
/// # Errors
/// Too little memory.
pub(super) fn add(sum: &mut Option<Tensor>, value: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => sum.f_add(&value)?,
        None => value,
    });
    Ok(())
}

impl Terms {
    /// Returns terms that nothing was added to.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn new(facts: &Facts<'_>) -> Result<Self> {
        let auxk = if facts.settings.auxk_coefficient > 0.0 {
            Some(facts.zero()?)
        } else {
            None
        };
        Ok(Self {
            penalty: None,
            threshold: None,
            auxk,
        })
    }

    pub(super) fn add_penalty(&mut self, value: Tensor) -> Result<()> {
        add(&mut self.penalty, value)
    }

    pub(super) fn add_threshold(&mut self, value: Tensor) -> Result<()> {
        add(&mut self.threshold, value)
    }

    pub(super) fn add_auxk(&mut self, value: Tensor) -> Result<()> {
        add(&mut self.auxk, value)
    }

    /// Adds the threshold penalty `c · mean_t Σ relu(θ − h) n` on `hidden_pre (n, d_sae)`, and its derivatives by them,
    /// by the thresholds and by the decoder norms.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_threshold_penalty(
        &mut self,
        facts: &Facts<'_>,
        hidden_pre: &Tensor,
        by_pre: &mut Tensor,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let Some((theta, share)) = facts.threshold_penalty() else {
            return Ok(());
        };
        let below = theta.f_sub(hidden_pre)?.f_relu()?;
        let sums = below.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?;
        self.add_threshold(
            sums.f_mul(&facts.norm)?
                .f_sum(None::<Kind>)?
                .f_mul_scalar(share)?,
        )?;
        gradients.add("W_D", facts.by_rows(&sums.f_mul_scalar(share)?)?)?;
        let is_below = below.f_gt(0.0)?;
        let cost = facts.norm.f_mul_scalar(share)?;
        let count = is_below.f_sum_dim_intlist([0i64].as_slice(), false, cost.f_kind()?)?;
        if let Some(by_log) = facts.by_log_threshold(&count.f_mul(&cost)?)? {
            gradients.add(LOG_THRESHOLD, by_log)?;
        }
        let _ = by_pre.f_sub_(&is_below.f_mul(&cost)?)?;
        Ok(())
    }

    /// Returns the sum of the terms and the terms, with that of the reconstruction from the squared error of each token.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn finish(self, squared_error: &Tensor) -> Result<(Tensor, Vec<Term>)> {
        let named = [
            ("l_s", "losses/sparsity_loss", self.penalty),
            ("l_p", "losses/lp_loss", self.threshold),
            ("l_aux", "losses/aux_loss", self.auxk),
        ];
        let mut loss = squared_error.f_mean(None::<Kind>)?;
        let mut terms = vec![Term::reconstruction(loss.shallow_clone())];
        for (name, metric, value) in named {
            let Some(value) = value else { continue };
            loss = loss.f_add(&value)?;
            terms.push(Term {
                name: name.into(),
                metric: metric.into(),
                value,
            });
        }
        Ok((loss, terms))
    }
}
