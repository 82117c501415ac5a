//! Which of libtorch's operations are called, for tests that count what a GPU would be asked to do.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    fn saescript_watch_calls(seen: unsafe extern "C" fn(*const c_char, c_int)) -> u64;
    fn saescript_unwatch_calls(handle: u64);
}

/// Operations that look at the same numbers otherwise, or make room for some.
const FREE: [&str; 21] = [
    "alias",
    "as_strided",
    "contiguous",
    "detach",
    "empty",
    "empty_like",
    "empty_strided",
    "expand",
    "narrow",
    "permute",
    "reshape",
    "resize",
    "resolve_conj",
    "select",
    "slice",
    "t",
    "to",
    "transpose",
    "unbind",
    "unsqueeze",
    "view",
];

/// An operation that has begun, and whether one within it did the work.
struct Begun {
    name: String,
    is_done_within: bool,
}

thread_local! {
    static BEGUN: RefCell<Vec<Begun>> = const { RefCell::new(Vec::new()) };
    static DONE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn seen(name: *const c_char, ends: c_int) {
    BEGUN.with_borrow_mut(|begun| {
        if ends == 0 {
            // SAFETY: the name of an operation is a text with an end.
            let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
            begun.push(Begun {
                name: name.trim_start_matches("aten::").to_string(),
                is_done_within: false,
            });
            return;
        }
        let Some(call) = begun.pop() else { return };
        let does_something = call.is_done_within || !FREE.contains(&call.name.trim_end_matches('_'));
        if let Some(outer) = begun.last_mut() {
            outer.is_done_within |= does_something;
        }
        if does_something && !call.is_done_within {
            let asked = begun.first().map_or("", |outermost| outermost.name.as_str());
            DONE.with_borrow_mut(|done| done.push(format!("{asked}/{}", call.name)));
        }
    });
}

/// Returns what `work` returns, and the names of libtorch's operations that did something meanwhile, each with the one that
/// was called for it: on a GPU about one kernel each.
pub fn watched<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    DONE.with_borrow_mut(Vec::clear);
    // SAFETY: the function keeps to its type, and is called on this thread only.
    let handle = unsafe { saescript_watch_calls(seen) };
    let result = work();
    // SAFETY: the handle is the one from above.
    unsafe { saescript_unwatch_calls(handle) };
    BEGUN.with_borrow_mut(Vec::clear);
    (result, DONE.with_borrow_mut(std::mem::take))
}
