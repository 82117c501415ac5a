//! The Aux-K loss where only pairs are known of other latents: the pre-activations of the dead ones are computed for themselves.

use super::auxk::{self, Latents, Work};
use super::facts::Facts;
use super::form::PLAIN;
use super::gradients::Gradients;
use super::multiply::Addend;
use super::panels::Stays;
use super::places::Places;
use super::room::Room;
use super::select::Selector;
use super::some_rows::{Groups, RowSums, SomeRows, of_group};
use super::terms::Terms;
use super::zeros::Products;
use crate::error::Result;
use crate::tensor::{Tensor, Workspace};

/// The tokens of a batch, some at a time, and the part of the encoder that belongs to dead latents.
struct DeadEncoder {
    /// The rows of the latents, and their biases, `(n)`.
    rows: SomeRows,
    bias: Tensor,
    xs: Vec<Tensor>,
    /// The pre-activations, where they are kept from one pass to the next.
    kept: Vec<Option<Tensor>>,
    keeps: bool,
}

impl DeadEncoder {
    /// Returns the encoder of the latents `dead`, int64 `(n)`, and the tokens `x`, of which so many come at a time; its rows lie in
    /// the workspace.
    ///
    /// # Errors
    /// Too little memory; so it is with all below.
    fn new(
        facts: &Facts<'_>,
        workspace: &Workspace,
        dead: &Tensor,
        (x, at_a_time): (&Tensor, i64),
    ) -> Result<Self> {
        let xs = x.f_split(at_a_time, 0)?;
        let bytes = facts.tokens * dead.size()[0] * facts.options().0.elt_size_in_bytes() as i64;
        Ok(Self {
            rows: SomeRows::of(facts, workspace, facts.encoder()?.f_tr()?, dead)?,
            bias: facts.encoder_bias()?.f_index_select(0, dead)?,
            kept: xs.iter().map(|_| None).collect(),
            keeps: facts.competes_in_blocks() && bytes <= facts.limits.kept_bytes / 4,
            xs,
        })
    }

    /// Returns the pre-activations of a block of tokens, `(tokens, n)`.
    fn encoded(&mut self, number: usize, facts: &Facts<'_>, places: Places<'_>) -> Result<Tensor> {
        places.block.begin();
        if let Some(kept) = &self.kept[number] {
            return Ok(kept.shallow_clone());
        }
        let room = if self.keeps { places.step } else { places.block };
        let x = &self.xs[number];
        let hidden_pre = room.empty(&[x.size()[0], self.bias.size()[0]], facts.options())?;
        for group in self.rows.groups.each() {
            let matrix = (&self.rows.get(&group)?.f_tr()?, self.rows.groups.stays());
            let bias = of_group(&self.bias, 0, &group)?;
            let mut hidden_pre = of_group(&hidden_pre, 1, &group)?;
            facts.multiply(x, matrix, Addend::Row(&bias), &mut hidden_pre)?;
        }
        self.kept[number] = self.keeps.then(|| hidden_pre.shallow_clone());
        Ok(hidden_pre)
    }

    /// Finds what the latents have to reach, where those of the whole batch compete.
    fn compare(
        &mut self,
        facts: &Facts<'_>,
        places: Places<'_>,
        latents: &Latents,
        selector: &mut Selector,
    ) -> Result<()> {
        if !facts.competes_in_blocks() {
            return Ok(());
        }
        let factor = latents.factor();
        let keep = facts.keep(latents.gate(facts).k);
        selector.begin_search(keep, (facts.tokens, factor.numel()));
        loop {
            for number in 0..self.xs.len() {
                selector.look(&self.encoded(number, facts, places)?, Some(factor))?;
            }
            if selector.end_search() {
                return Ok(());
            }
        }
    }
}

/// Adds the loss and the gradients of encoder and decoder of the dead latents of `is_dead (d_sae)`, whose pre-activations are
/// computed from the encoder's inputs `x`; `error` gives `x̂ − y`. Returns the derivative by the reconstruction, which is there until
/// the step ends; `None` where no latent is dead. In float32 on the CPU what passes over zeros does not round to `amp_dtype`, as the
/// step itself does not.
///
/// # Errors
/// Too little memory.
pub(super) fn of_dead(
    (facts, room): (&Facts<'_>, &mut Room),
    (x, is_dead): (&Tensor, &Tensor),
    error: impl FnOnce(&Workspace) -> Result<Tensor>,
    terms: &mut Terms,
    gradients: &mut Gradients,
) -> Result<Option<Tensor>> {
    let dead = is_dead.f_nonzero()?.f_squeeze_dim(1)?;
    if dead.numel() == 0 {
        *room = Room::default();
        return Ok(None);
    }
    room.step.begin();
    let places = Places {
        step: &room.step,
        block: &room.block,
    };
    let error = error(places.step)?;
    let latents = Latents::chosen(facts, places.step, &dead)?;
    let at_a_time = latents.tokens_at_a_time(facts);
    let mut encoder = DeadEncoder::new(facts, places.step, &dead, (x, at_a_time))?;
    let selector = &mut room.selectors.of_dead;
    encoder.compare(facts, places, &latents, selector)?;
    let mut sums = Sums::new((facts, places.step), (&dead, &latents, &encoder), gradients)?;
    for (number, mut error) in error.f_split(at_a_time, 0)?.into_iter().enumerate() {
        let hidden_pre = encoder.encoded(number, facts, places)?;
        let work = Work {
            places,
            selector,
            products: Some(&mut room.products),
        };
        let latents = (&latents, &mut sums.decoder);
        let aux = auxk::step(facts, work, (&hidden_pre, &error), latents, gradients)?;
        terms.add_auxk(aux.value)?;
        error.f_copy_(&aux.by_reconstruction)?;
        let by_pre = facts.over_heads(places.block, aux.by_pre)?;
        let x = &encoder.xs[number];
        sums.add_by_encoder((facts, places.block), &mut room.products, (&by_pre, x))?;
    }
    sums.finish(facts, &dead, gradients)?;
    Ok(Some(error))
}

/// The sums of what is said of the latents.
struct Sums {
    decoder: RowSums,
    encoder: RowSums,
    /// In which groups those of the encoder are added to.
    groups: Groups,
    /// `(n)`.
    bias: Tensor,
}

impl Sums {
    fn new(
        (facts, workspace): (&Facts<'_>, &Workspace),
        (dead, latents, encoder): (&Tensor, &Latents, &DeadEncoder),
        gradients: &mut Gradients,
    ) -> Result<Self> {
        let groups = (latents.decoder().groups, encoder.rows.groups);
        let facts = (facts, workspace);
        Ok(Self {
            decoder: RowSums::of(facts, "W_D", (dead, groups.0), gradients)?,
            encoder: RowSums::of(facts, "W_E", (dead, groups.1), gradients)?,
            groups: groups.1,
            bias: workspace.zeros_like(&encoder.bias)?,
        })
    }

    /// Adds what some tokens say of the encoder's rows and biases.
    fn add_by_encoder(
        &mut self,
        (facts, block): (&Facts<'_>, &Workspace),
        products: &mut Products,
        (by_pre, x): (&Tensor, &Tensor),
    ) -> Result<()> {
        let room = if self.groups.is_one() {
            None
        } else {
            Some(block.empty(&[by_pre.size()[0] * self.groups.at_a_time()], facts.options())?)
        };
        for group in self.groups.each() {
            let mut of_these = of_group(by_pre, 1, &group)?;
            if let Some(room) = &room {
                let mut there = room
                    .f_narrow(0, 0, of_these.numel() as i64)?
                    .f_view(&of_these.size()[..])?;
                there.f_copy_(&of_these)?;
                of_these = there;
            }
            self.encoder.add(facts, &group, |sum| {
                if facts.options() == PLAIN {
                    return products.add_by_latent(&of_these, x, sum);
                }
                facts.multiply(&of_these.f_tr()?, (x, Stays::Product), Addend::Held, sum)
            })?;
        }
        let _ = self.bias.f_add_(&facts.sum_of_rows(by_pre)?)?;
        Ok(())
    }

    fn finish(self, facts: &Facts<'_>, dead: &Tensor, gradients: &mut Gradients) -> Result<()> {
        self.decoder.finish(facts, "W_D", dead, gradients)?;
        self.encoder.finish(facts, "W_E", dead, gradients)?;
        gradients.add_some("b_E", (-1, dead.shallow_clone()), self.bias);
        Ok(())
    }
}
