//! Records of the reference system: lines of its collection `features`, both ways.

mod lines;
mod numbers;
mod place;
mod read;
mod record;
mod samples;
mod write;

pub use place::RecordPlace;
pub use read::{Imported, Importing, Needed, import_reference, needed};
pub use write::export_reference;

/// A Python program that turns the reference system's pickles into such lines, and back.
pub const PICKLE_SCRIPT: &str = include_str!("pickle.py");
