//! Which lines of the project's scripts their tests ran.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::files::scripts_below;
use super::process::Heard;
use crate::error::Result;
use crate::library::{MANIFEST, Project, or_here};
use crate::script::{Host, Spot};

/// Folders of a project whose scripts are no part of what it does.
const BESIDE: [&str; 2] = ["tests", "examples"];

/// Which lines of which scripts ran.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// The scripts that hold a statement, sorted.
    pub files: Vec<CoveredFile>,
}

/// Which lines of a script ran.
#[derive(Clone, Debug)]
pub struct CoveredFile {
    /// The script, relative to the working folder where it lies below.
    pub file: PathBuf,
    /// The lines in which statements begin, from 1, and whether all of these ran.
    pub lines: BTreeMap<usize, bool>,
}

impl Coverage {
    /// Returns what ran by what was `heard` of the tests at `path`, of the scripts of the project around it; of the folder where that is no
    /// project. Tests, examples and libraries that the project uses are left out.
    ///
    /// # Errors
    /// A script cannot be read or parsed, one that no test imports included.
    pub fn of(heard: &[(PathBuf, Heard)], path: &Path) -> Result<Self> {
        let ran = ran(heard);
        let mut host = Host::builder().output(|_| ()).build()?;
        let mut files = Vec::new();
        for file in scripts_around(path, &ran)? {
            let of_file = fs::canonicalize(&file).ok().and_then(|real| ran.get(&real));
            let mut lines = BTreeMap::new();
            for statement in host.statements_of(&file)? {
                let has_run = of_file.is_some_and(|spots| spots.contains(&statement.spot));
                *lines.entry(statement.line).or_insert(true) &= has_run;
            }
            if !lines.is_empty() {
                files.push(CoveredFile { file, lines });
            }
        }
        Ok(Coverage { files })
    }

    /// Returns how many lines ran, and how many there are.
    pub fn counts(&self) -> (usize, usize) {
        let counts = self.files.iter().map(CoveredFile::counts);
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    }

    /// Returns the text of a tracefile, as LCOV's `geninfo` describes it.
    pub fn to_lcov(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            let path = std::path::absolute(&file.file).unwrap_or_else(|_| file.file.clone());
            let (ran, all) = file.counts();
            // Writing into a text cannot fail.
            let _ = writeln!(text, "TN:\nSF:{}", path.display());
            for (line, has_run) in &file.lines {
                let _ = writeln!(text, "DA:{line},{}", u8::from(*has_run));
            }
            let _ = writeln!(text, "LF:{all}\nLH:{ran}\nend_of_record");
        }
        text
    }

    pub(super) fn to_json(&self) -> Value {
        let (ran, all) = self.counts();
        let files = self.files.iter().map(|file| {
            let (ran, all) = file.counts();
            json!({ "file": file.file, "lines": all, "ran": ran, "not_run": file.not_run() })
        });
        json!({ "lines": all, "ran": ran, "files": files.collect::<Vec<Value>>() })
    }
}

impl CoveredFile {
    /// Returns how many lines ran, and how many there are.
    pub fn counts(&self) -> (usize, usize) {
        let ran = self.lines.values().filter(|has_run| **has_run).count();
        (ran, self.lines.len())
    }

    /// Returns the first and the last line of each stretch that never ran; lines without a statement do not end one.
    pub fn not_run(&self) -> Vec<(usize, usize)> {
        let mut stretches: Vec<(usize, usize)> = Vec::new();
        let mut goes_on = false;
        for (&line, &has_run) in &self.lines {
            match stretches.last_mut() {
                _ if has_run => (),
                Some(stretch) if goes_on => stretch.1 = line,
                _ => stretches.push((line, line)),
            }
            goes_on = !has_run;
        }
        stretches
    }
}

/// What ran in all processes, by the script's file.
fn ran(heard: &[(PathBuf, Heard)]) -> HashMap<PathBuf, BTreeSet<Spot>> {
    let mut ran: HashMap<PathBuf, BTreeSet<Spot>> = HashMap::new();
    for (name, spots) in heard.iter().flat_map(|(_, heard)| &heard.covered) {
        // Modules that come with saescript have no file.
        if let Ok(file) = fs::canonicalize(name) {
            ran.entry(file).or_default().extend(spots);
        }
    }
    ran
}

/// The scripts in `folder` and below that ran.
fn scripts_beside(folder: &Path, ran: &HashMap<PathBuf, BTreeSet<Spot>>) -> Vec<PathBuf> {
    let Ok(real) = fs::canonicalize(or_here(folder)) else {
        return Vec::new();
    };
    let below = ran.keys().filter_map(|file| file.strip_prefix(&real).ok());
    let mut files: Vec<PathBuf> = below.map(|below| folder.join(below)).collect();
    files.sort();
    files
}

/// The scripts of the project around `path`, or of the folder, but for tests, examples, and projects within it. Of a folder
/// that is no project and was not named, only those that ran.
fn scripts_around(path: &Path, ran: &HashMap<PathBuf, BTreeSet<Spot>>) -> Result<Vec<PathBuf>> {
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(Path::new(""))
    };
    let root = match Project::around(folder)? {
        Some(project) => project.root,
        None if !path.is_dir() => return Ok(scripts_beside(folder, ran)),
        None => folder.to_path_buf(),
    };
    let root = or_here(&root).to_path_buf();
    let is_own = |file: &PathBuf| {
        let below = file.strip_prefix(&root).unwrap_or(file);
        let is_beside = BESIDE.iter().any(|folder| below.starts_with(folder));
        let folders = below
            .ancestors()
            .skip(1)
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut folders = folders.map(|folder| root.join(folder));
        !is_beside && !folders.any(|folder| folder.join(MANIFEST).is_file())
    };
    Ok(scripts_below(&root)?.into_iter().filter(is_own).collect())
}
