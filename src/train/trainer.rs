//! The trainer: one dictionary's optimiser, schedules, counters and metrics, moved on by one batch at a time.

use std::rc::Rc;

use super::config::TrainerConfig;
use super::dead::DeadTracker;
use super::input::{self, Prepared, rows_of};
use super::metrics::StepFigures;
use super::optim::{OptimizerState, clip};
use super::schedule::Plan;
use super::state::{Distributions, TrainingState};
use super::step::{Engines, Part, Profile, StepEngine, StepEngineName, StepOutput};
use crate::activations::Batch;
use crate::config::{Checked, IntoChecked};
use crate::dictionary::{Custom, LossSettings, Pass, SparseAutoEncoder, Term};
use crate::error::{Error, Result, Subject, counted};
use crate::event::Metrics;
use crate::kernels::isa::Isa;
use crate::native::pool::{Pool, beside};
use crate::tensor::Tensor;

/// Trains dictionaries, a step at a time. Holds the optimiser and everything else that changes with a step, and knows of
/// nothing else.
pub struct Trainer {
    /// How to train.
    pub cfg: Checked<TrainerConfig>,
    pub(super) engines: Engines,
    pub(super) state: Option<TrainingState>,
    /// Room for what a step sees of its batch.
    inputs: input::Room,
    /// Memory of the tensors that operations of a step by hand make.
    pool: Rc<Pool>,
    pub(super) last_metrics: Metrics,
    /// The last loss was not finite.
    is_broken: bool,
    /// The optimiser failed before all parameters had moved.
    is_half_moved: bool,
    /// Somebody looks at [`StepReport::distributions`].
    wants_distributions: bool,
}

/// What one step did.
pub struct StepReport {
    /// Number of this step, from 1.
    pub step: u64,
    /// Loss, explained variance and L0 of this batch, still on the device.
    pub figures: StepFigures,
    /// Terms of the loss, 0-d on the device.
    pub terms: Vec<Term>,
    /// Averages since the last log, at steps that log.
    pub logged: Option<Metrics>,
    /// Histograms over the latents by name, at steps that log if somebody looks at them.
    pub distributions: Distributions,
    /// What is odd about the settings, at the first step of a loop of one's own; what kernels for a GPU have to say.
    pub remarks: Vec<String>,
}

impl Trainer {
    /// Returns a trainer that has not begun.
    ///
    /// # Errors
    /// A configuration that makes no sense.
    pub fn new(cfg: impl IntoChecked<TrainerConfig>) -> Result<Self> {
        Ok(Self {
            cfg: cfg.into_checked()?,
            engines: Engines::default(),
            state: None,
            inputs: input::Room::default(),
            pool: Rc::default(),
            last_metrics: Metrics::new(),
            is_broken: false,
            is_half_moved: false,
            wants_distributions: false,
        })
    }

    /// Computes steps with `engine` from now on.
    pub fn set_engine(&mut self, engine: Box<dyn StepEngine>) {
        self.engines.set(engine);
    }

    /// Measures from the next step on where time goes, and forgets what was measured before.
    pub fn start_profile(&mut self) {
        self.engines.native.start_profile();
    }

    /// Returns where the time of steps went since [`start_profile`](Self::start_profile); `None` where it was not called.
    pub fn profile(&self) -> Option<Profile> {
        self.engines.native.profile()
    }

    /// Says whether somebody looks at [`StepReport::distributions`].
    pub(super) fn want_distributions(&mut self, wanted: bool) {
        self.wants_distributions = wanted && !self.cfg.skip_metrics_calculation;
    }

    /// Returns whether the last loss was not finite.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Returns whether the dictionary is what its last step has made of it.
    pub(in crate::train) fn is_sound(&self) -> bool {
        !self.is_broken && !self.is_half_moved
    }

    /// Returns the metrics that were logged last; empty before the first log.
    pub fn metrics(&self) -> &Metrics {
        &self.last_metrics
    }

    /// Returns the number of steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.step)
    }

    /// Returns the number of all steps of the training, once the first batch has told how large batches are.
    pub fn total_steps(&self) -> Option<u64> {
        self.state.as_ref().map(|state| state.plan.total_steps)
    }

    /// Returns whether it has done all its steps.
    pub fn is_finished(&self) -> bool {
        self.state
            .as_ref()
            .is_some_and(|state| state.step >= state.plan.total_steps)
    }

    /// Returns whether there is a plan: the first batch was seen, or a checkpoint was taken up.
    pub(super) fn has_begun(&self) -> bool {
        self.state.is_some()
    }

    /// Returns the number of tokens trained on so far.
    pub fn tokens_done(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.tokens.max(0) as u64)
    }

    /// Returns the learning rate of the next step, once the first batch has told how many steps there are.
    pub fn lr(&self) -> Option<f64> {
        self.state.as_ref().map(|state| state.plan.lr.at(state.step))
    }

    /// Returns what the optimiser remembers of each parameter, once the training has begun.
    pub fn optimizer_states(&self) -> Option<&[OptimizerState]> {
        self.state.as_ref().map(|state| state.optimizer.states())
    }

    /// Returns how long each latent has been silent, and which count as dead, once the training has begun.
    pub fn dead(&self) -> Option<&DeadTracker> {
        self.state.as_ref().map(|state| &state.dead)
    }

    /// Makes the plan from the first batch, unless there is one already, and refuses all that is refused before a
    /// training starts. Returns remarks for things that are odd but can be done.
    pub(super) fn begin(
        &mut self,
        sae: &SparseAutoEncoder,
        first: &Batch,
        custom: &Custom<'_>,
    ) -> Result<Vec<String>> {
        self.engines.laps().begin();
        self.cfg.check_custom(&sae.cfg, custom)?;
        let has_penalty = self.cfg.sparsity_loss_type.is_some();
        let unavailable = self
            .engines
            .prepare(self.cfg.step_engine, sae, has_penalty, custom)?;
        if self.has_begun() {
            return Ok(unavailable.into_iter().collect());
        }
        Isa::asked()?;
        let rows = rows_of(first, sae)?;
        let total = self.cfg.total_training_tokens / rows;
        if total == 0 {
            return Err(Error::input(format!(
                "{} not fill one batch of {}",
                match self.cfg.total_training_tokens {
                    1 => "1 token does".to_string(),
                    tokens => format!("{tokens} tokens do"),
                },
                counted(rows, "row")
            ))
            .hint("raise `total_training_tokens` or lower the batch size")
            .under("total_training_tokens"));
        }
        let mut remarks = self.cfg.check_run(sae, total, custom.penalty.is_some())?;
        remarks.extend(self.cfg.step_engine.check(&sae.cfg, custom)?);
        remarks.extend(unavailable);
        // What is there for the whole training is of no step.
        let state = beside(|| TrainingState::new(&self.cfg, sae, total))?;
        self.state = Some(state);
        Ok(remarks)
    }

    /// Returns averages of the steps that have not been logged yet, if there are any.
    pub(super) fn log_rest(&mut self, sae: &SparseAutoEncoder) -> Result<Option<Metrics>> {
        let Some(state) = self.state.as_mut().filter(|state| !state.sums.is_empty()) else {
            return Ok(None);
        };
        let metrics = state.log(&self.cfg, sae, state.step.saturating_sub(1))?;
        self.last_metrics = metrics.clone();
        Ok(Some(metrics))
    }

    /// Trains `sae` on one batch: losses, gradients, metrics, and a move of the optimiser when it is due.
    ///
    /// Writes no files.
    ///
    /// # Errors
    /// What is refused before a training starts (at the first step); batches that do not fit, or in which no position
    /// counts; losses that are not finite, in which case nothing was moved.
    pub fn step(&mut self, sae: &mut SparseAutoEncoder, batch: &Batch) -> Result<StepReport> {
        self.step_with(sae, batch, Custom::default())
    }

    /// Trains like [`step`](Self::step), but with pieces of the arithmetic in place of the built-in ones.
    ///
    /// # Errors
    /// As [`step`](Self::step); what the pieces refuse.
    pub fn step_with(
        &mut self,
        sae: &mut SparseAutoEncoder,
        batch: &Batch,
        custom: Custom<'_>,
    ) -> Result<StepReport> {
        let step = self.steps_done() + 1;
        let pool = Rc::clone(&self.pool);
        let moved = match self.engines.taken(self.cfg.step_engine, &sae.cfg, &custom) {
            StepEngineName::Autograd => self.moved_on(sae, batch, custom),
            StepEngineName::Auto | StepEngineName::Native | StepEngineName::Cuda => {
                pool.round(|| self.moved_on(sae, batch, custom))
            }
        };
        self.finished(moved).map_err(|error| match error.subject() {
            Subject::DeviceFailure => error.context(format!(
                "found at step {step}, and caused there or shortly before"
            )),
            _ => error,
        })
    }

    /// Returns what a step did once its kernels are on their way, whatever it came to, with what is to be said of them.
    fn finished(&self, moved: Result<StepReport>) -> Result<StepReport> {
        let Some(launcher) = self.engines.native.launcher() else {
            return moved;
        };
        let flushed = launcher.flush();
        let mut report = moved?;
        flushed?;
        report.remarks.extend(launcher.remark());
        Ok(report)
    }

    /// Makes one step.
    fn moved_on(
        &mut self,
        sae: &mut SparseAutoEncoder,
        batch: &Batch,
        custom: Custom<'_>,
    ) -> Result<StepReport> {
        let remarks = self.begin(sae, batch, &custom)?;
        let launcher = self.engines.native.launcher().map(Rc::clone);
        let launcher = launcher.as_deref();
        let prepared = Prepared::new(sae, batch, launcher, &mut self.inputs)?;
        let Some(state) = self.state.as_mut() else {
            return Err(Error::run("the training has no plan"));
        };
        let input = prepared.as_input();
        let settings = loss_settings(&self.cfg, &state.plan, state.step);
        let pass = pass_of(&self.cfg, sae, state, (&prepared, custom));
        self.engines.laps().end(Part::Input);
        let mut output = self
            .engines
            .chosen(self.cfg.step_engine, &sae.cfg, &custom)
            .compute(sae, &input, &settings, &pass, &mut state.dead)?;
        self.engines.laps().end(Part::Rest);
        if should_check(&self.cfg, sae, state) {
            let sound = refuse_not_finite(&output, state.step + 1);
            self.is_broken = sound.is_err();
            sound?;
        }
        let lr = state.plan.lr.at(state.step);
        let gradients = state.collect(&self.cfg, std::mem::take(&mut output.gradients))?;
        let most = self.cfg.clip_grad_norm;
        let clipped = |gradients: &Vec<Tensor>| clip(sae, gradients, most, launcher);
        let norms = gradients.as_ref().map(clipped).transpose()?;
        self.engines.laps().end(Part::Optimizer);
        let figures = state
            .sums
            .add(sae, &output, (input.label, norms.as_ref()), launcher)?;
        let (logged, distributions) = state.log_if_due(&self.cfg, sae, self.wants_distributions)?;
        self.engines.laps().end(Part::Metrics);
        if let Some(gradients) = &gradients {
            let scale = norms.as_ref().and_then(|norms| norms.scale.as_ref());
            self.is_half_moved = true;
            state.optimizer.step(sae, gradients, (lr, scale), launcher)?;
            self.is_half_moved = false;
        }
        self.engines.laps().finish(Part::Optimizer);
        state.step += 1;
        state.tokens += output.tokens;
        if let Some(metrics) = &logged {
            self.last_metrics.clone_from(metrics);
        }
        Ok(StepReport {
            step: state.step,
            figures,
            terms: output.terms,
            logged,
            distributions,
            remarks,
        })
    }
}

/// Returns how the next batch passes through `sae`.
fn pass_of<'a>(
    cfg: &TrainerConfig,
    sae: &SparseAutoEncoder,
    state: &TrainingState,
    (prepared, custom): (&'a Prepared, Custom<'a>),
) -> Pass<'a> {
    Pass {
        k: sae.cfg.act_fn.selects_k().then(|| state.plan.k.at(state.step)),
        amp: cfg.amp_dtype,
        custom,
        ..Pass::counting(prepared.counted.as_ref())
    }
}

/// Returns the settings of the loss at `step`, with its schedules applied.
fn loss_settings(cfg: &TrainerConfig, plan: &Plan, step: u64) -> LossSettings {
    LossSettings {
        sparsity_loss_type: cfg.sparsity_loss_type,
        tanh_stretch_coefficient: cfg.tanh_stretch_coefficient,
        frequency_scale: cfg.frequency_scale,
        p: cfg.p,
        l1_coefficient: plan.l1_coefficient(step),
        lp_coefficient: cfg.lp_coefficient.unwrap_or(0.0),
        auxk_coefficient: cfg.auxk_coefficient.unwrap_or(0.0),
        k_aux: cfg.k_aux,
    }
}

/// Returns whether the loss of this step is looked at. Reading one back makes a GPU wait, so there it is looked at only
/// every 50 steps, or as often as metrics are logged where that is more often.
fn should_check(cfg: &TrainerConfig, sae: &SparseAutoEncoder, state: &TrainingState) -> bool {
    const GPU_STEPS: u64 = 50;
    let every = cfg.log_frequency.min(GPU_STEPS);
    sae.device() == crate::tensor::Device::Cpu || (state.step + 1).is_multiple_of(every)
}

/// Refuses a loss that is NaN or infinite, and says which term.
fn refuse_not_finite(output: &StepOutput, step: u64) -> Result<()> {
    if output.loss.f_double_value(&[])?.is_finite() {
        return Ok(());
    }
    let mut broken = Vec::new();
    for term in &output.terms {
        let value = term.value.f_double_value(&[])?;
        if !value.is_finite() {
            broken.push(format!("{} = {value}", term.name));
        }
    }
    let terms = if broken.is_empty() {
        "the sum of its terms".to_string()
    } else {
        broken.join(", ")
    };
    Err(
        Error::run(format!("the loss is not finite at step {step}: {terms}")).hint(
            "a lower learning rate, gradient clipping (`clip_grad_norm`) or amp_dtype = \"float32\" may help",
        ),
    )
}
