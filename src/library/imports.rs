//! Which file of which library an `import` means.
//!
//! In a project, the first part of a path is looked for among the libraries that `saescript.toml` names, before any
//! file: `import "probes"` is a library's entry point, `import "probes/linear"` its `src/linear.rhai`, and `./probes` is
//! always a file. Under its own name a library imports itself, in its tests and examples. A script in a library sees the
//! library's files and what its own manifest names, nothing around it. The texts are those that were compared with the
//! lock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::locked::{Id, Locked};
use super::manifest::{About, Manifest};
use super::naming::MANIFEST;
use super::permissions::{Grants, Permissions};
use super::project::{Project, or_here};
use super::store::{Stored, load};
use crate::error::{Error, Result, nearest};
use crate::files::{SETTINGS_MOST, read_text, without_byte_order_mark};

/// A module of a library: the name that errors show, and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The path of its file.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Whose a module is, and what that library may do.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The library's name.
    pub name: String,
    /// What its manifest asks for.
    pub asked: Grants,
    /// What the project grants it.
    pub granted: Grants,
    /// The project's folder, to which paths in both are relative.
    pub root: PathBuf,
}

/// Finds modules of libraries; every library is loaded once, until [`forget`](Self::forget).
#[derive(Default)]
pub struct Imports {
    projects: RefCell<HashMap<PathBuf, Option<Rc<Project>>>>,
    libraries: RefCell<HashMap<(PathBuf, String), Rc<Library>>>,
    /// Modules that were given out, by name: whose they are, and their paths there.
    given: RefCell<HashMap<String, (Rc<Library>, String)>>,
}

/// A loaded library.
struct Library {
    project: Rc<Project>,
    locked: Locked,
    about: About,
    /// What it asks for.
    permissions: Permissions,
    stored: Stored,
}

impl Imports {
    /// Reads everything anew from here on.
    pub fn forget(&self) {
        self.projects.borrow_mut().clear();
        self.libraries.borrow_mut().clear();
    }

    /// Returns the module that `path` means in the script `importer`, if it is one of a library; `None`: a file is meant.
    ///
    /// # Errors
    /// The manifest or the lock is wrong; the library is not here, was altered, or has no such module.
    pub fn find(&self, importer: Option<&str>, path: &str) -> Result<Option<Found>> {
        let given = importer.and_then(|name| self.given.borrow().get(name).cloned());
        if let Some((library, file)) = given {
            return self.in_library(&library, &file, path).map(Some);
        }
        let Some((name, rest)) = parts(path) else {
            return Ok(None);
        };
        let Some(project) = self.project(importer)? else {
            return Ok(None);
        };
        if name == project.manifest.package.name {
            return own_module(&project, rest);
        }
        let dev = is_for_development(&project, importer);
        let mut all = project.dependencies();
        match all.find(|(known, _, only_dev)| *known == name && (dev || !only_dev)) {
            Some((_, dependency, _)) => {
                let id = project.locked(name, dependency)?.id();
                self.module(&project, &id, rest).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Returns the library that the module `name` was given out of; `None`: it is no library's.
    pub fn owner(&self, name: &str) -> Option<Owner> {
        let given = self.given.borrow();
        let (library, _) = given.get(name)?;
        let project = &library.project;
        Some(Owner {
            name: library.locked.name.clone(),
            asked: library.permissions.own(),
            granted: project.manifest.permissions.of_library(&library.locked.name),
            root: or_here(&project.root).to_path_buf(),
        })
    }

    /// Returns the names of the libraries that the script `importer` can import.
    pub fn names(&self, importer: Option<&str>) -> Vec<String> {
        let Ok(Some(project)) = self.project(importer) else {
            return Vec::new();
        };
        let dev = is_for_development(&project, importer);
        let all = project.dependencies().filter(|(_, _, only_dev)| dev || !only_dev);
        all.map(|(name, _, _)| name.to_string()).collect()
    }

    /// Returns the modules of the library `name` besides its entry point, as the script `importer` would import them.
    ///
    /// # Errors
    /// The library is not here, or was altered.
    pub fn modules(&self, importer: Option<&str>, name: &str) -> Result<Vec<String>> {
        let Some(project) = self.project(importer)? else {
            return Ok(Vec::new());
        };
        let found = project.dependencies().find(|(known, ..)| *known == name);
        let Some((_, dependency, _)) = found else {
            return Ok(Vec::new());
        };
        let id = project.locked(name, dependency)?.id();
        Ok(modules_of(&*self.library(&project, &id)?))
    }

    /// Returns why `path` is none of a library's modules in the script `importer`, where that can be said.
    pub fn advice(&self, importer: Option<&str>, path: &str) -> Option<String> {
        let project = self.project(importer).ok()??;
        let (name, _) = parts(path)?;
        if project.manifest.dev_dependencies.contains_key(name) {
            return Some(format!(
                "`{name}` is among the dev-dependencies, for scripts below `tests/` and `examples/` only"
            ));
        }
        let manifest = project.root.join(MANIFEST);
        let names: Vec<String> = self
            .names(importer)
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        Some(if names.is_empty() {
            format!("`{}` names no library", manifest.display())
        } else {
            format!(
                "the libraries of `{}` are {}",
                manifest.display(),
                names.join(", ")
            )
        })
    }

    /// The project that the script `importer` is in.
    fn project(&self, importer: Option<&str>) -> Result<Option<Rc<Project>>> {
        let folder = importer.map(Path::new).and_then(Path::parent);
        let folder = or_here(folder.unwrap_or(Path::new("")));
        if let Some(known) = self.projects.borrow().get(folder) {
            return Ok(known.clone());
        }
        let project = Project::around(folder)?.map(Rc::new);
        self.projects
            .borrow_mut()
            .insert(folder.to_path_buf(), project.clone());
        Ok(project)
    }

    /// What `path` means in the file `importer` of a library.
    fn in_library(&self, library: &Rc<Library>, importer: &str, path: &str) -> Result<Found> {
        if let Some((name, rest)) = parts(path) {
            if name == library.locked.name {
                return self.module(&library.project, &library.locked.id(), rest);
            }
            if let Some(id) = library.locked.dependencies.iter().find(|id| id.name == name) {
                return self.module(&library.project, id, rest);
            }
        }
        let folder = Path::new(importer).parent().unwrap_or(Path::new(""));
        match inside(&folder.join(path)) {
            Some(file) => self.give(library, &with_extension(&file), path),
            None => Err(Error::input(format!(
                "the library `{}` cannot import `{path}`, which is none of its files",
                library.locked.id()
            ))
            .hint("a library consists of the files in its folder, and imports others by their names")),
        }
    }

    /// The module `rest` of a library that the project uses; `None`: its entry point.
    fn module(&self, project: &Rc<Project>, id: &Id, rest: Option<&str>) -> Result<Found> {
        let library = self.library(project, id)?;
        let file = module_file(&library.about, rest);
        self.give(&library, &file, rest.unwrap_or_default())
    }

    fn library(&self, project: &Rc<Project>, id: &Id) -> Result<Rc<Library>> {
        let key = (project.root.clone(), id.to_string());
        if let Some(known) = self.libraries.borrow().get(&key) {
            return Ok(known.clone());
        }
        let lock = project
            .lock
            .as_ref()
            .ok_or_else(|| Error::input(format!("`{id}` is not locked")))?;
        let locked = lock.get(id)?.clone();
        let stored = load(&project.root, &locked)?;
        let file = stored.folder.join(MANIFEST);
        let manifest: Manifest = stored.contents.manifest(&file.display().to_string())?;
        locked.check_against(&manifest)?;
        let library = Rc::new(Library {
            project: project.clone(),
            about: manifest.package,
            permissions: manifest.permissions,
            locked,
            stored,
        });
        self.libraries.borrow_mut().insert(key, library.clone());
        Ok(library)
    }

    /// Gives out the file `file` of a library, which was asked for as `asked`.
    fn give(&self, library: &Rc<Library>, file: &str, asked: &str) -> Result<Found> {
        let Some(text) = library.stored.contents.text(file)? else {
            return Err(no_module(library, file, asked));
        };
        let name = library.stored.folder.join(file).display().to_string();
        let whose = (library.clone(), file.to_string());
        self.given.borrow_mut().insert(name.clone(), whose);
        Ok(Found {
            name,
            text: text.to_string(),
        })
    }
}

/// A module of the project that the script is in, under the project's own name; `None` if it has none.
fn own_module(project: &Project, rest: Option<&str>) -> Result<Option<Found>> {
    let file = project.root.join(module_file(&project.manifest.package, rest));
    if !file.is_file() {
        return Ok(None);
    }
    let text = read_text(&file, SETTINGS_MOST).map_err(|error| Error::io("read", &file, error))?;
    Ok(Some(Found {
        name: file.display().to_string(),
        text: without_byte_order_mark(&text).to_string(),
    }))
}

/// The file of `import "NAME"` and `import "NAME/REST"`.
fn module_file(about: &About, rest: Option<&str>) -> String {
    match rest {
        Some(rest) => format!("src/{}", with_extension(rest)),
        None => about.library_entry().to_string(),
    }
}

/// `name/rest` → the name and the rest; `None` for what is a file in any case: `./x`, `/x`, `x.rhai`.
fn parts(path: &str) -> Option<(&str, Option<&str>)> {
    let (name, rest) = match path.split_once('/') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    (!name.is_empty() && !name.contains('.')).then_some((name, rest))
}

/// Does the script lie below `tests/` or `examples/` of its project?
fn is_for_development(project: &Project, importer: Option<&str>) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    let script = importer.and_then(|importer| absolute(Path::new(importer)));
    let (Some(script), Some(root)) = (script, absolute(or_here(&project.root))) else {
        return false;
    };
    ["tests", "examples"]
        .iter()
        .any(|folder| script.starts_with(root.join(folder)))
}

/// The path without `.` and `..`; `None` if it leads out of the library.
fn inside(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => (),
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

fn with_extension(name: &str) -> String {
    if name.ends_with(".rhai") {
        name.to_string()
    } else {
        format!("{name}.rhai")
    }
}

/// The modules of a library besides its entry point: `probes/linear`.
fn modules_of(library: &Library) -> Vec<String> {
    let files = library.stored.contents.files();
    let modules = files.filter_map(|(name, _)| {
        let name = name.strip_prefix("src/")?.strip_suffix(".rhai")?;
        Some(format!("{}/{name}", library.locked.name))
    });
    modules.collect()
}

fn no_module(library: &Library, file: &str, asked: &str) -> Error {
    let modules = modules_of(library);
    let error = Error::input(format!("the library `{}` has no `{file}`", library.locked.id()))
        .hint(format!("looked in `{}`", library.stored.folder.display()));
    let wanted = format!("{}/{asked}", library.locked.name);
    match nearest(&wanted, modules.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if modules.is_empty() => error,
        None => error.hint(format!("its modules are `{}`", modules.join("`, `"))),
    }
}
