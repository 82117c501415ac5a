//! The tables of a store as rows for other programs: numbers that lie in blobs become lists.

mod blobs;
mod kinds;
mod list;
mod rows;

pub use kinds::{CellKind, Table, TableCell, TableColumn};
pub use list::TABLES;
