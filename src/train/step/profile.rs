//! Where the time of steps goes: off until somebody asks for it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::clock::processor_time;
use crate::kernels::screen::Counts;

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bringing the batch into the form that the dictionary reads.
    Input,
    /// Pre-activations and the choice of active latents.
    Encode,
    /// Reconstruction, its loss, and the derivatives by the activations.
    Decode,
    /// The Aux-K loss.
    Auxk,
    /// Penalties and the gradients of thresholds.
    Penalties,
    /// The gradients of matrices and biases from those derivatives.
    Scatter,
    /// All else of computing losses and gradients: everything, where they are computed automatically.
    Rest,
    /// Clipping, and the move of the parameters.
    Optimizer,
    /// What is summed for logs.
    Metrics,
}

impl Part {
    /// All parts, in the order in which they come.
    pub const ALL: [Part; 9] = [
        Part::Input,
        Part::Encode,
        Part::Decode,
        Part::Auxk,
        Part::Penalties,
        Part::Scatter,
        Part::Rest,
        Part::Optimizer,
        Part::Metrics,
    ];

    /// Returns its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Part::Input => "input",
            Part::Encode => "encode",
            Part::Decode => "decode",
            Part::Auxk => "auxk",
            Part::Penalties => "penalties",
            Part::Scatter => "scatter",
            Part::Rest => "rest",
            Part::Optimizer => "optimizer",
            Part::Metrics => "metrics",
        }
    }
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Of the processor, all threads together.
    pub processor: Duration,
}

/// Where the time of some steps went. On a GPU, which works on its own, a part is only what it takes to ask for it.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Steps that were measured.
    pub steps: u64,
    /// How screening went in the encoder, where it screens.
    pub screening: Counts,
    /// The instructions that our own kernels use.
    pub kernels: &'static str,
    spent: [Spent; Part::ALL.len()],
}

impl Profile {
    /// Returns what a part took in all steps together.
    pub fn spent(&self, part: Part) -> Spent {
        self.spent[part as usize]
    }
}

/// Divides the time of steps into parts, where that is wanted.
#[derive(Default)]
pub(in crate::train) struct Laps(RefCell<Option<Running>>);

struct Running {
    profile: Profile,
    /// When the last part ended.
    last: Spent,
    start: Instant,
}

impl Running {
    fn now(&self) -> Spent {
        Spent {
            wall: self.start.elapsed(),
            processor: processor_time(),
        }
    }
}

impl Laps {
    /// Measures from now on, and forgets what was measured before.
    pub(in crate::train) fn start(&mut self) {
        let mut running = Running {
            profile: Profile::default(),
            last: Spent::default(),
            start: Instant::now(),
        };
        running.last = running.now();
        *self.0.get_mut() = Some(running);
    }

    /// Begins a step.
    pub(in crate::train) fn begin(&self) {
        if let Some(running) = &mut *self.0.borrow_mut() {
            running.last = running.now();
        }
    }

    /// Counts the time since the last part ended, or the step began, as `part`.
    pub(in crate::train) fn end(&self, part: Part) {
        if let Some(running) = &mut *self.0.borrow_mut() {
            let now = running.now();
            let spent = &mut running.profile.spent[part as usize];
            spent.wall += now.wall.saturating_sub(running.last.wall);
            spent.processor += now.processor.saturating_sub(running.last.processor);
            running.last = now;
        }
    }

    /// Ends a step with its last `part`.
    pub(in crate::train) fn finish(&self, part: Part) {
        self.end(part);
        if let Some(running) = &mut *self.0.borrow_mut() {
            running.profile.steps += 1;
        }
    }

    /// Returns what was measured so far; `None` where nothing is.
    pub(in crate::train) fn profile(&self) -> Option<Profile> {
        self.0.borrow().as_ref().map(|running| running.profile.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_at_their_places() {
        for (place, part) in Part::ALL.into_iter().enumerate() {
            assert_eq!(part as usize, place, "{part:?}");
        }
    }

    #[test]
    fn nothing_is_measured_before_it_is_asked_for() {
        let mut laps = Laps::default();
        laps.begin();
        laps.finish(Part::Encode);
        assert!(laps.profile().is_none());
        laps.start();
        laps.begin();
        std::thread::sleep(Duration::from_millis(2));
        laps.finish(Part::Encode);
        let profile = laps.profile().expect("it was asked for");
        assert_eq!(profile.steps, 1);
        assert!(profile.spent(Part::Encode).wall >= Duration::from_millis(2));
        assert_eq!(profile.spent(Part::Decode), Spent::default());
    }
}
