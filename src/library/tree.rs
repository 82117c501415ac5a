//! What depends on what, as a tree for people.

use super::locked::{Id, Lock};
use super::project::Project;
use crate::error::Result;

/// Returns the project's libraries as a tree, a line each; what was shown already is marked with `(*)` instead of shown
/// again.
///
/// # Errors
/// The lock is older than the manifest.
pub fn tree(project: &Project) -> Result<Vec<String>> {
    let about = &project.manifest.package;
    let mut lines = vec![format!("{} {}", about.name, about.version)];
    let mut roots = Vec::new();
    for (name, dependency, dev) in project.dependencies() {
        roots.push((project.locked(name, dependency)?.id(), dev));
    }
    if let Some(lock) = &project.lock {
        let mut shown = Vec::new();
        for (index, (id, dev)) in roots.iter().enumerate() {
            let last = index + 1 == roots.len();
            let note = if *dev { " (for tests and examples)" } else { "" };
            branch(lock, id, ("", last), note, &mut shown, &mut lines)?;
        }
    }
    Ok(lines)
}

/// Adds the line of one library, which is the last of its branch or not, and those of what it depends on.
fn branch(
    lock: &Lock,
    id: &Id,
    (before, last): (&str, bool),
    note: &str,
    shown: &mut Vec<Id>,
    lines: &mut Vec<String>,
) -> Result<()> {
    let locked = lock.get(id)?;
    let (own, below) = if last {
        ("└── ", "    ")
    } else {
        ("├── ", "│   ")
    };
    let again = shown.contains(id) && !locked.dependencies.is_empty();
    let mark = if again { " (*)" } else { "" };
    lines.push(format!("{before}{own}{id} from {}{note}{mark}", locked.source));
    if again {
        return Ok(());
    }
    shown.push(id.clone());
    let before = format!("{before}{below}");
    for (index, inner) in locked.dependencies.iter().enumerate() {
        let last = index + 1 == locked.dependencies.len();
        branch(lock, inner, (&before, last), "", shown, lines)?;
    }
    Ok(())
}
