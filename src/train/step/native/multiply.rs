//! Products of all numbers: by our own kernel in float32 on the CPU, by a library elsewhere, and in the number format of the pass.

use super::facts::Facts;
use super::panels::{self, Stays};
use crate::error::Result;
use crate::kernels::product::Onto;
use crate::tensor::slices::numbers;
use crate::tensor::{DType, Kind, Tensor, Workspace, product};

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum Addend<'a> {
    Nothing,
    /// A row for all rows.
    Row(&'a Tensor),
    /// What is there.
    Held,
}

impl Facts<'_> {
    /// Returns whether products are done in the format of the parameters: also where another one is asked for, but the processor
    /// cannot multiply in it and would have to in float32. Rounding to it would only take time.
    pub(super) fn multiplies_as_it_is(&self) -> bool {
        let (kind, device) = (self.sae.kind(), self.sae.device());
        let is_in_vain = |amp: Kind| kind == Kind::Float && product::instead_of(amp, device).is_some();
        let amp = self.pass.amp.map(DType::kind);
        kind == Kind::Double || amp.is_none_or(|amp| amp == kind || is_in_vain(amp))
    }

    /// Returns `x W`, in the number format of the pass.
    ///
    /// # Errors
    /// Too little memory; so it is with all below.
    pub(super) fn product(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        if self.multiplies_as_it_is() {
            return Ok(product::matmul(x, weight)?);
        }
        self.pass.product(x, weight)
    }

    /// Returns the product `x W` of two matrices, with `row` added to each of its rows; where it can it lies in the workspace.
    pub(super) fn product_in(
        &self,
        workspace: &Workspace,
        x: &Tensor,
        (weight, stays): (&Tensor, Stays),
        row: Option<&Tensor>,
    ) -> Result<Tensor> {
        if !self.multiplies_as_it_is() {
            let mut product = self.product(x, weight)?;
            return match row {
                Some(row) => Ok(product.f_add_(row)?),
                None => Ok(product),
            };
        }
        let mut product = workspace.empty(&[x.size()[0], weight.size()[1]], self.options())?;
        let addend = row.map_or(Addend::Nothing, Addend::Row);
        self.multiply_as_it_is(x, (weight, stays), addend, &mut product)?;
        Ok(product)
    }

    /// Puts `addend + x W` of two matrices into `out`, in the number format of the pass.
    pub(super) fn multiply(
        &self,
        x: &Tensor,
        (weight, stays): (&Tensor, Stays),
        addend: Addend<'_>,
        out: &mut Tensor,
    ) -> Result<()> {
        if self.multiplies_as_it_is() {
            return self.multiply_as_it_is(x, (weight, stays), addend, out);
        }
        let product = self.product(x, weight)?;
        match addend {
            Addend::Held => drop(out.f_add_(&product)?),
            Addend::Row(row) => drop(product.f_add_out(out, row)?),
            Addend::Nothing => out.f_copy_(&product)?,
        }
        Ok(())
    }

    /// Puts `addend + x W` of two matrices into `out`, in the format of the parameters whatever that of the pass is.
    pub(super) fn multiply_as_it_is(
        &self,
        x: &Tensor,
        (weight, stays): (&Tensor, Stays),
        addend: Addend<'_>,
        out: &mut Tensor,
    ) -> Result<()> {
        if panels::serve(self.options()) && out.numel() > 0 && x.numel() > 0 {
            let onto = match addend {
                Addend::Nothing => Onto::Nothing,
                Addend::Row(row) => Onto::Row(numbers(row)?),
                Addend::Held => Onto::Held,
            };
            return self.panels.product(x, (weight, stays), onto, out);
        }
        match addend {
            Addend::Held => product::add_product(out, x, weight)?,
            Addend::Row(_) | Addend::Nothing => product::put_product(out, x, weight)?,
        }
        if let Addend::Row(row) = addend {
            let _ = out.f_add_(row)?;
        }
        Ok(())
    }
}
