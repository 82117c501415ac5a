//! `saescript view`: stores in a browser.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::interrupt;
use super::viewer::ServeArguments;
use crate::error::{Error, Result, byte_size, counted};
use crate::event::StopFlag;
use crate::report::Printer;
use crate::serve::{Chosen, LARGE, OpenStores, Writing};

/// Look at the latents of a dictionary in a browser
///
/// The store holds all that is shown: no data set, tokenizer or model is needed, and nothing is fetched from elsewhere.
/// Labels and bookmarks are written into it, unless it was made elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript view results
  saescript view layer3.sqlite layer6.sqlite
  saescript view downloaded.sqlite --write
  saescript view results --html findings.html --latents 3,17,100-199")]
pub(super) struct Arguments {
    #[command(flatten)]
    serve: ServeArguments,
    /// Write one page that stands alone, to be sent and opened without this program, instead of serving
    #[arg(long, value_name = "FILE", conflicts_with_all = ["port", "host", "read_only", "write", "model", "sae"])]
    html: Option<PathBuf>,
    /// With --html: which latents, e.g. 3,17,100-199 or bookmarked
    #[arg(long, value_name = "LIST", requires = "html", default_value = "all")]
    latents: Chosen,
    /// With --html: which analysis of the store
    #[arg(long, value_name = "NAME", requires = "html")]
    analysis: Option<String>,
}

/// Serves, and opens the browser; the exit code.
///
/// # Errors
/// Those of [`ServeArguments::serve`].
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    match &arguments.html {
        Some(file) => export(arguments, file, printer),
        None => arguments.serve.serve(printer, open_browser),
    }
}

fn export(arguments: &Arguments, file: &Path, printer: &Printer) -> Result<u8> {
    let stores = &arguments.serve.stores;
    if stores.len() > 1 {
        return Err(Error::input(format!(
            "a page that stands alone is of one store, and {} were given",
            stores.len()
        ))
        .hint("write one page for each"));
    }
    let stop = StopFlag::default();
    interrupt::install(stop.clone(), printer.clone())?;
    let stores = OpenStores::open(stores, Writing::None)?;
    let (bytes, latents) = stores.export(arguments.analysis.as_deref(), &arguments.latents, file, &stop)?;
    printer.line(&format!(
        "{}: {} of {}",
        file.display(),
        counted(latents as u64, "latent"),
        byte_size(bytes)
    ));
    if bytes > LARGE {
        printer.remark(&format!(
            "warning: browsers are slow to open pages of more than {}; `--latents` chooses some of the latents",
            byte_size(LARGE)
        ));
    }
    Ok(0)
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
