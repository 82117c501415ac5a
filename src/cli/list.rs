//! `saescript list`: the libraries of a project.

use std::path::Path;

use serde_json::{Value, json};

use super::libraries::shown;
use crate::error::Result;
use crate::library::{Locked, Project, tree};
use crate::report::Printer;

/// List the libraries that the project around the working folder uses
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  saescript list
  saescript list --tree                        # with what needs what
  saescript list --json | jq '.[].contents'")]
pub(super) struct Arguments {
    /// Show which library needs which
    #[arg(long)]
    tree: bool,
    /// Write a JSON array of objects: name, version, source, commit, contents, dependencies
    #[arg(long, conflicts_with = "tree")]
    json: bool,
}

/// Prints the libraries.
///
/// # Errors
/// There is no project; its manifest or lock is wrong.
pub(super) fn run(arguments: &Arguments, printer: &Printer) -> Result<u8> {
    let project = Project::needed_around(Path::new("."))?;
    if arguments.tree {
        tree(&project)?.iter().for_each(|line| printer.line(line));
        return Ok(0);
    }
    let libraries: &[Locked] = project.lock.as_ref().map_or(&[], |lock| &lock.libraries);
    if arguments.json {
        let all: Vec<Value> = libraries.iter().map(|locked| json!(locked)).collect();
        printer.line(&Value::Array(all).to_string());
        return Ok(0);
    }
    libraries.iter().for_each(|locked| printer.line(&shown(locked)));
    let mut named = project.dependencies().peekable();
    if named.peek().is_none() && libraries.is_empty() {
        printer.line("the project uses no libraries");
    }
    for (name, dependency, _) in named {
        // What is named and not locked cannot be imported.
        project.locked(name, dependency)?;
    }
    Ok(0)
}
