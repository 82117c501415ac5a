//! Ctrl-C and SIGTERM: the first asks work to stop at a safe point, a second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::error::{Error, Fault, Result};
use crate::event::StopFlag;
use crate::report::Printer;

/// Remembers whether somebody interrupted.
pub(super) struct Interrupts {
    came: Arc<AtomicBool>,
}

/// From now on an interrupt sets `stop`; one that comes while `stop` is set ends the process with code 130.
///
/// # Errors
/// The operating system refuses the handler.
pub(super) fn install(stop: StopFlag, printer: Printer) -> Result<Interrupts> {
    let came = Arc::new(AtomicBool::new(false));
    let flag = came.clone();
    // A prompt changes the terminal's settings, and a process that ends at once has to put them back.
    let settings = tcgetattr(std::io::stdin()).ok();
    let handler = move || {
        flag.store(true, Ordering::SeqCst);
        if stop.is_set() {
            if let Some(settings) = &settings {
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
            }
            // SAFETY: ends the process without running destructors of libraries whose threads are still at work.
            unsafe { libc::_exit(i32::from(Fault::Interrupted.exit_code())) }
        }
        stop.set();
        printer.interrupted("stopping at the next safe point; once more to stop at once");
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Error::run(format!("cannot watch for interrupts: {error}")))?;
    Ok(Interrupts { came })
}

impl Interrupts {
    /// Did one come?
    pub(super) fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }
}
