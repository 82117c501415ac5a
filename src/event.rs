//! What long work tells the outside: events, observers, and the one stop flag.
//!
//! Loading, grid search, generation and training report through an [`Events`] handle and know no terminal. A bar,
//! plain lines, a JSON-lines file, TensorBoard or a script's callback are all [`Observer`]s.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::Result;

/// Metric names and values in the order they are shown, e.g. `losses/mse_loss`.
pub type Metrics = Vec<(String, f64)>;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A countable task begins, e.g. "training" with 140 steps.
    TaskStarted {
        /// What is being done, as a progress bar's title.
        title: String,
        /// What is counted, in the plural: "steps", "tokens", "bytes".
        unit: &'static str,
        /// How many there will be, if known.
        total: Option<u64>,
    },
    /// The running task got so far.
    TaskAdvanced {
        /// Units done since the start.
        done: u64,
        /// The few numbers worth seeing beside the bar, e.g. loss, explained variance, L0.
        shown: Vec<(&'static str, f64)>,
    },
    /// The running task ended.
    TaskFinished,
    /// A training begins or goes on.
    RunStarted {
        /// Which dictionary, where several are trained together: the name of its folder.
        run: Option<String>,
        /// Steps done before. What was logged for later steps, before a rollback, is void.
        step: u64,
    },
    /// Averaged training metrics under the number of the step they belong to.
    Logged {
        /// Which dictionary, where several are trained together: the name of its folder.
        run: Option<String>,
        /// Steps done so far.
        step: u64,
        /// Tokens that the dictionary had been trained on when these were measured: before this step for what a step
        /// measures, after it for an evaluation.
        tokens: u64,
        /// Every metric.
        metrics: Metrics,
    },
    /// How the values of one quantity are spread, e.g. the firing frequencies of all latents.
    Distribution {
        /// Which dictionary, where several are trained together: the name of its folder.
        run: Option<String>,
        /// Steps done so far.
        step: u64,
        /// The quantity, e.g. `sparsity/log10_firing_frequency`.
        name: String,
        /// Its histogram.
        histogram: Histogram,
    },
    /// Something was saved for good.
    Saved {
        /// What it is: "checkpoint", "weights".
        what: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// A remark for the reader.
    Note(String),
    /// A remark that asks for attention.
    Warning(String),
}

/// Counts of values in adjoining ranges, with the sums that summaries need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper ends of the ranges, ascending; the first range starts at `min`.
    pub upper_edges: Vec<f64>,
    /// How many values lie in each range.
    pub counts: Vec<f64>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Sum of the values.
    pub sum: f64,
    /// Sum of their squares.
    pub sum_squares: f64,
}

impl Histogram {
    /// Returns the spread of `values` over `ranges` ranges of the same width, from the smallest value to the largest.
    /// What is not finite is left out; `None` if nothing is left.
    pub fn even(values: &[f64], ranges: usize) -> Option<Self> {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let min = finite.iter().copied().reduce(f64::min)?;
        let max = finite.iter().copied().reduce(f64::max)?;
        let width = (max - min) / ranges as f64;
        let edges = if width > 0.0 {
            // The last edge is the largest value itself, whatever rounding makes of the sum.
            (1..ranges)
                .map(|index| min + width * index as f64)
                .chain([max])
                .collect()
        } else {
            vec![max]
        };
        Some(Self::of(&finite, edges))
    }

    /// Returns the spread of `values` over ranges that end at `upper_edges` (ascending); values above the last edge are
    /// counted in the last range.
    pub fn of(values: &[f64], upper_edges: Vec<f64>) -> Self {
        let mut counts = vec![0.0; upper_edges.len()];
        for value in values {
            let range = upper_edges
                .partition_point(|edge| edge < value)
                .min(counts.len().saturating_sub(1));
            if let Some(count) = counts.get_mut(range) {
                *count += 1.0;
            }
        }
        Histogram {
            upper_edges,
            counts,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            sum: values.iter().sum(),
            sum_squares: values.iter().map(|value| value * value).sum(),
        }
    }
}

/// Passes everything on to the observers behind another handle.
impl Observer for Events {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.emit(event.clone())
    }

    fn wants_distributions(&self) -> bool {
        Events::wants_distributions(self)
    }
}

/// Whether to go on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop at the next safe point, as after Ctrl-C.
    Stop,
}

impl Control {
    /// Stops if either wants to.
    pub fn or(self, other: Control) -> Control {
        match (self, other) {
            (Control::Continue, Control::Continue) => Control::Continue,
            _ => Control::Stop,
        }
    }
}

/// Receives events.
pub trait Observer: Send {
    /// Takes note of one event. An error ends the work that emitted it.
    fn on(&mut self, event: &Event) -> Result<Control>;

    /// Returns whether it does anything with [`Event::Distribution`]. If no observer does, they are not computed.
    fn wants_distributions(&self) -> bool {
        false
    }
}

/// An observer, and what it is called if the work can do without it.
struct Listener {
    observer: Box<dyn Observer>,
    dispensable: Option<&'static str>,
}

/// A cheap handle through which work reports to all observers.
#[derive(Clone, Default)]
pub struct Events {
    listeners: Arc<Mutex<Vec<Listener>>>,
}

impl Events {
    /// Returns a handle without observers: events go nowhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an observer; it hears everything from now on.
    pub fn add(&self, observer: Box<dyn Observer>) {
        self.locked().push(Listener {
            observer,
            dispensable: None,
        });
    }

    /// Adds an observer without which the work goes on: its first error becomes a warning to the others, and it hears
    /// no more. `name` is what the warning calls it.
    pub fn add_dispensable(&self, name: &'static str, observer: Box<dyn Observer>) {
        self.locked().push(Listener {
            observer,
            dispensable: Some(name),
        });
    }

    /// Returns whether any observer does something with distributions.
    pub fn wants_distributions(&self) -> bool {
        self.locked()
            .iter()
            .any(|listener| listener.observer.wants_distributions())
    }

    /// Tells every observer; [`Control::Stop`] if one of them wants to stop.
    pub fn emit(&self, event: Event) -> Result<Control> {
        let mut control = Control::Continue;
        let mut lost = Vec::new();
        let mut listeners = self.locked();
        let mut index = 0;
        while let Some(listener) = listeners.get_mut(index) {
            match (listener.observer.on(&event), listener.dispensable) {
                (Ok(answer), _) => control = control.or(answer),
                (Err(error), None) => return Err(error),
                (Err(error), Some(name)) => {
                    lost.push(format!("{name} failed, and the run goes on without it: {error}"));
                    listeners.remove(index);
                    continue;
                }
            }
            index += 1;
        }
        drop(listeners);
        for text in lost {
            control = control.or(self.emit(Event::Warning(text))?);
        }
        Ok(control)
    }

    /// Emits a [`Event::Note`].
    pub fn note(&self, text: impl Into<String>) -> Result<()> {
        self.emit(Event::Note(text.into())).map(drop)
    }

    /// Emits a [`Event::Warning`].
    pub fn warn(&self, text: impl Into<String>) -> Result<()> {
        self.emit(Event::Warning(text.into())).map(drop)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The one flag that asks running work to stop: set by Ctrl-C, a script or early stopping, read once per step.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Returns a flag of its own, for tests and embedded use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Takes the request back, so that a session can go on after an interrupted call.
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Returns whether a stop was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What every long-running call gets: where to report and whether to stop.
#[derive(Clone, Default)]
pub struct RunContext {
    /// Where to report.
    pub events: Events,
    /// Whether to stop.
    pub stop: StopFlag,
}

impl fmt::Debug for RunContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RunContext(stop: {})", self.stop.is_set())
    }
}

impl RunContext {
    /// Returns an error of fault `Interrupted` once a stop was asked for.
    pub fn check(&self, doing: &str) -> Result<()> {
        if self.stop.is_set() {
            return Err(crate::error::Error::interrupted(format!(
                "{doing} was interrupted"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing;

    impl Observer for Failing {
        fn on(&mut self, _: &Event) -> Result<Control> {
            Err(crate::error::Error::run("the line is dead"))
        }
    }

    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl Observer for Recorder {
        fn on(&mut self, event: &Event) -> Result<Control> {
            if let Event::Note(text) | Event::Warning(text) = event {
                self.0.lock().expect("not poisoned").push(text.clone());
            }
            Ok(Control::Continue)
        }
    }

    #[test]
    fn a_dispensable_observer_fails_once_and_is_gone() {
        let (events, heard) = (Events::new(), Arc::default());
        events.add_dispensable("the log", Box::new(Failing));
        events.add(Box::new(Recorder(Arc::clone(&heard))));
        events.note("one").expect("goes on");
        events.note("two").expect("goes on");
        let heard = heard.lock().expect("not poisoned");
        let warning = "the log failed, and the run goes on without it: the line is dead";
        assert_eq!(*heard, ["one", warning, "two"]);
    }

    #[test]
    fn any_other_observer_ends_the_work() {
        let events = Events::new();
        events.add(Box::new(Failing));
        assert!(events.note("one").is_err());
    }

    #[test]
    fn even_ranges_hold_every_finite_value() {
        let histogram = Histogram::even(&[0.0, 0.1, 0.5, 1.0, f64::NAN], 4).expect("values");
        assert_eq!(histogram.upper_edges, [0.25, 0.5, 0.75, 1.0]);
        assert_eq!(histogram.counts, [2.0, 1.0, 0.0, 1.0]);
        let one = Histogram::even(&[3.0, 3.0], 4).expect("values");
        assert_eq!((one.upper_edges, one.counts), (vec![3.0], vec![2.0]));
        assert_eq!(Histogram::even(&[f64::INFINITY], 4), None);
    }
}
