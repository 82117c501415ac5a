//! The training loss of a dictionary: a list of terms, each with its value, its name and the name of its metric.
//!
//! A new term is a file of this folder and a line of the list in `compute.rs`.

mod auxk;
mod compute;
mod means;
mod settings;
mod sparsity;
mod term;
mod terms;
mod threshold;

pub use compute::{DeadLatents, LossInput};
pub use means::{squared_error, sum_last};
pub use settings::{LossSettings, SparsityLoss};
pub use sparsity::{ByNumber, Penalty};
pub use terms::{LossTerms, Term};
