//! Who asks the policy before a function reaches outside. The host installs it: it knows configurations and libraries,
//! which are above the guard.

use std::sync::OnceLock;

use rhai::{Dynamic, NativeCallContext};

use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::script::doors::Door;

/// Asks for a call of a function; returns the policy for which files are opened during the call, where that is another
/// than the script's.
pub type Keeper = fn(&NativeCallContext, &Door, &[&mut Dynamic]) -> Result<Option<Policy>>;

static KEEPER: OnceLock<Keeper> = OnceLock::new();

/// Has `keeper` asked from now on; it is the same for all hosts.
pub fn install_keeper(keeper: Keeper) {
    KEEPER.get_or_init(|| keeper);
}

/// Asks for a call.
///
/// # Errors
/// It may not be made; nobody is there to ask.
pub(super) fn ask(
    context: Option<&NativeCallContext>,
    door: &Door,
    arguments: &[&mut Dynamic],
) -> Result<Option<Policy>> {
    match (KEEPER.get(), context) {
        (Some(keeper), Some(context)) => keeper(context, door, arguments),
        _ => Err(Error::input(format!(
            "`{}` can be called by the scripts of a host only",
            door.function
        ))),
    }
}
