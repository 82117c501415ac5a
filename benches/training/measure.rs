//! Steps and units in turn.

use saescript::activations::Batch;
use saescript::dictionary::{Custom, SparseAutoEncoder};
use saescript::tensor::{Device, DeviceSpec};
use saescript::train::{Profile, StepEngineName, StepReport, Trainer};
use saescript::{Error, Result};

use super::allocations::Asked;
use super::cases::{Case, Source};
use super::clock::{Times, timed};
use super::peers::Peer;
use super::stream::Stream;
use super::{data, memory, start};
use crate::support::{Unit, finish};

/// Steps before anything is measured: the first allocates, and learns which form is faster.
const WARM_UP: usize = 4;
/// Steps that the peak of the memory is looked for in, and allocations are counted in.
const PEAK: u64 = 2;
/// Batches that are used in turn.
const BATCHES: usize = 4;

/// How to measure.
pub struct Plan<'a> {
    pub place: DeviceSpec,
    pub engine: &'a str,
    pub rounds: i64,
    pub compare: &'a str,
}

/// What was measured of a case.
pub struct Measured {
    pub case: Case,
    pub device: Device,
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
    /// What a step asks the C library for, batches that are made included.
    pub asked: Asked,
    /// What the last step reported.
    pub figures: Vec<(&'static str, f64)>,
}

/// Where batches come from.
enum Batches {
    Made(Vec<Batch>, usize),
    Stream(Box<Stream>),
}

impl Batches {
    fn of(case: &Case, place: DeviceSpec) -> Result<Self> {
        let stream = match case.source {
            Source::Made => {
                let made = data::batches(case, BATCHES)?.into_iter();
                let moved = made.map(|batch| batch.to_device(place.resolve()?));
                return Ok(Batches::Made(moved.collect::<Result<_>>()?, 0));
            }
            Source::Model(dtype) => Stream::live(case, dtype, place),
            Source::Cache => Stream::cached(case, place),
        };
        stream.map(Box::new).map(Batches::Stream)
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

    /// How many steps are measured as one: a stream makes many batches at a time, and a GPU works while others wait for it
    /// only now and then.
    fn group(&self, device: Device) -> usize {
        match (self, device) {
            (Batches::Made(..), Device::Cpu) => 1,
            (Batches::Stream(_), Device::Cpu) => 4,
            _ => 32,
        }
    }
}

/// Returns the product that everything is measured by. Hook points that are read together count as one that is as wide
/// as all.
fn unit_of(case: &Case, device: Device) -> Result<Unit> {
    Unit::new(case.batch, case.d_model * case.heads, case.d_sae, device)
}

/// Measures a case.
pub fn measure(case: Case, plan: &Plan<'_>) -> Result<Measured> {
    let device = plan.place.resolve()?;
    if device != Device::Cpu && !plan.compare.is_empty() {
        return Err(Error::input("peers are compared on the CPU"));
    }
    let mut batches = Batches::of(&case, plan.place)?;
    let mut peer = Peer::start(plan.compare, &case, &mut || batches.next())?;
    let before = memory::now();
    let first = batches.next()?;
    let (mut sae, mut trainer) = start::begin(&case, plan.place, plan.engine, first.at(&case.hook(0))?)?;
    for _ in 0..WARM_UP {
        trainer.step(&mut sae, &batches.next()?)?;
    }
    memory::forget_peak();
    let before_steps = Asked::now();
    for _ in 0..PEAK {
        trainer.step(&mut sae, &batches.next()?)?;
    }
    let asked = Asked::since(before_steps, PEAK);
    // The batch in use belongs to what a step holds.
    let peak = memory::peak().zip(before).filter(|_| device == Device::Cpu);
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
        asked,
        device,
        figures: Vec::new(),
        case,
    };
    let unit = unit_of(&measured.case, device)?;
    unit.run()?;
    finish(device);
    if device == Device::Cpu {
        trainer.start_profile();
    }
    for _ in 0..plan.rounds {
        measured.figures = steps(&mut measured, &mut batches, &mut trainer, &mut sae)?;
        let ((), took) = timed(|| {
            unit.run()?;
            finish(device);
            Ok(())
        })?;
        measured.unit.push(took);
        if let Some(peer) = &mut peer {
            measured.peer.push(peer.step()?);
        }
    }
    measured.profile = trainer.profile().unwrap_or_default();
    Ok(measured)
}

/// Measures one step, or a group of them, and returns what the last one reported.
fn steps(
    measured: &mut Measured,
    batches: &mut Batches,
    trainer: &mut Trainer,
    sae: &mut SparseAutoEncoder,
) -> Result<Vec<(&'static str, f64)>> {
    let group = batches.group(measured.device);
    let mut waited = Vec::new();
    let (last, took) = timed(|| {
        let mut last: Option<StepReport> = None;
        for _ in 0..group {
            let (batch, waiting) = timed(|| batches.next())?;
            waited.push(waiting);
            last = Some(trainer.step(sae, &batch)?);
        }
        let last = last.map(|report| report.figures.read()).transpose()?;
        finish(measured.device);
        Ok(last.unwrap_or_default())
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
