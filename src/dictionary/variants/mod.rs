//! The variants of dictionaries: one file each, and one row in the table.

mod crosscoder;
mod gated;
mod matryoshka;
mod plain;
mod settings;
mod table;

pub use table::{DEFAULT, Row, VARIANTS};
