//! The memory budget: how much the process may hold, and the check that whoever is about to take much makes first.
//!
//! The budget is 90% of the smaller of the machine's memory and the control group's, unless [`set_limit`] says
//! otherwise. [`admit`] is asked at the doors that allocate: tensors, files read whole; [`admit_value`] at those of the
//! language: paddings, repetitions. What has no door of its own, such as the copy that `let b = a` makes of an array, is
//! seen by the [`watched`] interpreter before its next operation; one operation can copy all values that a script has,
//! so room for that is kept free.
//!
//! ```text
//! heap     the allocator that counts
//! watch    the thread that looks, and the operating system's limit behind it all
//! ```

mod heap;
mod watch;

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::heap::{Heap, at_any_depth, forget_depth, was_deep};
pub use self::watch::{is_nearly_over, is_over, is_still_nearly_over, is_still_over, set_backstop, watched};
use crate::error::{Error, Result, byte_size};
use crate::native::pool;

/// Part of the machine's or the control group's memory that the budget is by default.
const SHARE: f64 = 0.9;

/// Below this many bytes a request is let through without a look at what is in use.
const TRIFLE: u64 = 1 << 20;

/// Bytes; 0 until it is first asked for.
static LIMIT: AtomicU64 = AtomicU64::new(0);

/// Returns the budget in bytes.
pub fn limit() -> u64 {
    match LIMIT.load(Ordering::Relaxed) {
        0 => {
            let limit = (capacity() as f64 * SHARE) as u64;
            // Whoever set one meanwhile knows better.
            let _ = LIMIT.compare_exchange(0, limit, Ordering::Relaxed, Ordering::Relaxed);
            LIMIT.load(Ordering::Relaxed)
        }
        limit => limit,
    }
}

/// Sets the budget, in bytes.
pub fn set_limit(bytes: u64) {
    LIMIT.store(bytes.max(1), Ordering::Relaxed);
}

/// Returns the bytes of memory that the process holds now, without the pages of mapped files, which the system takes
/// back when it needs them. 0 where the system does not tell.
pub fn used() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = text.split_ascii_whitespace().skip(1);
    let mut next = || {
        pages
            .next()
            .and_then(|pages| pages.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let (resident, shared) = (next(), next());
    resident.saturating_sub(shared) * rustix::param::page_size() as u64
}

/// What `used` bytes in use mean for the budget: they and a copy of all that lies on the heap.
fn needed(used: u64) -> u64 {
    used.saturating_add(heap::taken())
}

/// Lets `bytes` more be taken for `what`, which completes "… needs 2.0 GB".
///
/// # Errors
/// They do not fit into the budget beside what is in use.
pub fn admit(bytes: u64, what: &str) -> Result<()> {
    if bytes < TRIFLE || fits(|| used().saturating_add(bytes)) {
        return Ok(());
    }
    Err(refusal(bytes, what))
}

/// Lets a script's value of `bytes` be made, `what` as for [`admit`]. A script copies its values, so there has to be
/// room for a copy of this one and of all others.
///
/// # Errors
/// They do not fit into the budget beside what is in use.
pub fn admit_value(bytes: u64, what: &str) -> Result<()> {
    // What is refused here can be caught; what comes out a little larger than it was said to be can not.
    let roomy = |bytes: u64| bytes.saturating_add(limit() / 10);
    if bytes < TRIFLE || fits(|| roomy(needed(used()).saturating_add(bytes.saturating_mul(2)))) {
        return Ok(());
    }
    Err(refusal(bytes, what)
        .hint("scripts copy their values: half of what tensors leave free is for the copies"))
}

/// Returns the error of a script that has used up the budget.
pub fn used_up() -> Error {
    Error::out_of_memory(format!(
        "the script's values and their copies do not fit into the budget of {}; {} are in use",
        byte_size(limit()),
        byte_size(used())
    ))
    .hint(ADVICE)
}

/// Does what `need` says fit, at the latest after free memory was handed back to the system?
fn fits(need: impl Fn() -> u64) -> bool {
    need() <= limit() || {
        trim();
        need() <= limit()
    }
}

/// Has pools, and the C library, which keep freed memory for the next tensor, hand it back.
fn trim() {
    pool::free_kept();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

const ADVICE: &str = "make it smaller, or give the program more with `--max-memory`";

fn refusal(bytes: u64, what: &str) -> Error {
    Error::out_of_memory(format!(
        "{what} needs {}, and {} of the budget of {} are in use",
        byte_size(bytes),
        byte_size(used()),
        byte_size(limit())
    ))
    .hint(ADVICE)
}

/// The bytes that `text` means: a number of bytes, or with a unit, `8GB`, `500MB`, `1.5GiB`.
///
/// # Errors
/// No positive number, or an unknown unit.
pub fn parse_size(text: &str) -> Result<u64> {
    let unit_at = text
        .find(|letter: char| letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => f64::from(1 << 10),
        "mib" => f64::from(1 << 20),
        "gib" => f64::from(1 << 30),
        "tib" => 1024.0 * f64::from(1 << 30),
        _ => {
            return Err(Error::unknown(
                "unit of memory",
                unit,
                &["KB", "MB", "GB", "TB", "MiB", "GiB"],
            ));
        }
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok((number * factor) as u64),
        _ => Err(Error::input(format!(
            "expected a size like 8GB or 500MB, but was given `{text}`"
        ))),
    }
}

/// The smaller of the machine's memory and the control group's, in bytes; no bound where neither is known.
fn capacity() -> u64 {
    machine().min(control_group()).max(1)
}

fn machine() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| {
        let number = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        number.trim().parse::<u64>().ok()
    });
    kilobytes.map_or(u64::MAX, |kilobytes| kilobytes * 1024)
}

/// The least limit of this process's control groups, of either version.
fn control_group() -> u64 {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        least_above(root, path, file)
    });
    limits.min().unwrap_or(u64::MAX)
}

/// The least number in `file` in the folder `path` below `root` and in the folders above it. Inside a container the
/// path may be the host's; the root's own file counts then.
fn least_above(root: &str, path: &str, file: &str) -> Option<u64> {
    let mut path = path.trim_matches('/');
    let mut least = None;
    loop {
        let text = fs::read_to_string(format!("{root}/{path}/{file}")).unwrap_or_default();
        let here = text.trim().parse::<u64>().ok();
        least = [least, here].into_iter().flatten().min();
        if path.is_empty() {
            return least;
        }
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_told() {
        assert!(admit(1000, "a trifle").is_ok());
        let error = admit(u64::MAX / 2, "a tensor of shape [1]").expect_err("it is too much");
        assert!(error.message().contains("a tensor of shape [1] needs"), "{error}");
        assert!(used() > 1 << 20, "a process holds something");
        assert!(limit() < machine());
        let error = admit_value(u64::MAX / 2, "an array").expect_err("it is too much");
        assert!(
            error.hints().iter().any(|hint| hint.contains("copies")),
            "{error}"
        );
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("500MB", 500_000_000),
            ("1.5 GiB", 3 << 29),
            ("4096", 4096),
            ("2g", 2_000_000_000),
        ] {
            assert_eq!(parse_size(text).expect(text), bytes);
        }
        for text in ["", "GB", "-1GB", "8 parsecs", "nanGB", "0"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
