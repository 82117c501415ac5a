//! What the measurement of training steps is made of.
//!
//! ```text
//! cases     what is measured
//! data      batches with structure
//! start     dictionaries as they are at the beginning of a training
//! stream    batches made by a language model, or read from a cache
//! clock     time of the processor and on the wall
//! memory    how much the process holds
//! allocations   how often memory is asked for
//! measure   steps and units in turn
//! report    what is printed
//! peers     trainers of others in turn with ours
//! ```

pub mod allocations;
pub mod cases;
pub mod clock;
pub mod data;
pub mod measure;
pub mod memory;
pub mod peers;
pub mod report;
pub mod start;
pub mod stream;
