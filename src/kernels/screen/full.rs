//! Rows that cannot be screened: all their pre-activations, computed for several rows together.

use super::super::isa::Isa;
use super::super::rescore::all_products;
use super::problem::Encoder;

/// How many rows are computed together at most.
const ROWS: usize = 12;

/// The pre-activations of some rows.
#[derive(Default)]
pub struct Full {
    /// The rows by their number in the block, ascending.
    slots: Vec<usize>,
    /// All pre-activations of one row after the other.
    values: Vec<f32>,
}

impl Full {
    /// Forgets what was computed.
    pub fn clear(&mut self) {
        self.slots.clear();
    }

    /// Returns all pre-activations of the row `slot`. If they are not there yet, they are computed together with those of
    /// the next rows of `slots`, which begin with `slot` and ascend.
    pub fn values<'a>(
        &mut self,
        isa: Isa,
        encoder: &Encoder,
        slot: usize,
        slots: impl Iterator<Item = usize>,
        row: impl Fn(usize) -> &'a [f32],
    ) -> &[f32] {
        let latents = encoder.latents();
        if !self.slots.contains(&slot) {
            self.slots.clear();
            self.slots.extend(slots.take(ROWS));
            let mut rows = [&[][..]; ROWS];
            for (place, &slot) in rows.iter_mut().zip(&self.slots) {
                *place = row(slot);
            }
            let count = self.slots.len();
            self.values.resize(count * latents, 0.0);
            all_products(
                isa,
                &rows[..count],
                encoder.weight,
                encoder.bias,
                &mut self.values,
            );
        }
        let place = self.slots.iter().position(|&other| other == slot).unwrap_or(0);
        &self.values[place * latents..(place + 1) * latents]
    }
}
