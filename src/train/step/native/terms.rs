//! The terms of a loss whose gradients are written by hand, in the order in which they are summed.

use super::facts::Facts;
use super::gradients::{Gradients, add};
use crate::dictionary::{LOG_THRESHOLD, Term};
use crate::error::{Error, Result};
use crate::kernels::cuda::{Launcher, sums};
use crate::tensor::{Kind, Tensor};

/// The terms besides the reconstruction that there are, 0-d.
pub(super) struct Terms {
    penalty: Option<Tensor>,
    threshold: Option<Tensor>,
    auxk: Option<Tensor>,
    /// There is an Aux-K loss, if only 0.
    has_auxk: bool,
}

impl Terms {
    /// Returns terms that nothing was added to.
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        Self {
            penalty: None,
            threshold: None,
            auxk: None,
            has_auxk: facts.settings.auxk_coefficient > 0.0,
        }
    }

    pub(super) fn add_penalty(&mut self, value: Tensor) -> Result<()> {
        add(&mut self.penalty, value)
    }

    pub(super) fn add_auxk(&mut self, value: Tensor) -> Result<()> {
        add(&mut self.auxk, value)
    }

    /// Adds the threshold penalty `c · mean_t Σ relu(θ − h) n`, and its derivatives by the thresholds and by the decoder
    /// norms: `below (d_sae)` are the sums of `relu(θ − h)` over the tokens, `count (d_sae)` on how many it is over 0.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_threshold_penalty(
        &mut self,
        facts: &Facts<'_>,
        (below, count): (&Tensor, &Tensor),
        gradients: &mut Gradients,
    ) -> Result<()> {
        let Some(cost) = facts.threshold_cost()? else {
            return Ok(());
        };
        let workspace = facts.workspace;
        let penalties = workspace.times(below, &cost)?;
        add(&mut self.threshold, penalties.f_sum(None::<Kind>)?)?;
        let by_norm = workspace.copy(below)?.f_mul_scalar_(facts.threshold_share())?;
        gradients.add_by_norm(by_norm)?;
        match facts.by_log_threshold(&workspace.times(count, &cost)?)? {
            Some(by_log) => gradients.add(LOG_THRESHOLD, by_log),
            None => Ok(()),
        }
    }

    /// Returns the sum of the terms and the terms, with those of the reconstructions from the squared errors of each token and
    /// prefix; by the kernels that `launcher` starts, if there is one.
    ///
    /// # Errors
    /// Too little memory; the device failed.
    pub(super) fn finish(
        self,
        facts: &Facts<'_>,
        squared_errors: &[Tensor],
        launcher: Option<&dyn Launcher>,
    ) -> Result<(Tensor, Vec<Term>)> {
        let auxk = match (self.auxk, launcher) {
            (Some(auxk), _) => Some(auxk),
            (None, _) if !self.has_auxk => None,
            (None, Some(launcher)) => Some(sums::total(launcher, None, 0.0)?),
            (None, None) => Some(facts.zero()?),
        };
        let named = [
            ("l_s", "losses/sparsity_loss", self.penalty),
            ("l_p", "losses/lp_loss", self.threshold),
            ("l_aux", "losses/aux_loss", auxk),
        ];
        let mut terms = Vec::new();
        for (index, (prefix, squared)) in facts.prefixes.iter().zip(squared_errors).enumerate() {
            let is_all = index + 1 == facts.prefixes.len();
            let term = match launcher {
                Some(launcher) => {
                    let share = prefix.weight / squared.numel() as f64;
                    prefix.term_of(sums::total(launcher, Some(squared), share)?, is_all)
                }
                None => prefix.term(&squared.f_mean(None::<Kind>)?, is_all)?,
            };
            // What all latents reconstruct comes first.
            terms.insert(if is_all { 0 } else { index }, term);
        }
        for (name, metric, value) in named {
            let Some(value) = value else { continue };
            terms.push(Term {
                name: name.into(),
                metric: metric.into(),
                value,
            });
        }
        Ok((sum_of(&terms, launcher)?, terms))
    }
}

/// Returns the sum of all terms.
fn sum_of(terms: &[Term], launcher: Option<&dyn Launcher>) -> Result<Tensor> {
    if let Some(launcher) = launcher {
        let values: Vec<&Tensor> = terms.iter().map(|term| &term.value).collect();
        return sums::terms(launcher, &values);
    }
    let mut sum = None;
    for term in terms {
        add(&mut sum, term.value.shallow_clone())?;
    }
    sum.ok_or_else(|| Error::run("a loss needs at least one term"))
}
