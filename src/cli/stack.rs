//! The stack on which everything runs.
//!
//! Values nested deeply, and closures that hold closures, are copied and freed by functions that call themselves. The
//! language gives no place to bound the nesting of closures, so the stack is one that memory runs out before. It costs
//! address space until it is used.

use std::thread;

use rustix::process::{Resource, getrlimit};

/// Bytes of stack, where the system grants them. A closure takes 200 bytes of memory and 500 of stack.
const WANTED: u64 = 16 << 30;

/// Bytes of stack with which it is not worth while to go on asking.
const LEAST: u64 = 16 << 20;

/// Part of a limited address space that the stack may take.
const SHARE: u64 = 8;

/// Runs `work` on a stack as large as the system grants.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let mut size = match getrlimit(Resource::As).current {
        Some(space) => (space / SHARE).min(WANTED),
        None => WANTED,
    };
    let mut work = Some(work);
    let mut result = None;
    while size > LEAST && work.is_some() {
        thread::scope(|scope| {
            let builder = thread::Builder::new()
                .name("main".into())
                .stack_size(size as usize);
            // Where there is no room for the stack, the work is left to the next attempt.
            let _ = builder.spawn_scoped(scope, || result = work.take().map(|work| work()));
        });
        size /= 2;
    }
    match (result, work) {
        (Some(result), _) => result,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("a scope ends with the panic of its thread"),
    }
}
