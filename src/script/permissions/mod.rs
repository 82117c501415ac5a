//! The policy, asked for what scripts give: whose code it is that asks, what its texts stand for, and what a run may do.
//!
//! ```text
//! asking    the arguments of a call, and the settings in them, put to the policy
//! caller    whose code makes a call: the script's, or a library's
//! run       what the scripts of a run may do: by default, by flags, by the manifest, by arguments
//! ```

mod asking;
mod caller;
mod run;

pub use self::asking::{ask, ask_to_read, ask_to_write};
pub use self::caller::names_a_native_function;
pub use self::run::{RunPermissions, secrets};
