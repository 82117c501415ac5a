//! Gradients by hand, without a graph.
//!
//! ```text
//! facts       the dictionary's numbers as the step finds them
//! form        which of the two it is
//! dense       a number for every latent of every token
//! sparse/     numbers of the pairs of a token and a latent that take part
//! gpu/        the same by our own kernels for GPUs
//! auxk, terms, penalties, slopes   the parts of the loss
//! of_dead     Aux-K where only pairs are known
//! decoding, some_rows   latents of Aux-K and their rows, as many as have room
//! heads       what dictionaries with heads share, and what each head has
//! places      where tensors lie
//! room        what serves one step after the other
//! select      what a number selects
//! candidates  what may be selected of a batch
//! multiply, panels   products of all numbers
//! zeros       products that pass over what is 0
//! found       what comes out besides
//! memory      what a step holds
//! gradients   sums by the names of the parameters
//! ```

mod auxk;
mod candidates;
mod decoding;
mod dense;
mod facts;
mod form;
mod found;
mod gpu;
mod gradients;
mod heads;
mod memory;
mod multiply;
mod of_dead;
mod panels;
mod penalties;
mod places;
mod room;
mod select;
mod slopes;
mod some_rows;
mod sparse;
mod terms;
mod zeros;

use std::rc::Rc;

use self::facts::Facts;
pub use self::form::Form;
pub(in crate::train) use self::gpu::{is_measured as kernels_are_measured, refusal as kernels_refuse};
use self::gradients::Gradients;
pub(in crate::train) use self::memory::step_bytes;
use self::panels::Panels;
pub use self::places::StepLimits;
use self::sparse::Room;
use super::StepEngine;
use super::output::{StepOutput, count_tokens};
use super::profile::{Laps, Part, Profile};
use crate::dictionary::{
    Capability, Custom, LossInput, LossSettings, Pass, SAEConfig, SparseAutoEncoder, Wants,
};
use crate::error::Result;
use crate::kernels::cuda::Launcher;
use crate::kernels::isa::Isa;
use crate::kernels::screen::Counts;
use crate::tensor::{Tensor, Workspace, no_grad_guard};
use crate::train::dead::DeadTracker;

/// Computes steps by formulas written out, for dictionaries that have them.
#[derive(Default)]
pub struct NativeEngine {
    form: Form,
    limits: StepLimits,
    workspace: Workspace,
    panels: Panels,
    room: Room,
    dense: room::Room,
    /// The part of all pairs of a token and a latent that took part in the last step.
    density: Option<f64>,
    /// Starts our own kernels on a GPU, where they were asked for.
    launcher: Option<Rc<dyn Launcher>>,
    /// What is there from step to step.
    held: gpu::Held,
    laps: Laps,
}

impl NativeEngine {
    /// Returns an engine whose steps have this form.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            ..Self::default()
        }
    }

    /// Returns an engine whose steps have this form and hold so much.
    pub fn within(form: Form, limits: StepLimits) -> Self {
        Self {
            limits,
            ..Self::new(form)
        }
    }

    /// Returns the part of all pairs of a token and a latent that took part in the last step, by which the form of the
    /// next is chosen.
    pub(in crate::train) fn density(&self) -> Option<f64> {
        self.density
    }

    /// Goes on from a step in which this part of all pairs took part.
    pub(in crate::train) fn set_density(&mut self, density: Option<f64>) {
        self.density = density;
    }

    /// Computes from now on by the kernels that `launcher` starts, on its device; `None`: as the form says.
    pub(in crate::train) fn set_launcher(&mut self, launcher: Option<Rc<dyn Launcher>>) {
        self.launcher = launcher;
        self.held = gpu::Held::default();
    }

    /// Returns what starts our own kernels on a GPU, where they were asked for and can be had.
    pub(in crate::train) fn launcher(&self) -> Option<&Rc<dyn Launcher>> {
        self.launcher.as_ref()
    }

    /// Returns what divides the time of steps into parts.
    pub(in crate::train) fn laps(&self) -> &Laps {
        &self.laps
    }

    /// Measures from now on where time goes, and forgets what was measured before.
    pub(in crate::train) fn start_profile(&mut self) {
        self.laps.start();
        self.room.counts = Counts::default();
        self.held.counted = None;
    }

    /// Returns where time went since that was asked for, if it was.
    pub(in crate::train) fn profile(&self) -> Option<Profile> {
        let mut profile = self.laps.profile()?;
        profile.screening = self.room.counts;
        if let Some(counts) = self
            .held
            .counted
            .as_ref()
            .and_then(|counted| counted.counts().ok())
        {
            profile.screening += counts;
        }
        profile.kernels = Isa::chosen().name();
        Some(profile)
    }

    /// Returns whether the step of which these are the facts goes over active latents alone.
    fn is_sparse(&self, facts: &Facts<'_>) -> bool {
        let (cfg, kind, device) = (&facts.sae.cfg, facts.sae.kind(), facts.sae.device());
        match self.form {
            Form::Dense => false,
            Form::Sparse => form::can_be_sparse(cfg, kind, device),
            Form::Auto => {
                let known = (facts.gate.k, self.density);
                let most = facts.size().most_of_pairs(facts.tokens);
                let room = (facts.passes_over_zeros(), most);
                form::is_sparse(cfg, (kind, device), known, room)
            }
        }
    }

    /// Returns why it cannot train this dictionary with these pieces of arithmetic, if it cannot.
    pub fn refusal(cfg: &SAEConfig, custom: &Custom<'_>) -> Option<String> {
        if custom.activation.is_some() || custom.penalty.is_some() || custom.loss.is_some() {
            return Some("arithmetic of one's own needs automatic differentiation".into());
        }
        if cfg.act_fn.is_custom() {
            return Some("an activation function of one's own needs automatic differentiation".into());
        }
        if cfg.variant.wants() == Wants::Sequences {
            return Some(
                "whole sequences, in which not all positions count, need automatic differentiation".into(),
            );
        }
        if !cfg.variant.can(Capability::NativeStep) {
            let name = cfg.variant.name();
            return Some(format!(
                "the gradients of sae_type \"{name}\" are not written by hand"
            ));
        }
        None
    }
}

impl StepEngine for NativeEngine {
    fn compute(
        &mut self,
        sae: &SparseAutoEncoder,
        input: &LossInput<'_>,
        settings: &LossSettings,
        pass: &Pass<'_>,
        dead: &mut DeadTracker,
    ) -> Result<StepOutput> {
        let _no_grad = no_grad_guard();
        let columns = sae.cfg.d_model * sae.cfg.hooks.heads().unwrap_or(1);
        let rows = |x: &Tensor| x.f_reshape([-1, columns])?.f_contiguous();
        let (x, label) = (rows(input.x)?, rows(input.label)?);
        let launcher = self.launcher.as_deref();
        let launcher = launcher.filter(|launcher| launcher.device() == sae.device());
        let rooms = (&self.workspace, &self.panels, self.limits);
        let facts = Facts::new(sae, settings, pass, (x.size()[0], &self.laps), launcher, rooms)?;
        let tokens = count_tokens(sae, input);
        let mut gradients = Gradients::default();
        let flat = LossInput { x: &x, label: &label };
        let is_dead = |fired: &Tensor| -> Result<_> {
            match launcher {
                Some(launcher) => dead.record_on(launcher, fired, tokens)?,
                None => dead.record(fired, tokens)?,
            }
            if settings.auxk_coefficient > 0.0 && dead.may_be_dead() {
                dead.is_dead().map(Some)
            } else {
                Ok(None)
            }
        };
        let held = &mut self.held;
        let encoded = encoded(launcher, held, (&facts, &x), (self.form, self.density))?;
        let own = encoded.as_ref().map(|(launcher, _)| *launcher);
        // What the form that is not gone by holds is as large as parameters are: it goes.
        let found = if let Some((launcher, encoded)) = encoded {
            gpu::step(launcher, held, encoded, (&facts, &flat), is_dead, &mut gradients)?
        } else if self.is_sparse(&facts) {
            self.dense = room::Room::default();
            sparse::step(&mut self.room, &facts, &flat, is_dead, &mut gradients)?
        } else {
            self.room = std::mem::take(&mut self.room).emptied();
            dense::step(&mut self.dense, &facts, &flat, is_dead, &mut gradients)?
        };
        self.laps.end(Part::Scatter);
        let all = (facts.rows() * sae.cfg.d_sae()) as f64;
        self.density = found.pairs.map(|pairs| pairs / all);
        let (loss, terms) = found.terms.finish(&facts, &found.squared_errors, own)?;
        let squared_error = found.squared_errors.last();
        Ok(StepOutput {
            loss,
            terms,
            gradients: gradients.in_order(&facts)?,
            squared_error: squared_error.map_or_else(|| facts.zero(), |error| Ok(error.shallow_clone()))?,
            fired: found.fired,
            fired_by_head: found.fired_by_head,
            activity: found.activity,
            tokens,
        })
    }
}

/// Returns the pairs that take part, where our own kernels go over these alone: by the `form` of steps, and by the part of all
/// pairs that took part in the last one.
fn encoded<'a>(
    launcher: Option<&'a dyn Launcher>,
    held: &mut gpu::Held,
    (facts, x): (&Facts<'_>, &Tensor),
    (form, density): (Form, Option<f64>),
) -> Result<Option<(&'a dyn Launcher, gpu::Encoded)>> {
    let cfg = &facts.sae.cfg;
    let Some(launcher) = launcher.filter(|_| form::is_by_kernels(cfg, form, facts.gate.k, density)) else {
        return Ok(None);
    };
    let most = form::most_pairs(form, facts.tokens * cfg.d_sae());
    let encoded = gpu::encode(launcher, held, facts, (x, most))?;
    Ok(encoded.map(|encoded| (launcher, encoded)))
}
