//! The command line: argv to one call below.

pub mod doctor;
