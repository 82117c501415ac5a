//! The terminal that progress bars are drawn on.

use std::io::{self, BufWriter, Stderr, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;

/// Standard error, a little narrower than it is: the `^C` that a terminal writes where the cursor stands must not
/// break a bar's line in two, or the bar could not be cleared any more.
#[derive(Debug)]
pub(super) struct Terminal(Mutex<BufWriter<Stderr>>);

/// Columns that stay free at the right.
const MARGIN: u16 = 4;

impl Terminal {
    pub(super) fn new() -> Self {
        Terminal(Mutex::new(BufWriter::new(io::stderr())))
    }

    fn out(&self) -> MutexGuard<'_, BufWriter<Stderr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// ECMA-48 control sequence; nothing for a distance of 0, which the terminal would take for 1.
    fn go(&self, distance: usize, direction: char) -> io::Result<()> {
        match distance {
            0 => Ok(()),
            _ => write!(self.out(), "\x1b[{distance}{direction}"),
        }
    }
}

/// Returns the columns and lines of standard error.
pub(super) fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(window) if window.ws_col > 0 => (window.ws_col, window.ws_row),
        _ => (80, 24),
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        size().0.saturating_sub(MARGIN)
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.go(lines, 'A')
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.go(lines, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.go(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.go(columns, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        writeln!(self.out(), "{text}")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        write!(self.out(), "{text}")
    }

    fn clear_line(&self) -> io::Result<()> {
        write!(self.out(), "\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.out().flush()
    }
}
