//! For whom a thread opens files. What a script asked for is compared once more when the file is open: by then no link
//! can change what it is.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Policy;
use super::access::Access;

thread_local! {
    static ACTING: RefCell<Option<Policy>> = const { RefCell::new(None) };
}

/// Puts back what was there before, also after a panic.
struct Before(Option<Policy>);

impl Drop for Before {
    fn drop(&mut self) {
        ACTING.with(|acting| *acting.borrow_mut() = self.0.take());
    }
}

fn with<T>(policy: Option<Policy>, work: impl FnOnce() -> T) -> T {
    let _before = Before(ACTING.with(|acting| acting.replace(policy)));
    work()
}

/// Does `work` for somebody whom `policy` limits: files that this thread opens meanwhile have to be allowed by it.
pub fn acting<T>(policy: &Policy, work: impl FnOnce() -> T) -> T {
    with((!policy.is_unlimited()).then(|| policy.clone()), work)
}

/// Does `work` for this program itself: its own caches, what it keeps of libraries.
pub fn on_own_behalf<T>(work: impl FnOnce() -> T) -> T {
    with(None, work)
}

/// Returns `work` to be done on another thread for whom this thread works.
pub fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let policy = ACTING.with(|acting| acting.borrow().clone());
    move || with(policy, work)
}

/// Refuses the open `file`, found at `path`, where whom this thread works for may not use what it is.
///
/// # Errors
/// It lies where it may not be used.
pub fn confirm(access: Access, file: &File, path: &Path) -> io::Result<()> {
    let Some(policy) = ACTING.with(|acting| acting.borrow().clone()) else {
        return Ok(());
    };
    let leads_to = place_of(file).unwrap_or_else(|| super::resolved(path));
    require(&policy, access, &leads_to)
}

/// As [`confirm`], for the temporary `file` that is to be renamed to `target` in the same folder.
///
/// # Errors
/// The folder lies where `target` may not be written.
pub fn confirm_replacing(file: &File, target: &Path) -> io::Result<()> {
    let Some(policy) = ACTING.with(|acting| acting.borrow().clone()) else {
        return Ok(());
    };
    let folder = place_of(file).and_then(|place| place.parent().map(Path::to_path_buf));
    let leads_to = match (folder, target.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => super::resolved(target),
    };
    require(&policy, Access::Write, &leads_to)
}

/// Returns the path without links of what is to be written at `path`, if whom this thread works for may write there;
/// `path` itself, where this thread works for nobody who is limited.
///
/// # Errors
/// It leads to where it may not be written.
pub fn settled(path: &Path) -> io::Result<PathBuf> {
    let Some(policy) = ACTING.with(|acting| acting.borrow().clone()) else {
        return Ok(path.to_path_buf());
    };
    let leads_to = super::resolved(path);
    require(&policy, Access::Write, &leads_to)?;
    Ok(leads_to)
}

fn require(policy: &Policy, access: Access, leads_to: &Path) -> io::Result<()> {
    if policy.allows_opened(access, leads_to) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "it is `{0}`, which the script may not {1}; `{2}={0}` allows it",
            leads_to.display(),
            access.verb(),
            access.flag()
        ),
    ))
}

/// Where an open file lies, if the system tells.
fn place_of(file: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    let place = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    // What has no name any more, as files for a short time, is nobody else's.
    place.is_absolute().then_some(place)
}
