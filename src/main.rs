//! The `saescript` program: results to exit codes.
//!
//! 0 all went well, 1 the run failed, 2 what was asked for makes no sense, 130 it was interrupted; a script that
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
    let ended = cli::on_large_stack(run);
    let result = match (ended, printer.finish()) {
        // Whoever reads standard output has seen enough (`saescript run x.rhai | head`), or it took no more.
        (Err(error), written) if error.fault() == Fault::Interrupted && printer.reader_left() => {
            written.map(|()| 0)
        }
        (ended, written) => ended.and_then(|code| written.map(|()| code)),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.fault().exit_code())
        }
    }
}
