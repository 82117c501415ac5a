//! `sleep`, which an interrupt ends.

use std::time::{Duration, Instant};

use rhai::{FuncRegistration, Module, NativeCallContext};

use super::SetGuarded;
use crate::error::{Error, Result};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::state::State;

/// How soon an interrupt is noticed.
const PART: Duration = Duration::from_millis(20);

/// Seconds of a year: who waits longer has made a mistake.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;

/// Puts `sleep` into `module`.
pub(super) fn register(module: &mut Module) {
    let sleep = || {
        FuncRegistration::new("sleep")
            .in_global_namespace()
            .with_comments(["/// Waits for so many seconds, with fractions. An interrupt ends the wait."])
    };
    sleep()
        .with_params_info(["seconds: f64"])
        .set_guarded(module, |context: NativeCallContext, seconds: f64| {
            wait(&context, seconds)
        });
    sleep()
        .with_params_info(["seconds: i64"])
        .set_guarded(module, |context: NativeCallContext, seconds: i64| {
            wait(&context, seconds as f64)
        });
}

fn wait(context: &NativeCallContext, seconds: f64) -> RhaiResultOf<()> {
    let time = duration(seconds).raise()?;
    let state = State::of(context);
    let began = Instant::now();
    loop {
        state.context().check("the wait").raise()?;
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(PART));
    }
}

fn duration(seconds: f64) -> Result<Duration> {
    if (0.0..=LONGEST).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Error::input(format!(
            "`sleep` waits for 0 seconds to a year, but was given {seconds:?}"
        )))
    }
}
