//! Steps and units in turn.

use saescript::activations::Batch;
use saescript::dictionary::{Custom, SparseAutoEncoder};
use saescript::tensor::Device;
use saescript::train::{Profile, StepEngineName, StepReport, Trainer};
use saescript::{Error, Result};

use super::cases::{Case, Source};
use super::clock::{Times, timed};
use super::peers::Peer;
use super::stream::Stream;
use super::{data, memory, start};
use crate::support::Unit;

/// Steps before anything is measured: the first allocates, and learns which form is faster.
const WARM_UP: usize = 4;
/// Steps that the peak of the memory is looked for in.
const PEAK: usize = 2;
/// Batches that are used in turn.
const BATCHES: usize = 4;

/// How to measure.
pub struct Plan<'a> {
    pub engine: &'a str,
    pub rounds: i64,
    pub compare: &'a str,
}

/// What was measured of a case.
pub struct Measured {
    pub case: Case,
    pub engine: &'static str,
    pub step: Times,
    pub unit: Times,
    /// Waiting for a batch.
    pub waiting: Times,
    /// Steps of a peer.
    pub peer: Times,
    pub profile: Profile,
    /// Bytes at most, without what was there before; the bound on them.
    pub peak: Option<u64>,
    pub bound: u64,
    /// What the last step reported.
    pub figures: Vec<(&'static str, f64)>,
}

/// Where batches come from.
enum Batches {
    Made(Vec<Batch>, usize),
    Stream(Box<Stream>),
}

impl Batches {
    fn of(case: &Case) -> Result<Self> {
        match case.source {
            Source::Made => Ok(Batches::Made(data::batches(case, BATCHES)?, 0)),
            Source::Model(dtype) => Stream::live(case, dtype).map(Box::new).map(Batches::Stream),
            Source::Cache => Stream::cached(case).map(Box::new).map(Batches::Stream),
        }
    }

    fn next(&mut self) -> Result<Batch> {
        match self {
            Batches::Made(batches, turn) => {
                *turn = (*turn + 1) % batches.len();
                Ok(batches[*turn].share())
            }
            Batches::Stream(stream) => stream.next(),
        }
    }

    /// How many steps are measured as one: a stream makes many batches at a time.
    fn group(&self) -> usize {
        match self {
            Batches::Made(..) => 1,
            Batches::Stream(_) => 4,
        }
    }
}

/// Returns the product that everything is measured by. Hook points that are read together count as one that is as wide
/// as all.
fn unit_of(case: &Case) -> Result<Unit> {
    Unit::new(case.batch, case.d_model * case.heads, case.d_sae, Device::Cpu)
}

/// Measures a case.
pub fn measure(case: Case, plan: &Plan<'_>) -> Result<Measured> {
    let mut batches = Batches::of(&case)?;
    let mut peer = Peer::start(plan.compare, &case, &mut || batches.next())?;
    let before = memory::now();
    let first = batches.next()?;
    let (mut sae, mut trainer) = start::begin(&case, plan.engine, first.at(&case.hook(0))?)?;
    for _ in 0..WARM_UP {
        trainer.step(&mut sae, &batches.next()?)?;
    }
    memory::forget_peak();
    for _ in 0..PEAK {
        trainer.step(&mut sae, &batches.next()?)?;
    }
    // The batch in use belongs to what a step holds.
    let peak = memory::peak().zip(before);
    let peak = peak.map(|(peak, before)| (peak + case.batch_bytes()).saturating_sub(before));
    let mut measured = Measured {
        engine: resolved(&trainer, &sae),
        bound: memory::bound(&case, 4 * sae.parameter_count()),
        step: Times::default(),
        unit: Times::default(),
        waiting: Times::default(),
        peer: Times::default(),
        profile: Profile::default(),
        peak,
        figures: Vec::new(),
        case,
    };
    let unit = unit_of(&measured.case)?;
    unit.run()?;
    trainer.start_profile();
    for _ in 0..plan.rounds {
        measured.figures = steps(&mut measured, &mut batches, &mut trainer, &mut sae)?;
        let ((), took) = timed(|| unit.run())?;
        measured.unit.push(took);
        if let Some(peer) = &mut peer {
            measured.peer.push(peer.step()?);
        }
    }
    measured.profile = trainer
        .profile()
        .ok_or_else(|| Error::run("the trainer kept no profile"))?;
    Ok(measured)
}

/// Measures one step, or a group of them, and returns what the last one reported.
fn steps(
    measured: &mut Measured,
    batches: &mut Batches,
    trainer: &mut Trainer,
    sae: &mut SparseAutoEncoder,
) -> Result<Vec<(&'static str, f64)>> {
    let group = batches.group();
    let mut waited = Vec::new();
    let mut last = Vec::new();
    let ((), took) = timed(|| {
        for _ in 0..group {
            let (batch, waiting) = timed(|| batches.next())?;
            waited.push(waiting);
            let report: StepReport = trainer.step(sae, &batch)?;
            last = report.figures.read()?;
        }
        Ok(())
    })?;
    measured.step.push(took.shared(group));
    let all = waited
        .into_iter()
        .fold(Default::default(), |sum, took| took + sum);
    measured.waiting.push(all.shared(group));
    Ok(last)
}

fn resolved(trainer: &Trainer, sae: &SparseAutoEncoder) -> &'static str {
    match trainer.cfg.step_engine.resolved(&sae.cfg, &Custom::default()) {
        StepEngineName::Native => "native",
        _ => "autograd",
    }
}
