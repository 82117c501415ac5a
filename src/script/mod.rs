//! The script host: binds everything below to Rhai and holds no numerics.
//!
//! ```text
//! host          an engine with every binding; runs files, evaluates text
//! with_variables  texts that a program evaluates, with variables of its own
//! interactive   a session: variables, functions and imports that stay from entry to entry
//! pretty        values as a session shows them
//! api/          one file per object that scripts see
//! class         configuration classes as script objects
//! bridge        script values <-> plain data
//! module_docs   what modules that scripts import document
//! test_functions   the functions `test_*` of a script
//! evaluation    `eval(text)`: with the variables of the place where it stands
//! closure       closures that objects keep and call later
//! reading       what the parser is told: `switch`, `try`, names that are words of the language
//! numbers       what numbers mean: comparisons by IEEE 754, shifts, conversions
//! arguments     methods that take one map of named arguments
//! guard         the language's library and saescript's functions, behind a guard against panics and want of memory
//! doors         which functions and settings reach outside, and what they say of where
//! permissions   the policy, asked for what scripts give
//! coverage      which statements ran
//! limits        how long a script may run, and how much it may do
//! native_library  libraries in Rust
//! modules       `import`: `std/…`, libraries, beside the script, SAESCRIPT_PATH
//! source        texts by name, tokens, and where a key of a map literal stands
//! diagnostic    the engine's errors -> the crate's error, with place, callers and hints
//! check         what is wrong with a script, without running it
//! python        the form here of what people write in Python
//! definitions   files for editors
//! docs          what `:help`, completion and the generated documentation read
//! ```

pub mod api;
mod arguments;
mod bridge;
mod check;
mod class;
mod closure;
mod coverage;
pub mod definitions;
mod diagnostic;
pub mod docs;
pub mod doors;
mod evaluation;
mod failure;
mod guard;
mod hints;
mod host;
mod interactive;
mod limits;
mod module_docs;
mod modules;
mod native_library;
mod numbers;
mod own_constants;
mod permissions;
mod plain;
mod pretty;
mod python;
mod reading;
pub mod source;
mod state;
mod test_functions;
mod with_variables;

/// The language, in the version that the host is built with.
pub use rhai;

pub use api::TensorHandle;
pub use bridge::{from_value, to_value};
pub use class::{CLASSES, Class, ConfigHandle};
pub use coverage::{Coverage, Covered, Spot, Statement};
pub use failure::{Raise, RhaiResultOf, raise};
pub use host::{Host, HostBuilder, Outcome};
pub use interactive::Interactive;
pub use limits::Limits;
pub use native_library::{Described, NativeLibrary, add_to_all_hosts};
pub use permissions::RunPermissions;
pub use reading::is_blank;
pub use state::State;
pub use test_functions::{TEST_PREFIX, TestEvent, TestOutcome};
