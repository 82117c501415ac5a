//! `saescript serve`: pages of stores for a browser that somebody opens.

use super::viewer::ServeArguments;
use crate::error::Result;
use crate::report::Printer;

/// Serve stores of analyses to a browser
///
/// Prints a link that opens one browser, and answers until Ctrl-C. `saescript view` also opens the browser.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript serve results
  saescript serve results --port 8080       # then, elsewhere: ssh -L 8080:localhost:8080 MACHINE")]
pub(super) struct Arguments {
    #[command(flatten)]
    serve: ServeArguments,
}

/// Serves; the exit code.
///
/// # Errors
/// Those of [`ServeArguments::serve`].
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    arguments.serve.serve(printer, |_| {})
}
