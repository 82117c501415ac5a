//! The `saescript` program.

use std::process::ExitCode;

use saescript::cli;
use saescript::memory::Heap;
use saescript::report::Printer;
use saescript::tensor::skip_teardown;

#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> ExitCode {
    skip_teardown();
    cli::main(&Printer::new())
}
