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
use super::terms::Terms;
use super::zeros::Products;
use crate::error::Result;
use crate::tensor::{Tensor, Workspace};

/// The tokens of a batch, some at a time, and the part of the encoder that belongs to dead latents.
struct DeadEncoder {
    /// The rows of the latents, `(n, inputs)`, and their biases, `(n)`.
    rows: Tensor,
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
        let encoder = facts.encoder()?.f_tr()?;
        let rows = workspace.empty(&[dead.size()[0], encoder.size()[1]], facts.options())?;
        let rows = encoder.f_index_select_out(&rows, 0, dead)?;
        let xs = x.f_split(at_a_time, 0)?;
        let bytes = facts.tokens * dead.size()[0] * facts.options().0.elt_size_in_bytes() as i64;
        Ok(Self {
            rows,
            bias: facts.encoder_bias()?.f_index_select(0, dead)?,
            kept: xs.iter().map(|_| None).collect(),
            keeps: facts.competes_by_kernel() && bytes <= facts.limits.kept_bytes / 4,
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
        let matrix = (&self.rows.f_tr()?, Stays::Step);
        let hidden_pre = facts.product_in(room, &self.xs[number], matrix, Some(&self.bias))?;
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
        if !facts.competes_by_kernel() {
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
    let mut by_encoder = (
        places.step.zeros_like(&encoder.rows)?,
        places.step.zeros_like(&encoder.bias)?,
    );
    for (number, mut error) in error.f_split(at_a_time, 0)?.into_iter().enumerate() {
        let hidden_pre = encoder.encoded(number, facts, places)?;
        let work = Work {
            places,
            selector,
            products: Some(&mut room.products),
        };
        let aux = auxk::step(facts, work, (&hidden_pre, &error), &latents, gradients)?;
        terms.add_auxk(aux.value)?;
        error.f_copy_(&aux.by_reconstruction)?;
        let by_pre = facts.over_heads(places.block, aux.by_pre)?;
        let x = &encoder.xs[number];
        add_by_encoder(facts, &mut room.products, (&by_pre, x), &mut by_encoder)?;
    }
    let (by_rows, by_bias) = by_encoder;
    if let Some((dead, by_decoder)) = latents.into_chosen() {
        gradients.add_some("W_D", (-2, facts.of_each_head(&dead)?), by_decoder);
        gradients.add_some("W_E", (-1, dead.shallow_clone()), by_rows.f_tr()?);
        gradients.add_some("b_E", (-1, dead), by_bias);
    }
    Ok(Some(error))
}

/// Adds what some tokens say of the encoder's rows and biases of dead latents.
fn add_by_encoder(
    facts: &Facts<'_>,
    products: &mut Products,
    (by_pre, x): (&Tensor, &Tensor),
    (by_rows, by_bias): &mut (Tensor, Tensor),
) -> Result<()> {
    if facts.options() == PLAIN {
        products.add_by_latent(by_pre, x, by_rows)?;
    } else {
        facts.multiply(&by_pre.f_tr()?, (x, Stays::Product), Addend::Held, by_rows)?;
    }
    let _ = by_bias.f_add_(&facts.sum_of_rows(by_pre)?)?;
    Ok(())
}
