//! The structure of the source tree: which folder imports from which, which file from which, and how long they are.

mod circles;
mod reading;
mod rows;
mod sizes;
mod sources;
