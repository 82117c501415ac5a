//! Products of all numbers with matrices that stand in panels, in float32 on the CPU: by our own kernel, in room that is there
//! from step to step.
//!
//! Of what stays as it is for a step, the panels stay too, so that blocks of tokens and passes share them.

use std::cell::{Cell, RefCell};

use super::form::{PLAIN, passes_over_zeros, room_for_panels};
use super::zeros::most_filled;
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
    /// How many of them are of this step, and how many bytes all may have.
    count: Cell<usize>,
    room: Cell<usize>,
    piece: RefCell<Tiles>,
}

/// Returns whether products of this format are done here; plain code is slower than libraries.
pub(super) fn serve(options: (Kind, Device)) -> bool {
    options == PLAIN && Isa::chosen() != Isa::Plain
}

/// Returns the bytes of the panels of so many matrices of the encoder's size, as far as they are kept.
pub(super) fn bytes(cfg: &SAEConfig, device: Device, matrices: u64) -> u64 {
    let kind = cfg.dtype.kind();
    if !serve((kind, device)) {
        return 0;
    }
    let inputs = (cfg.hooks.heads().unwrap_or(1) * cfg.d_model) as u64;
    let matrix = inputs * cfg.d_sae() as u64 * kind.elt_size_in_bytes() as u64;
    // One that has no room leaves it to the next.
    (matrices * matrix).min(room_for_panels(cfg, kind, device) as u64 / matrix.max(1) * matrix)
}

/// Returns how many matrices a step over all latents multiplies with: those of the encoder, the decoder where it asks for the
/// derivatives of more activations than those that are on, and once more where it does not pass over those that are off. At the
/// beginning of a training half of them are on, unless the number `k` selects. Aux-K asks for
/// the whole decoder, where it does not pass over zeros.
pub(super) fn matrices(cfg: &SAEConfig, (k, has_auxk): (i64, bool), device: Device) -> u64 {
    let on = if cfg.act_fn.selects_k() {
        k as f64 / cfg.d_sae() as f64
    } else {
        0.5
    };
    let passes = passes_over_zeros(cfg, cfg.dtype.kind(), device);
    let (products, dots) = most_filled();
    let all_dead = has_auxk && !cfg.act_fn.selects_k();
    let is_decoded = !passes || on >= products || all_dead;
    let asks_all = is_decoded || on >= dots || cfg.act_fn.has_thresholds();
    // Prefixes have parts of the decoder in panels of their own.
    let of_dead = if has_auxk && !passes { 2 } else { 0 };
    1 + u64::from(cfg.use_glu_encoder) + u64::from(asks_all) + u64::from(is_decoded) + of_dead
}

impl Panels {
    /// Begins a step of panels that come to at most so many bytes: nothing is taken to be what it was, and what the step before had
    /// no use for goes.
    pub(super) fn begin(&self, room: i64) {
        self.room.set(room.max(0) as usize);
        self.kept.borrow_mut().truncate(self.count.replace(0));
    }

    /// Writes `onto + left right` to `output`, in whose rows numbers are next to each other, or in whose columns where it is not
    /// added to a row.
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
        let kept = match stays {
            Stays::Step => self.kept(right),
            Stays::Product => None,
        };
        match kept {
            Some(at) => product(left, &self.kept.borrow()[at].1, onto, output),
            None => self.by_pieces(left, right, onto, output),
        }
        Ok(())
    }

    /// Returns which are the panels of a matrix, and makes them where they are not there; `None` where there is no room for more.
    fn kept(&self, (numbers, layout): (&[f32], Layout)) -> Option<usize> {
        let place = (numbers.as_ptr() as usize, layout);
        let mut kept = self.kept.borrow_mut();
        let count = self.count.get();
        let known = kept[..count].iter().position(|(there, _)| *there == place);
        if known.is_some() {
            return known;
        }
        let bytes = |layout: Layout| layout.size.0 * layout.size.1 * size_of::<f32>();
        let there: usize = kept[..count].iter().map(|((_, layout), _)| bytes(*layout)).sum();
        if there + bytes(layout) > self.room.get() {
            return None;
        }
        if kept.len() == count {
            kept.push((place, Tiles::default()));
        }
        let (there, panels) = &mut kept[count];
        *there = place;
        panels.pack_strided(Strided::new(numbers, layout.size, layout.strides), width());
        self.count.set(count + 1);
        Some(count)
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
