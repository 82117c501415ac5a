//! What the commands about libraries say.

use crate::library::{Change, Locked};
use crate::report::Printer;

/// Prints what changed in the lock, a line each.
pub(super) fn print_changes(changes: &[Change], printer: &Printer) {
    for change in changes {
        printer.line(&match change {
            Change::Added(new) => format!("added {}", shown(new)),
            Change::Removed(old) => format!("removed {} {}", old.name, old.version),
            Change::Updated(old, new) if old.version == new.version => format!("updated {}", shown(new)),
            Change::Updated(old, new) => format!("updated {} {} to {}", old.name, old.version, shown(new)),
        });
    }
    if changes.is_empty() {
        printer.line("nothing changed");
    }
}

/// Name, version and source of a library.
pub(super) fn shown(locked: &Locked) -> String {
    format!("{} {} from {}", locked.name, locked.version, locked.source)
}
