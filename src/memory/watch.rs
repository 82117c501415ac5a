//! A thread that looks every few milliseconds at what is in use while scripts run. The interpreter reads what it found
//! before each operation, for a look of its own would cost more than the operation.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{limit, needed, trim, used};

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(2);

/// Between two requests to hand free memory back.
const TRIM_PERIOD: Duration = Duration::from_millis(200);

/// Part of the budget beyond which functions refuse to begin. An error of theirs can be caught, that of the interpreter,
/// at the whole budget, cannot.
const NEARLY: f64 = 0.95;

static WATCHED: AtomicUsize = AtomicUsize::new(0);
static OVER: AtomicBool = AtomicBool::new(false);
static NEARLY_OVER: AtomicBool = AtomicBool::new(false);
static WATCHER: Mutex<Option<Thread>> = Mutex::new(None);

/// Returns whether the budget is used up. Known while somebody runs under [`watched`].
#[inline]
pub fn is_over() -> bool {
    OVER.load(Ordering::Relaxed)
}

/// Returns whether nearly all of the budget is used.
#[inline]
pub fn is_nearly_over() -> bool {
    NEARLY_OVER.load(Ordering::Relaxed)
}

/// Returns whether the budget is used up at this moment, free memory handed back. Takes a while; for those whom
/// [`is_over`] warned.
pub fn is_still_over() -> bool {
    look(true);
    is_over()
}

/// Returns whether nearly all of the budget is used at this moment, as [`is_still_over`] looks.
pub fn is_still_nearly_over() -> bool {
    look(true);
    is_nearly_over()
}

/// Runs `work` with an eye on the budget.
pub fn watched<T>(work: impl FnOnce() -> T) -> T {
    struct Ended;
    impl Drop for Ended {
        fn drop(&mut self) {
            WATCHED.fetch_sub(1, Ordering::SeqCst);
        }
    }
    start();
    if WATCHED.fetch_add(1, Ordering::SeqCst) == 0 {
        look(true);
        if let Some(watcher) = &*WATCHER.lock().unwrap_or_else(PoisonError::into_inner) {
            watcher.unpark();
        }
    }
    let _ended = Ended;
    work()
}

/// Without the thread, which a system may refuse to start, the checks before large values are still made.
fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let watcher = thread::Builder::new().name("memory".into()).spawn(|| {
            let mut trimmed = Instant::now();
            loop {
                if WATCHED.load(Ordering::SeqCst) == 0 {
                    thread::park();
                }
                let may_trim = trimmed.elapsed() > TRIM_PERIOD;
                if look(may_trim) {
                    trimmed = Instant::now();
                }
                thread::sleep(PERIOD);
            }
        });
        let watcher = watcher.ok().map(|handle| handle.thread().clone());
        *WATCHER.lock().unwrap_or_else(PoisonError::into_inner) = watcher;
    });
}

/// Compares what is in use with the budget; true if free memory was handed back for it.
fn look(may_trim: bool) -> bool {
    let nearly = (limit() as f64 * NEARLY) as u64;
    let mut need = needed(used());
    let trims = need > nearly && may_trim;
    if trims {
        trim();
        need = needed(used());
    }
    NEARLY_OVER.store(need > nearly, Ordering::Relaxed);
    OVER.store(need > limit(), Ordering::Relaxed);
    trims
}

/// Limits the data of this process to twice the budget beside what it has now, so that what gets past all checks fails
/// instead of taking the machine's memory. Texts and arrays that grow reserve twice what they use. Not
/// for processes with GPUs, whose driver reserves more than it uses.
pub fn set_backstop() {
    let data = status_kilobytes("VmData:").unwrap_or(0) * 1024;
    let bound = data.saturating_add(limit().saturating_mul(2));
    let old = rustix::process::getrlimit(rustix::process::Resource::Data);
    if old.current.is_none_or(|old| bound < old) {
        let limits = rustix::process::Rlimit {
            current: Some(bound),
            maximum: old.maximum,
        };
        // A system that refuses leaves the checks, which come first anyway.
        let _ = rustix::process::setrlimit(rustix::process::Resource::Data, limits);
    }
}

fn status_kilobytes(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
