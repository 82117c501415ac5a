//! The `saescript` program.

use std::process::ExitCode;

use saescript::cli;
use saescript::memory::Heap;
use saescript::report::Printer;

#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> ExitCode {
    cli::main(&Printer::new())
}
