//! Scripts and libraries that test themselves: every file in a process of its own, several at a time.
//!
//! ```text
//! message   what the process of a file tells the one that started it
//! worker    the process of a file
//! files     the scripts that have tests
//! process   starts the process of a file, hears it, and ends it where it takes too long
//! pool      as many processes at a time as there are processors and memory for
//! coverage  which lines of the project's scripts ran
//! summary   results, for people and for programs
//! watch     waits until scripts change
//! ```

mod coverage;
mod files;
mod message;
mod pool;
mod process;
mod summary;
mod watch;
mod worker;

pub use coverage::Coverage;
pub use files::files_with_tests;
pub use pool::{Settings, own_folder, run};
pub use summary::{Report, print_coverage, print_json, print_lines};
pub use watch::Snapshot;
pub use worker::work;
