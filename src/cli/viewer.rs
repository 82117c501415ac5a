//! What `saescript view` and `saescript serve` have in common: which stores, and who may reach them.

use std::path::PathBuf;

use super::arguments::ProgressArguments;
use super::interrupt;
use crate::error::Result;
use crate::report::Printer;
use crate::serve::{Given, OpenStores, Server, ServerOptions, Writing};

/// Stores, and where they are served.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// Stores of analyses: files, or folders of results in which an analysis.sqlite lies
    #[arg(required = true, value_name = "STORE")]
    pub(super) stores: Vec<PathBuf>,
    /// The port; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The interface to listen on, by name or number: other machines reach what is not the loopback's
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Write no labels or bookmarks
    #[arg(long, conflicts_with = "write")]
    read_only: bool,
    /// Write labels and bookmarks also into stores that were made elsewhere
    #[arg(long)]
    write: bool,
    /// For the page `text`: the language model, a folder or a name on the hub, where it is not as the store says
    #[arg(long)]
    model: Option<String>,
    /// For the page `text`: the dictionary, a folder or `org/repo:folder` on the hub, where it is not as the store says
    #[arg(long)]
    sae: Option<PathBuf>,
    #[command(flatten)]
    progress: ProgressArguments,
}

impl ServeArguments {
    /// Opens the stores.
    ///
    /// # Errors
    /// One that cannot be opened.
    pub(super) fn open_stores(&self) -> Result<OpenStores> {
        let writing = match (self.read_only, self.write) {
            (true, _) => Writing::None,
            (_, true) => Writing::All,
            _ => Writing::Own,
        };
        OpenStores::open(&self.stores, writing)
    }

    /// Serves the stores until somebody stops it; `open` is given the first link.
    ///
    /// # Errors
    /// A store that cannot be opened, an address that cannot be listened on.
    pub(super) fn serve(&self, printer: &Printer, open: impl FnOnce(&str)) -> Result<u8> {
        let options = ServerOptions {
            host: self.host.clone(),
            port: self.port,
            given: Given {
                model: self.model.clone(),
                sae: self.sae.clone(),
            },
        };
        let stores = self.open_stores()?;
        stores.require_analyses()?;
        let server = Server::bind(stores, &options)?;
        let context = self.progress.context(printer);
        interrupt::install(context.stop.clone(), printer.clone())?;
        let link = server.link("")?;
        printer.line(&link);
        printer.remark("the link opens one browser; Ctrl-C ends the server");
        if server.is_public() {
            printer.remark(
                "warning: other machines can reach this address, and what goes over the network is not encrypted; \
                 `ssh -L` to a server on the loopback is safer",
            );
        }
        open(&link);
        let told = printer.clone();
        server.run(&context, move |link| {
            told.remark("a used link was opened again; here is another, for one more browser");
            told.line(link);
        })?;
        Ok(0)
    }
}
