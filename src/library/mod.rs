//! Libraries of scripts: what they are, where they come from, and which contents a project uses.
//!
//! A folder with a `saescript.toml` is a project or a library; the file says so by what it names. What a project depends
//! on is fetched when a command asks for it, locked in `saescript.lock` with a hash of all contents, and compared with
//! that hash whenever it is loaded. Nothing of a library runs before a script imports it.
//!
//! ```text
//! manifest    saescript.toml
//! naming      names of libraries and of the files in them
//! source      where a library comes from: a folder, an archive, git, a hub
//! contents    the files of a library, held in memory, and their hash
//! archive     contents as one file, the same bytes on any machine
//! git         contents from a git repository, by the program `git`
//! fetch       source -> contents and manifest
//! locked      saescript.lock
//! store       where contents lie on this machine: vendor/, the library's own folder, the cache
//! project     a folder with its manifest and its lock
//! resolve     what a project depends on, one version of each major
//! edit        changes to a manifest that leave the rest as it was written
//! operations  add, remove, update, vendor, pack
//! publish     a version of a library, put where others get it
//! scaffold    new projects and libraries
//! tree        what depends on what, for people
//! imports     which file of which library an `import` means
//! permissions  what scripts of a project, and libraries, may reach
//! ```

mod archive;
mod contents;
mod edit;
mod fetch;
mod git;
mod imports;
mod locked;
mod manifest;
mod naming;
mod operations;
mod permissions;
mod project;
mod publish;
mod resolve;
mod scaffold;
mod source;
mod store;
mod tree;

pub use archive::unpack;
pub use contents::Contents;
pub use imports::{Found, Imports, Owner};
pub use locked::Locked;
pub use manifest::{About, Dependency, Manifest};
pub use naming::{LOCK, MANIFEST};
pub use operations::{Change, add, fetch_locked, pack, remove, update, vendor};
pub use permissions::{Granted, Grants, Permissions};
pub use project::{Project, or_here};
pub use publish::{Published, Target, publish};
pub use scaffold::{Kind, scaffold};
pub use source::Source;
pub use tree::tree;
