//! `saescript view`: stores in a browser.

use std::process::{Command, Stdio};

use super::viewer::ServeArguments;
use crate::error::Result;
use crate::report::Printer;

/// Look at the latents of a dictionary in a browser
///
/// The store holds all that is shown: no data set, tokenizer or model is needed, and nothing is fetched from elsewhere.
/// Labels and bookmarks are written into it, unless it was made elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript view results
  saescript view layer3.sqlite layer6.sqlite
  saescript view downloaded.sqlite --write")]
pub(super) struct Arguments {
    #[command(flatten)]
    serve: ServeArguments,
}

/// Serves, and opens the browser; the exit code.
///
/// # Errors
/// Those of [`ServeArguments::serve`].
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    arguments.serve.serve(printer, open_browser)
}

/// Opens the browser of $BROWSER or of the desktop. Where there is none, the link on the terminal is what remains.
fn open_browser(link: &str) {
    let chosen = std::env::var("BROWSER")
        .ok()
        .filter(|browser| !browser.trim().is_empty());
    let browser = chosen.unwrap_or_else(|| "xdg-open".to_string());
    let mut words = browser.split_whitespace();
    let Some(program) = words.next() else { return };
    let quiet = || Stdio::null();
    let opened = Command::new(program)
        .args(words)
        .arg(link)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .spawn();
    if let Ok(mut child) = opened {
        std::thread::spawn(move || child.wait());
    }
}
