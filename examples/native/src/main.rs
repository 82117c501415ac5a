//! saescript with the library `vectors` in it: all its commands, for scripts that call `vectors::read(…)`.
//!
//!     cargo run -p saescript-vectors -- run examples/native/mean.rhai

use std::process::ExitCode;

use saescript::report::Printer;
use saescript::{cli, script};
use saescript_vectors::library;

fn main() -> ExitCode {
    script::add_to_all_hosts(|| vec![library()]);
    cli::main(&Printer::new())
}
