//! `saescript completions`: what a shell completes.

use clap_complete::Shell;

use crate::error::Result;
use crate::report::Printer;

/// Write what a shell needs to complete commands, options and files
///
/// The text goes to standard output; a shell reads it from where it looks for such files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript completions bash > ~/.local/share/bash-completion/completions/saescript
  saescript completions zsh > ~/.zfunc/_saescript       # with fpath+=~/.zfunc in .zshrc
  saescript completions fish > ~/.config/fish/completions/saescript.fish
  source <(saescript completions bash)                  # in this shell only")]
pub(super) struct Arguments {
    /// Which shell
    shell: Shell,
}

/// Writes the completions of `program`, whose name is `saescript`; the exit code is 0.
///
/// # Errors
/// None.
pub(super) fn run(arguments: &Arguments, mut program: clap::Command, printer: &Printer) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "saescript", &mut text);
    printer.text(&String::from_utf8_lossy(&text));
    Ok(0)
}
