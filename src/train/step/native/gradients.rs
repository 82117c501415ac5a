//! Gradients by the names of their parameters, added up part by part.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::dictionary::SparseAutoEncoder;
use crate::error::Result;
use crate::tensor::{Tensor, product};

/// Sums of gradients so far.
#[derive(Default)]
pub(super) struct Gradients(BTreeMap<&'static str, Tensor>);

impl Gradients {
    /// Adds `gradient`, a tensor that nobody else holds, to that of the parameter `name`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add(&mut self, name: &'static str, gradient: Tensor) -> Result<()> {
        match self.0.get_mut(name) {
            Some(sum) => drop(sum.f_add_(&gradient)?),
            None => drop(self.0.insert(name, gradient)),
        }
        Ok(())
    }

    /// Adds `left right` to the gradient of the parameter `name`, laid out in memory as the parameter is.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_product(
        &mut self,
        facts: &Facts<'_>,
        name: &'static str,
        left: &Tensor,
        right: &Tensor,
    ) -> Result<()> {
        match self.0.get_mut(name) {
            Some(sum) if facts.multiplies_as_it_is() => Ok(product::add_product(sum, left, right)?),
            _ if facts.sae.parameter(name)?.is_contiguous() => self.add(name, facts.product(left, right)?),
            _ => {
                let transposed = facts.product(&right.f_tr()?, &left.f_tr()?)?;
                self.add(name, transposed.f_tr()?)
            }
        }
    }

    /// Adds what there is so far of the parameter `name` to `gradient`, which takes its place.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_to(&mut self, mut gradient: Tensor, name: &'static str) -> Result<()> {
        if let Some(sum) = self.0.remove(name) {
            let _ = gradient.f_add_(&sum)?;
        }
        self.0.insert(name, gradient);
        Ok(())
    }

    /// Returns the gradients in the order of the parameters; 0 for those that nothing was added to.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn in_order(mut self, sae: &SparseAutoEncoder) -> Result<Vec<Tensor>> {
        let parameters = sae.parameters().iter();
        parameters
            .map(|parameter| match self.0.remove(parameter.name) {
                Some(gradient) => Ok(gradient),
                None => Ok(parameter.tensor.f_detach()?.f_zeros_like()?),
            })
            .collect()
    }
}
