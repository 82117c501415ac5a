//! `--timeout`: a script's time is over. It is asked to stop; if it does not, the process ends.

use std::thread;
use std::time::Duration;

use crate::error::{Error, Fault, Result};
use crate::event::StopFlag;
use crate::report::Printer;

/// The script's own look at the clock comes first.
const HEAD_START: Duration = Duration::from_millis(200);

/// How long work may take to come to a safe point, and to save what there is to save.
const GRACE: Duration = Duration::from_secs(10);

/// Has `stop` set when `time` is over, and ends the process, with code 1, where the script goes on all the same.
///
/// # Errors
/// The thread that looks at the clock cannot be started.
pub(super) fn watch(time: Option<Duration>, stop: StopFlag, printer: Printer) -> Result<()> {
    let Some(time) = time else { return Ok(()) };
    let watching = thread::Builder::new().name("timeout".into()).spawn(move || {
        thread::sleep(time + HEAD_START);
        stop.set();
        thread::sleep(GRACE);
        printer.error(&Error::run(format!(
            "the script did not end within {} s, nor {} s after it was asked to",
            time.as_secs_f64(),
            GRACE.as_secs_f64()
        )));
        // SAFETY: ends the process without running destructors of libraries whose threads are still at work.
        unsafe { libc::_exit(i32::from(Fault::Run.exit_code())) }
    });
    watching
        .map(drop)
        .map_err(|error| Error::run(format!("cannot watch the clock: {error}")))
}
