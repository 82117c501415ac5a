//! The memory budget: how much the process may hold, and the check that whoever is about to take much makes first.
//!
//! The budget is 90% of the smaller of the machine's memory and the control group's, unless [`set_limit`] says
//! otherwise. [`admit`] is asked at the doors that allocate: tensors, paddings, repetitions, files read whole.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Part of the machine's or the control group's memory that the budget is by default.
const SHARE: f64 = 0.9;

/// Below this many bytes a request is let through without a look at what is in use.
const TRIFLE: u64 = 1 << 20;

/// Bytes; 0 until it is first asked for.
static LIMIT: AtomicU64 = AtomicU64::new(0);

/// The budget in bytes.
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

/// Bytes of memory that the process holds now. 0 where the system does not tell.
pub fn used() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = text.split_ascii_whitespace().nth(1);
    let pages: u64 = resident.and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Lets `bytes` more be taken for `what`, which completes "… needs 2.0 GB".
///
/// # Errors
/// They do not fit into the budget beside what is in use.
pub fn admit(bytes: u64, what: &str) -> Result<()> {
    if bytes < TRIFLE {
        return Ok(());
    }
    let (used, limit) = (used(), limit());
    match used.saturating_add(bytes) <= limit {
        true => Ok(()),
        false => Err(refusal(bytes, what, used, limit)),
    }
}

fn refusal(bytes: u64, what: &str, used: u64, limit: u64) -> Error {
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    Error::run(format!(
        "out of memory: {what} needs {}, and {} of the budget of {} are in use",
        gigabytes(bytes),
        gigabytes(used),
        gigabytes(limit)
    ))
    .hint("make it smaller, or give the program more with `--max-memory`")
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
    }
}
