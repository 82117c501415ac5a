//! Products of all numbers with matrices that stand in panels, in float32 on the CPU: by our own kernel, in room that is there
//! from step to step.
//!
//! Of what stays as it is for a step, the panels stay too, so that blocks of tokens and passes share them.

use std::cell::{Cell, RefCell};

use super::form::{PLAIN, can_be_copied, passes_over_zeros};
use crate::dictionary::SAEConfig;
use crate::error::Result;
use crate::kernels::isa::Isa;
use crate::kernels::product::{Onto, Output, product, width};
use crate::kernels::strided::Strided;
use crate::kernels::tiles::Tiles;
use crate::tensor::slices::{Layout, strided, strided_mut};
use crate::tensor::{Device, Kind, Tensor};

/// Bytes of the panels of a matrix that is put into panels some columns at a time.
const PIECE_BYTES: usize = 8 << 20;

/// How long the right matrix of a product stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// Until the step ends.
    Step,
    /// No longer than the product.
    Product,
}

/// Where a matrix lies, and how.
type Place = (usize, Layout);

/// Matrices in panels.
#[derive(Default)]
pub(super) struct Panels {
    kept: RefCell<Vec<(Place, Tiles)>>,
    /// How many of them are of this step.
    count: Cell<usize>,
    piece: RefCell<Tiles>,
}

/// Returns whether products of this format are done here; plain code is slower than libraries.
pub(super) fn serve(options: (Kind, Device)) -> bool {
    options == PLAIN && Isa::chosen() != Isa::Plain
}

/// Returns the bytes of the panels of the encoder's matrix, where they are kept; those of the decoder are as large.
pub(super) fn bytes(cfg: &SAEConfig, device: Device) -> u64 {
    let kind = cfg.dtype.kind();
    let inputs = cfg.hooks.heads().unwrap_or(1) * cfg.d_model;
    if !serve((kind, device)) || !can_be_copied(cfg.d_sae(), inputs) {
        return 0;
    }
    (cfg.d_sae() * inputs) as u64 * kind.elt_size_in_bytes() as u64
}

/// Returns how many such matrices a step over all latents keeps: the encoder's, and the decoder's where it asks for the derivatives
/// of all activations, and twice where it decodes all too.
pub(super) fn matrices(cfg: &SAEConfig, device: Device) -> u64 {
    let passes = passes_over_zeros(cfg, cfg.dtype.kind(), device);
    let of_decoder = if passes {
        u64::from(cfg.act_fn.has_thresholds())
    } else {
        2
    };
    1 + u64::from(cfg.use_glu_encoder) + of_decoder
}

impl Panels {
    /// Begins a step: nothing is taken to be what it was.
    pub(super) fn begin(&self) {
        self.count.set(0);
    }

    /// Writes `onto + left right` to `output`, in whose rows, or columns where it is added to nothing else, numbers are next to each
    /// other.
    ///
    /// # Errors
    /// Something is not float32 on the CPU, or lies otherwise.
    pub(super) fn product(
        &self,
        left: &Tensor,
        (right, stays): (&Tensor, Stays),
        onto: Onto<'_>,
        output: &mut Tensor,
    ) -> Result<()> {
        let is_turned = output.size()[1] > 1 && output.stride()[1] != 1;
        if is_turned && !matches!(onto, Onto::Row(_)) {
            // (a b)ᵀ = bᵀ aᵀ.
            let turned = (&left.f_tr()?, Stays::Product);
            return self.product_by_rows(&right.f_tr()?, turned, onto, &mut output.f_tr()?);
        }
        self.product_by_rows(left, (right, stays), onto, output)
    }

    fn product_by_rows(
        &self,
        left: &Tensor,
        (right, stays): (&Tensor, Stays),
        onto: Onto<'_>,
        output: &mut Tensor,
    ) -> Result<()> {
        let (left, right) = (strided(left)?, strided(right)?);
        let left = Strided::new(left.0, left.1.size, left.1.strides);
        let (output, to) = strided_mut(output)?;
        let output = Output {
            numbers: output,
            by_row: to.strides.0.max(to.size.1),
        };
        let (rows, columns) = right.1.size;
        if stays == Stays::Step && can_be_copied(rows as i64, columns as i64) {
            self.with_kept(right, |right| product(left, right, onto, output));
        } else {
            self.by_pieces(left, right, onto, output);
        }
        Ok(())
    }

    /// Calls `with` with the panels of a matrix, which are made where they are not there.
    fn with_kept(&self, (numbers, layout): (&[f32], Layout), with: impl FnOnce(&Tiles)) {
        let place = (numbers.as_ptr() as usize, layout);
        let mut kept = self.kept.borrow_mut();
        let count = self.count.get();
        let known = kept[..count].iter().position(|(there, _)| *there == place);
        let at = known.unwrap_or_else(|| {
            if kept.len() == count {
                kept.push((place, Tiles::default()));
            }
            let (there, panels) = &mut kept[count];
            *there = place;
            panels.pack_strided(Strided::new(numbers, layout.size, layout.strides), width());
            self.count.set(count + 1);
            count
        });
        with(&kept[at].1);
    }

    /// Multiplies with some columns of the right matrix after the other.
    fn by_pieces(
        &self,
        left: Strided<'_>,
        (numbers, layout): (&[f32], Layout),
        onto: Onto<'_>,
        output: Output<'_>,
    ) {
        let (inner, columns) = layout.size;
        let at_a_time = (PIECE_BYTES / (inner * size_of::<f32>()))
            .max(1)
            .next_multiple_of(width());
        let mut piece = self.piece.borrow_mut();
        for first in (0..columns).step_by(at_a_time) {
            let last = (first + at_a_time).min(columns);
            let right = &numbers[first * layout.strides.1..];
            piece.pack_strided(
                Strided::new(right, (inner, last - first), layout.strides),
                width(),
            );
            let onto = match onto {
                Onto::Row(row) => Onto::Row(&row[first..last]),
                other => other,
            };
            let output = Output {
                numbers: &mut output.numbers[first..],
                by_row: output.by_row,
            };
            product(left, &piece, onto, output);
        }
    }
}
