//! Products of activations, many of which are 0, with the rows of latents and with what belongs to tokens: in float32 on the CPU.

use crate::error::Result;
use crate::kernels::isa::Isa;
use crate::kernels::tiles::Tiles;
use crate::kernels::zeros::{self, Matrix};
use crate::tensor::Tensor;
use crate::tensor::slices::{numbers, numbers_mut};

/// Room for what such products read, which serves one step after the other.
#[derive(Default)]
pub(super) struct Products {
    rows: Tiles,
    tokens: Tiles,
}

/// Returns up to which part of all activations that are not 0 it is faster to pass over the others: `(products, dots)`.
pub(super) fn most_filled() -> (f64, f64) {
    match Isa::chosen() {
        // As measured with AVX2, beside products at 91% of what the processor can do; plain code goes the same ways.
        Isa::Plain | Isa::Avx2 => (0.7, 0.45),
        // Products are twice as fast, these not quite; by the number of their instructions, not measured.
        Isa::Avx512 => (0.35, 0.2),
    }
}

impl Products {
    /// Takes the `rows` of latents, `(latents, columns)`, that the products are with.
    ///
    /// # Errors
    /// They are not float32 on the CPU; so it is with all below.
    pub(super) fn take(&mut self, rows: &Tensor) -> Result<()> {
        let (latents, columns) = shape(rows);
        self.rows.pack(numbers(rows)?, latents, columns, zeros::WIDTH);
        Ok(())
    }

    /// Adds what `acts (n, latents)` decode to with these rows to `sum (n, columns)`.
    pub(super) fn add_decoded(&self, acts: &Tensor, sum: &mut Tensor) -> Result<()> {
        zeros::multiply(matrix(acts)?, &self.rows, numbers_mut(sum)?);
        Ok(())
    }

    /// Writes the products of `by (n, columns)` with these rows into `dots`, in the places where `acts (n, latents)` are not 0,
    /// and 0 in the others.
    pub(super) fn put_dots(&self, acts: &Tensor, by: &Tensor, dots: &mut Tensor) -> Result<()> {
        zeros::dots(matrix(acts)?, numbers(by)?, &self.rows, numbers_mut(dots)?);
        Ok(())
    }

    /// Adds `ofᵀ x` to `sum (latents, columns)`, from what is known of latents, `of (n, latents)`, and of tokens, `x (n, columns)`.
    pub(super) fn add_by_latent(&mut self, of: &Tensor, x: &Tensor, sum: &mut Tensor) -> Result<()> {
        let (tokens, columns) = shape(x);
        self.tokens.pack(numbers(x)?, tokens, columns, zeros::WIDTH);
        zeros::multiply_turned(matrix(of)?, &self.tokens, numbers_mut(sum)?);
        Ok(())
    }
}

fn shape(matrix: &Tensor) -> (usize, usize) {
    let size = matrix.size();
    (size[0] as usize, size[1] as usize)
}

fn matrix(of_latents: &Tensor) -> Result<Matrix<'_>> {
    Ok(Matrix::new(numbers(of_latents)?, shape(of_latents).1))
}
