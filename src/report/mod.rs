//! What people see: the single door to the terminal, and observers of work that takes long.
//!
//! ```text
//! printer    standard output and standard error, above a progress bar if there is one
//! progress   which observer suits the place where the program runs
//! bar        a progress bar on a terminal
//! terminal   what bars are drawn on
//! lines      plain lines in a file, a pipe or a job's log
//! words      lines that several observers write alike
//! json       one JSON object an event, for programs
//! columns    the table of logged metrics that grows while training runs
//! table      tables of results
//! plot       small plots in letters: lines, bars, histograms, images
//! figures    the few figures of a run that people look at first
//! visible    control characters, shown instead of obeyed
//! diagnostic errors, with the place in the source that they are about
//! format     durations, sizes, counts and rates
//! spec       numbers and texts as Python's format specifications write them
//!
//! tensorboard, wandb    observers that keep what is logged, for other programs to show
//! ```

#[cfg(feature = "terminal")]
mod bar;
#[cfg(feature = "terminal")]
mod columns;
pub mod diagnostic;
mod figures;
pub mod format;
#[cfg(feature = "terminal")]
mod json;
#[cfg(feature = "terminal")]
mod lines;
pub mod plot;
#[cfg(feature = "terminal")]
mod printer;
#[cfg(feature = "terminal")]
mod progress;
mod spec;
pub mod table;
pub mod tensorboard;
#[cfg(feature = "terminal")]
mod terminal;
mod visible;
pub mod wandb;
#[cfg(feature = "terminal")]
mod words;

pub use figures::figures;
#[cfg(feature = "terminal")]
pub use printer::Printer;
#[cfg(feature = "terminal")]
pub use progress::ProgressDisplay;
pub use spec::FormatSpec;
pub use table::Table;
pub use visible::visible;
