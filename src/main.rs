//! The `saescript` program: results to exit codes.
//!
//! 0 all went well, 1 the run failed, 2 what was asked for makes no sense, 130 somebody interrupted it; a script that
//! calls `exit(n)` ends with n.

use std::process::ExitCode;

use saescript::cli;
use saescript::error::Fault;
use saescript::guard;
use saescript::memory::Heap;
use saescript::report::Printer;

#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> ExitCode {
    let printer = Printer::new();
    let run = || guard::caught("the program", || cli::run(std::env::args_os(), &printer));
    let result = cli::on_large_stack(run);
    match result.and_then(|code| printer.finish().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        // `saescript run x.rhai | head`: the reader has seen enough, and there is nothing to complain about.
        Err(error) if error.fault() == Fault::Interrupted && printer.reader_left() => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.fault().exit_code())
        }
    }
}
