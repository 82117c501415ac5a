//! Where a path leads, and sets of folders.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Links that may lead from one to the next, as the system has it.
const MOST_LINKS: usize = 40;

/// Returns where `path` leads: absolute, every link followed, also those whose targets are missing, without `.` and `..`.
/// What does not exist yet keeps its name. Links that lead to each other without end are left as they are: nothing opens
/// them.
pub fn resolved(path: &Path) -> PathBuf {
    of_existing(path).unwrap_or_else(|| of_any(path))
}

/// Where what exists at `path` lies, as the system tells of what is open; nothing is read.
fn of_existing(path: &Path) -> Option<PathBuf> {
    let opened = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let place = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).ok()?;
    place.is_absolute().then_some(place)
}

fn of_any(path: &Path) -> PathBuf {
    let mut at = PathBuf::from("/");
    let mut open: VecDeque<OsString> = VecDeque::new();
    if path.is_relative()
        && let Ok(here) = std::env::current_dir()
    {
        at = here;
    }
    push_front(&mut open, path);
    let mut links = 0;
    while let Some(name) = open.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        match fs::read_link(&next) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                push_front(&mut open, &target);
            }
            _ => at = next,
        }
    }
    at
}

/// Puts the parts of `path` before what is open.
fn push_front(open: &mut VecDeque<OsString>, path: &Path) {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => open.push_front(name.to_os_string()),
            Component::ParentDir => open.push_front("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => (),
        }
    }
}

/// Folders with all that is below them, and single files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folders {
    everywhere: bool,
    roots: Vec<PathBuf>,
}

impl Folders {
    /// Returns the whole file system.
    pub fn everywhere() -> Self {
        Folders {
            everywhere: true,
            roots: Vec::new(),
        }
    }

    /// Adds the folder or file at `path`, links followed now.
    pub fn add(&mut self, path: &Path) {
        self.add_resolved(resolved(path));
    }

    /// Adds a path without links.
    pub fn add_resolved(&mut self, path: PathBuf) {
        if !self.roots.contains(&path) {
            self.roots.push(path);
        }
    }

    /// Adds the whole file system.
    pub fn add_everything(&mut self) {
        self.everywhere = true;
    }

    /// Returns whether `path`, without links, is itself one of them.
    pub fn names(&self, path: &Path) -> bool {
        self.everywhere || self.roots.iter().any(|root| root == path)
    }

    /// Returns whether `path`, without links, is one of them or lies below one.
    pub fn hold(&self, path: &Path) -> bool {
        self.everywhere || self.roots.iter().any(|root| path.starts_with(root))
    }
}

impl<P: AsRef<Path>> FromIterator<P> for Folders {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        let mut folders = Folders::default();
        for path in paths {
            folders.add(path.as_ref());
        }
        folders
    }
}
