//! Gradients by the names of their parameters, added up part by part.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::multiply::Addend;
use super::panels::Stays;
use crate::dictionary::Parameter;
use crate::error::Result;
use crate::tensor::{Kind, Tensor, Workspace};

/// Sums of gradients so far. Where there are heads, those of matrices have a row for each latent, and all inputs of the encoder in
/// a row; what heads share is there once.
#[derive(Default)]
pub(super) struct Gradients {
    sums: BTreeMap<&'static str, Tensor>,
    /// The derivative by the decoder norms, `(d_sae)`.
    by_norm: Option<Tensor>,
    /// What some latents add when all else is known: to which parameter, along which dimension, where, and what.
    some: Vec<(&'static str, i64, Tensor, Tensor)>,
    /// Where sums may lie that there are none of yet.
    places: BTreeMap<&'static str, Tensor>,
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

/// Adds `value`, a tensor that nobody else holds, to what there is, where that lies.
///
/// # Errors
/// Too little memory.
pub(super) fn add_in_place(sum: &mut Option<Tensor>, value: Tensor) -> Result<()> {
    match sum {
        Some(sum) => drop(sum.f_add_(&value)?),
        None => *sum = Some(value),
    }
    Ok(())
}

impl Gradients {
    /// Adds `gradient`, a tensor that nobody else holds, to that of the parameter `name`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add(&mut self, name: &'static str, gradient: Tensor) -> Result<()> {
        match self.sums.get_mut(name) {
            Some(sum) => drop(sum.f_add_(&gradient)?),
            None => drop(self.sums.insert(name, gradient)),
        }
        Ok(())
    }

    /// Adds what is said of some latents alone, int64 `(n)` along a dimension of the parameter `name`.
    pub(super) fn add_some(
        &mut self,
        name: &'static str,
        (dimension, latents): (i64, Tensor),
        gradient: Tensor,
    ) {
        self.some.push((name, dimension, latents, gradient));
    }

    /// Adds `left right` to the gradient of the parameter `name`, laid out in memory as the parameter is; it lies in the
    /// workspace.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_product(
        &mut self,
        (facts, workspace): (&Facts<'_>, &Workspace),
        name: &'static str,
        left: &Tensor,
        right: &Tensor,
    ) -> Result<()> {
        if let Some(sum) = self.sums.get_mut(name) {
            return facts.multiply(left, (right, Stays::Product), Addend::Held, sum);
        }
        let passing = |x: &Tensor, y: &Tensor| facts.product_in(workspace, x, (y, Stays::Product), None);
        let product = if facts.sae.parameter(name)?.is_contiguous() {
            passing(left, right)?
        } else {
            passing(&right.f_tr()?, &left.f_tr()?)?.f_tr()?
        };
        self.add(name, product)
    }

    /// Adds the gradient of a bias, where the dictionary has it: the sum over the tokens.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_bias(&mut self, facts: &Facts<'_>, name: &'static str, by_sum: &Tensor) -> Result<()> {
        let has = |parameter: &Parameter| parameter.name == name;
        if !facts.sae.parameters().iter().any(has) {
            return Ok(());
        }
        self.add(name, facts.sum_of_rows(by_sum)?)
    }

    /// Has the gradient of the parameter `name` lie here, laid out in memory as the parameter is, once something is added to it.
    pub(super) fn reserve(&mut self, name: &'static str, place: Tensor) {
        self.places.insert(name, place);
    }

    /// Returns whether something was added to the gradient of the parameter `name`.
    pub(super) fn has(&self, name: &'static str) -> bool {
        self.sums.contains_key(name)
    }

    /// Returns the gradient of the parameter `name` so far, laid out in memory as the parameter is; 0 in its place, or in the
    /// workspace, where there is none.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn so_far(
        &mut self,
        (facts, workspace): (&Facts<'_>, &Workspace),
        name: &'static str,
    ) -> Result<Tensor> {
        if let Some(sum) = self.sums.get(name) {
            return Ok(sum.shallow_clone());
        }
        if let Some(mut place) = self.places.remove(name) {
            let sum = place.f_zero_()?;
            self.sums.insert(name, sum.shallow_clone());
            return Ok(sum);
        }
        let parameter = facts.parameter(name)?;
        let parameter = match parameter.dim() {
            3 => parameter.f_flatten(0, -2)?,
            _ => parameter,
        };
        let sum = if parameter.is_contiguous() {
            workspace.zeros_like(&parameter)?
        } else {
            workspace.zeros_like(&parameter.f_tr()?)?.f_tr()?
        };
        self.sums.insert(name, sum.shallow_clone());
        Ok(sum)
    }

    /// Adds what there is so far of the parameter `name` to `gradient`, which takes its place.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_to(&mut self, mut gradient: Tensor, name: &'static str) -> Result<()> {
        if let Some(sum) = self.sums.remove(name) {
            let _ = gradient.f_add_(&sum)?;
        }
        self.sums.insert(name, gradient);
        Ok(())
    }

    /// Takes `gradient` for that of the parameter `name`, with all that was added to it before.
    pub(super) fn set(&mut self, name: &'static str, gradient: Tensor) {
        self.sums.insert(name, gradient);
    }

    /// Adds a derivative by the decoder norms, `(d_sae)`, a tensor that nobody else holds, which becomes one by the decoder's
    /// rows when all are known.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add_by_norm(&mut self, by_norm: Tensor) -> Result<()> {
        add_in_place(&mut self.by_norm, by_norm)
    }

    /// Takes out what each of the decoder's rows is multiplied by to become the derivative by it, `(d_sae)`, from the
    /// derivatives by their norms so far: along the rows, and 0 where the norm is. `None` where there are none.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn take_slope(&mut self, facts: &Facts<'_>) -> Result<Option<Tensor>> {
        let Some(mut slope) = self.by_norm.take() else {
            return Ok(None);
        };
        let _ = slope.f_div_(&facts.norm)?;
        let is_zero = facts
            .workspace
            .empty(&facts.norm.size(), (Kind::Bool, facts.norm.device()))?;
        let is_zero = facts.norm.f_eq_scalar_out(&is_zero, 0.0)?;
        Ok(Some(slope.f_masked_fill_(&is_zero, 0.0)?))
    }

    /// Returns the gradients in the order of the parameters; 0 for those that nothing was added to.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn in_order(mut self, facts: &Facts<'_>) -> Result<Vec<Tensor>> {
        if let Some(slope) = self.take_slope(facts)? {
            let (decoder, slope) = (facts.decoder()?, slope.f_reshape([-1, 1])?);
            match self.sums.get_mut("W_D") {
                Some(sum) => drop(sum.f_addcmul_(&decoder, &slope)?),
                None => self.add("W_D", decoder.f_mul(&slope)?)?,
            }
        }
        for (name, dimension, latents, gradient) in std::mem::take(&mut self.some) {
            let mut sum = self.so_far((facts, facts.workspace), name)?;
            // Each latent is there once, so that nothing has to be added up in place, for which libtorch sorts.
            let of_some = sum.f_index_select(dimension, &latents)?.f_add_(&gradient)?;
            let _ = sum.f_index_copy_(dimension, &latents, &of_some)?;
        }
        let parameters = facts.sae.parameters().iter();
        parameters
            .map(|parameter| match self.sums.remove(parameter.name) {
                Some(gradient) => facts.shaped(gradient, &parameter.tensor),
                None => Ok(parameter.tensor.f_detach()?.f_zeros_like()?),
            })
            .collect()
    }
}
