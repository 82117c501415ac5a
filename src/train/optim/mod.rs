//! Optimisers and gradient clipping. An optimiser is one file, and a line and a row of the table.

mod adam;
mod adamw;
mod clip;
mod fused;
mod loose;
mod method;
mod muon;
mod optimizer;
mod sgd;
mod signum;
mod sparse_adam;
mod table;
#[cfg(test)]
mod tests;

pub use clip::{GradientNorms, clip};
pub use loose::{LooseOptimizer, LooseSettings};
pub use method::{Setting, State as OptimizerState};
pub use optimizer::Optimizer;
pub use table::OptimizerClass;
