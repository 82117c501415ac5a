//! What dead latents decode to and what comes back to them, group after group.

use std::ops::Range;

use super::facts::Facts;
use super::some_rows::{RowSums, SomeRows, of_group};
use super::zeros::Products;
use crate::error::Result;
use crate::tensor::{Tensor, Workspace};

/// The activations of some tokens, and what decodes them.
pub(super) struct Decoding<'a> {
    facts: &'a Facts<'a>,
    decoder: &'a SomeRows,
    /// `(tokens, [heads,] n)`.
    acts: Tensor,
    /// Where products pass over what is 0.
    products: Option<&'a mut Products>,
    /// Room for numbers of a group of latents that have to be next to each other, twice.
    room: Option<Tensor>,
}

impl<'a> Decoding<'a> {
    /// Returns what decodes the activations `acts (tokens, [heads,] n)` by these rows, passing over what is 0 where there are
    /// `products`.
    ///
    /// # Errors
    /// Too little memory; so it is with all below.
    pub(super) fn new(
        facts: &'a Facts<'a>,
        block: &Workspace,
        decoder: &'a SomeRows,
        acts: &Tensor,
        products: Option<&'a mut Products>,
    ) -> Result<Self> {
        let groups = decoder.groups;
        let room = match products {
            Some(_) if !groups.is_one() => {
                let numbers = acts.size()[0] * groups.at_a_time();
                Some(block.empty(&[2, numbers], facts.options())?)
            }
            _ => None,
        };
        Ok(Self {
            facts,
            decoder,
            acts: acts.shallow_clone(),
            products,
            room,
        })
    }

    /// Returns whether products pass over what is 0.
    pub(super) fn passes(&self) -> bool {
        self.products.is_some()
    }

    /// Returns `sum (tokens, [heads,] d_model)` with what the activations decode to.
    pub(super) fn decoded(&mut self, mut sum: Tensor) -> Result<Tensor> {
        let decoder = self.decoder;
        for group in decoder.groups.each() {
            let (rows, acts) = (decoder.get(&group)?, self.acts_of(&group)?);
            match &mut self.products {
                Some(products) => {
                    products.take(&rows)?;
                    products.add_decoded(&acts, &mut sum)?;
                }
                None => self
                    .facts
                    .add_decoded(&acts, (&rows, decoder.groups.stays()), &mut sum)?,
            }
        }
        Ok(sum)
    }

    /// Adds the gradient of the decoder's rows to `by_decoder`, and writes the derivative by the activations, of those that are on or
    /// of all, to `by_acts`; `by_decoded` is that by what they decode to.
    pub(super) fn backwards(
        &mut self,
        by_decoded: &Tensor,
        by_decoder: &mut RowSums,
        (by_acts, asks_all): (&Tensor, bool),
    ) -> Result<()> {
        let (facts, decoder) = (self.facts, self.decoder);
        for group in decoder.groups.each() {
            let acts = self.acts_of(&group)?;
            let products = &mut self.products;
            by_decoder.add(facts, &group, |sum| match products {
                Some(products) => products.add_by_latent(&acts, by_decoded, sum),
                None => facts.add_by_decoder(&acts, by_decoded, sum),
            })?;
            let mut by_acts = of_group(by_acts, -1, &group)?;
            let rows = decoder.get(&group)?;
            if let Some(products) = self.products.as_mut().filter(|_| !asks_all) {
                let Some(room) = &self.room else {
                    products.put_dots(&acts, by_decoded, &mut by_acts)?;
                    continue;
                };
                products.take(&rows)?;
                let mut dots = in_room(room, 1, &acts.size())?;
                products.put_dots(&acts, by_decoded, &mut dots)?;
                by_acts.f_copy_(&dots)?;
            } else {
                facts.put_by_acts(by_decoded, (&rows, decoder.groups.stays()), &mut by_acts)?;
            }
        }
        Ok(())
    }

    /// Returns the activations of a group of latents, next to each other where products want that.
    fn acts_of(&self, group: &Range<i64>) -> Result<Tensor> {
        let acts = of_group(&self.acts, -1, group)?;
        let Some(room) = &self.room else {
            return Ok(acts);
        };
        let mut there = in_room(room, 0, &acts.size())?;
        there.f_copy_(&acts)?;
        Ok(there)
    }
}

/// Returns one half of the room as a tensor of this size.
fn in_room(room: &Tensor, half: i64, size: &[i64]) -> Result<Tensor> {
    let numbers = size.iter().product::<i64>();
    Ok(room.f_get(half)?.f_narrow(0, 0, numbers)?.f_view(size)?)
}
