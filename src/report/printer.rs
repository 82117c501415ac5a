//! The single door to standard output and standard error.
//!
//! Everything that is printed goes through a [`Printer`], which steps aside for a progress bar so that lines come out
//! above it, drops colours where nobody sees them (`NO_COLOR`, files, pipes), shows control characters in what is not
//! its own instead of sending them to a terminal, and takes a closed pipe for what it is: the reader has seen enough
//! (`saescript run x.rhai | head`).

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::diagnostic;
use super::visible::visible;
use crate::error::{Error, Result};
use crate::event::StopFlag;

/// A cheap handle on what is printed to.
#[derive(Clone)]
pub struct Printer(Arc<Inner>);

impl Default for Printer {
    fn default() -> Self {
        Printer(Arc::new(Inner {
            // Bars are shown once somebody asks for them.
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            reader_left: AtomicBool::default(),
            stop: Mutex::default(),
            failure: Mutex::default(),
        }))
    }
}

struct Inner {
    bars: MultiProgress,
    reader_left: AtomicBool,
    stop: Mutex<Option<StopFlag>>,
    failure: Mutex<Option<Error>>,
}

impl Printer {
    /// Prints to this process's standard output and standard error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `stop`, which ends the work that watches it, when nobody reads standard output any more.
    pub fn stop_when_reader_leaves(&self, stop: StopFlag) {
        *lock(&self.0.stop) = Some(stop);
    }

    /// Returns whether the reader of standard output has closed it.
    pub fn reader_left(&self) -> bool {
        self.0.reader_left.load(Ordering::SeqCst)
    }

    /// Writes a result as one line to standard output.
    pub fn line(&self, text: &str) {
        self.text(&format!("{text}\n"));
    }

    /// Writes results as text to standard output, as it is in a file or a pipe; a terminal shows its control
    /// characters.
    pub fn text(&self, text: &str) {
        self.write(|| {
            let mut out = io::stdout().lock();
            let shown = if out.is_terminal() {
                visible(text)
            } else {
                text.into()
            };
            out.write_all(shown.as_bytes()).and_then(|()| out.flush())
        });
    }

    /// Writes text of this program itself, with its colours, to standard output.
    pub fn styled(&self, text: &str) {
        self.write(|| {
            let mut out = anstream::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
    }

    fn write(&self, write: impl FnOnce() -> io::Result<()>) {
        if self.reader_left() {
            return;
        }
        if let Err(error) = self.0.bars.suspend(write) {
            self.0.reader_left.store(true, Ordering::SeqCst);
            if error.kind() != ErrorKind::BrokenPipe {
                *lock(&self.0.failure) = Some(Error::io("write to", "standard output", error));
            }
            if let Some(stop) = &*lock(&self.0.stop) {
                stop.set();
            }
        }
    }

    /// Writes a remark as one line to standard error, its control characters shown.
    pub fn remark(&self, text: &str) {
        self.styled_remark(&visible(text));
    }

    /// Writes a remark of this program itself, with its colours; what comes from elsewhere in it was made [`visible`].
    /// If even standard error is closed there is nobody left to tell.
    pub fn styled_remark(&self, text: &str) {
        self.0.bars.suspend(|| {
            let _ = anstream::stderr()
                .lock()
                .write_all(format!("{text}\n").as_bytes());
        });
    }

    /// Returns the columns of the terminal that standard output is, for text that is to fill it; a readable width
    /// elsewhere.
    pub fn width(&self) -> usize {
        const READABLE: usize = 110;
        match rustix::termios::tcgetwinsize(std::io::stdout()) {
            Ok(window) if window.ws_col > 0 => usize::from(window.ws_col).min(READABLE),
            _ => READABLE,
        }
    }

    /// Returns the lines of the terminal that standard output is; `None` where it is no terminal.
    pub fn height(&self) -> Option<usize> {
        let window = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (window.ws_row > 0 && io::stdout().is_terminal()).then_some(usize::from(window.ws_row))
    }

    /// Writes what an interrupt does to standard error, in place of the `^C` that the terminal shows.
    pub fn interrupted(&self, text: &str) {
        if std::io::stderr().is_terminal() {
            self.styled_remark(&format!("\r\x1b[K{text}"))
        } else {
            self.remark(text)
        }
    }

    /// Writes what went wrong to standard error: the sentence, the place in the source, the callers and the advice.
    pub fn error(&self, error: &Error) {
        self.styled_remark(&diagnostic::render(error, true));
    }

    /// Reports what kept standard output from taking everything (a full disk), other than that its reader left.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(&self) -> Result<()> {
        match lock(&self.0.failure).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    pub(super) fn bars(&self) -> &MultiProgress {
        &self.0.bars
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
