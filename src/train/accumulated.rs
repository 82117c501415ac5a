//! Gradients of several batches for one move of the optimiser.

use super::kept::{Kept, Saved, Saving};
use crate::dictionary::SparseAutoEncoder;
use crate::error::Result;
use crate::tensor::Tensor;

/// Gradients summed since the optimiser last moved.
#[derive(Debug)]
pub(super) struct Accumulated {
    /// The parameters, in order, with tensors that lie in memory as their gradients do.
    parameters: Vec<(&'static str, Tensor)>,
    /// Their summed gradients; none before the first batch.
    sums: Vec<Tensor>,
    batches: u64,
}

const BATCHES: &str = "accumulated_batches";

impl Accumulated {
    /// Returns sums of nothing for the parameters of `sae`.
    pub(super) fn new(sae: &SparseAutoEncoder) -> Self {
        Self {
            parameters: sae
                .parameters()
                .iter()
                .map(|parameter| (parameter.name, parameter.tensor.detach()))
                .collect(),
            sums: Vec::new(),
            batches: 0,
        }
    }

    /// Adds the gradients of one batch, and returns their mean when those of `wanted` batches are there, or with the
    /// `last` batch.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add(
        &mut self,
        gradients: Vec<Tensor>,
        wanted: u64,
        last: bool,
    ) -> Result<Option<Vec<Tensor>>> {
        if wanted == 1 {
            return Ok(Some(gradients));
        }
        if self.sums.is_empty() {
            // The engine may put the next batch's where these are.
            let copies = gradients.iter().map(|gradient| -> Result<Tensor> {
                let mut copy = gradient.f_empty_like()?;
                copy.f_copy_(gradient)?;
                Ok(copy)
            });
            self.sums = copies.collect::<Result<_>>()?;
        } else {
            for (sum, gradient) in self.sums.iter_mut().zip(&gradients) {
                let _ = sum.f_add_(gradient)?;
            }
        }
        self.batches += 1;
        if self.batches < wanted && !last {
            return Ok(None);
        }
        let mut mean = std::mem::take(&mut self.sums);
        for sum in &mut mean {
            let _ = sum.f_div_scalar_(self.batches as i64)?;
        }
        self.batches = 0;
        Ok(Some(mean))
    }

    fn tensor_name(name: &str) -> String {
        format!("accumulated.{name}")
    }
}

impl Kept for Accumulated {
    fn save(&self, checkpoint: &mut Saving) -> Result<()> {
        for ((name, _), sum) in self.parameters.iter().zip(&self.sums) {
            checkpoint.tensor(Self::tensor_name(name), sum);
        }
        checkpoint.fact(BATCHES, self.batches)
    }

    fn restore(&mut self, checkpoint: &Saved) -> Result<()> {
        self.batches = checkpoint.fact(BATCHES)?;
        self.sums.clear();
        if self.batches > 0 {
            let sums = self.parameters.iter().map(|(name, parameter)| -> Result<Tensor> {
                let mut sum = parameter.f_empty_like()?;
                checkpoint.fill(&mut sum, &Self::tensor_name(name))?;
                Ok(sum)
            });
            self.sums = sums.collect::<Result<_>>()?;
        }
        Ok(())
    }
}
