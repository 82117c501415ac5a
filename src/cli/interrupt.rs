//! Ctrl-C and SIGTERM: the first asks work to stop at a safe point, a second ends the process at once. In a session on a
//! terminal Ctrl-C only ends the call that is running, and SIGTERM the session after it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, Fault, Result};
use crate::event::StopFlag;
use crate::repl::Presence;
use crate::report::Printer;

/// Remembers whether an interrupt came.
pub(super) struct Interrupts {
    came: Arc<AtomicBool>,
}

/// Has an interrupt set `stop` from now on; one that comes while `stop` is set ends the process with code 130.
///
/// # Errors
/// The operating system refuses the handler.
pub(super) fn install(stop: StopFlag, printer: Printer) -> Result<Interrupts> {
    let came = Arc::new(AtomicBool::new(false));
    let flag = came.clone();
    let terminal = Terminal::as_it_is();
    watch(move |_| {
        flag.store(true, Ordering::SeqCst);
        if stop.is_set() {
            terminal.leave();
        }
        stop.set();
        printer.interrupted("stopping at the next safe point; once more to stop at once");
    })?;
    Ok(Interrupts { came })
}

/// Has a file that reaches its limit of size be an error of the write, as on a full disk, instead of the process's end.
pub(super) fn outlive_full_files() {
    // SAFETY: ignoring a signal needs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

impl Interrupts {
    /// Returns whether one came.
    pub(super) fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }
}

/// Has Ctrl-C set `stop` from now on, which ends the call that the session is running as soon as it comes to a safe
/// point. However often it is pressed, the session stays. Where the session is not on a terminal, the second ends the
/// process.
///
/// SIGTERM and SIGHUP end a session that waits for an entry at once, and another after its call.
///
/// # Errors
/// The operating system refuses the handler.
pub(super) fn install_for_session(stop: StopFlag, presence: Presence, printer: Printer) -> Result<()> {
    let terminal = Terminal::as_it_is();
    let on_terminal = std::io::stdin().is_terminal();
    watch(move |signal| {
        let is_key = signal == SIGINT && on_terminal;
        if presence.at_prompt.is_set() {
            // A key pressed at the very end of a call: at the prompt it is a character.
            if !is_key {
                terminal.leave();
            }
            return;
        }
        let is_first = !stop.is_set();
        stop.set();
        if !is_key {
            if !is_first {
                terminal.leave();
            }
            if signal != SIGINT {
                presence.leave.set();
            }
            return printer.interrupted("stopping at the next safe point; once more to stop at once");
        }
        printer.interrupted(if is_first { "stopping at the next safe point" } else {
            "the running step cannot be stopped midway and is finished first; the session stays (Ctrl-\\ ends it at once)"
        });
    })
}

/// Calls `act` with every signal that asks to stop, on a thread of its own.
fn watch(mut act: impl FnMut(i32) + Send + 'static) -> Result<()> {
    let refused = |error: std::io::Error| Error::run(format!("cannot watch for interrupts: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(refused)?;
    let watching = std::thread::Builder::new().name("signals".into());
    let watching = watching.spawn(move || signals.forever().for_each(&mut act));
    watching.map(|_| ()).map_err(refused)
}

/// The terminal's settings, which a prompt changes and a process that ends at once has to put back.
struct Terminal(Option<Termios>);

impl Terminal {
    fn as_it_is() -> Self {
        Terminal(tcgetattr(std::io::stdin()).ok())
    }

    /// Ends the process.
    fn leave(&self) {
        if let Some(settings) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
        }
        // SAFETY: ends the process without running destructors of libraries whose threads are still at work.
        unsafe { libc::_exit(i32::from(Fault::Interrupted.exit_code())) }
    }
}
