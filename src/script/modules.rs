//! `import`: `std/…` from the binary itself, libraries of the project, modules beside the script, `SAESCRIPT_PATH`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use include_dir::{Dir, include_dir};
use rhai::{AST, Engine, EvalAltResult, FnNamespace, Module, ModuleResolver, Position, Scope, Shared};

use super::diagnostic;
use super::failure::RhaiResultOf;
use super::guard::functions_of;
use super::permissions::names_a_native_function;
use super::reading;
use super::source::is_closure;
use super::state::State;
use crate::error::{Error, Result, nearest};
use crate::files::{SETTINGS_MOST, read_text, without_byte_order_mark};
use crate::library::Imports;
use crate::memory;
use crate::policy::{Access, on_own_behalf, resolved};

/// The modules that ship with saescript, inside the binary.
static STANDARD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/stdlib");

/// Between the name of a standard module and the library's module that imports it.
const FOR: &str = " for ";

/// The most modules that are being read at a time, each imported by the one before.
const LONGEST_CHAIN: usize = 100;

/// Returns the names of the modules that ship with saescript, e.g. `std/tables`.
pub fn standard_modules() -> Vec<String> {
    let mut names: Vec<String> = STANDARD
        .files()
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|extension| extension == "rhai")
        })
        .map(|file| format!("std/{}", file.path().with_extension("").display()))
        .collect();
    names.sort();
    names
}

/// Returns the text of a module that ships with saescript.
pub fn standard_text(name: &str) -> Option<&'static str> {
    let bare = name.strip_prefix("std/")?;
    STANDARD.get_file(format!("{bare}.rhai"))?.contents_utf8()
}

/// Finds, compiles and remembers modules. Each is evaluated once per host, in a scope with the host's constants.
pub struct Modules {
    state: State,
    scope: RefCell<Scope<'static>>,
    /// Folders of `SAESCRIPT_PATH`.
    library: Vec<PathBuf>,
    libraries: Imports,
    /// By file, and whether it is a library's.
    loaded: RefCell<HashMap<(PathBuf, bool), Shared<Module>>>,
    loading: RefCell<Vec<(PathBuf, String)>>,
    /// What was imported since [`begin`](Self::begin): importer and path.
    imported: RefCell<Vec<(String, String)>>,
}

impl Modules {
    /// Returns a resolver with `library` folders searched after the importing script's own.
    pub fn new(state: State, library: Vec<PathBuf>) -> Self {
        Modules {
            state,
            scope: RefCell::default(),
            library,
            libraries: Imports::default(),
            loaded: RefCell::default(),
            loading: RefCell::default(),
            imported: RefCell::default(),
        }
    }

    /// Sets the constants that modules see.
    pub fn set_scope(&self, scope: Scope<'static>) {
        *self.scope.borrow_mut() = scope;
    }

    /// Forgets all modules, so that changed files are read again.
    pub fn forget(&self) {
        self.loaded.borrow_mut().clear();
        self.libraries.forget();
    }

    /// Returns the names of the libraries that the script `importer` can import.
    pub fn libraries(&self, importer: Option<&str>) -> Vec<String> {
        self.libraries.names(importer)
    }

    /// Returns the modules of the library `name` besides its entry point; none if that is no library here.
    ///
    /// # Errors
    /// The library is not the one that was locked.
    pub fn modules_of(&self, name: &str) -> Result<Vec<String>> {
        self.libraries.modules(None, name)
    }

    /// Forgets what was imported so far.
    pub fn begin(&self) {
        self.imported.borrow_mut().clear();
    }

    /// Returns whether the text called `importer` has imported `path` since [`begin`](Self::begin).
    pub fn has_imported(&self, importer: &str, path: &str) -> bool {
        let imported = self.imported.borrow();
        imported.iter().any(|(of, known)| of == importer && known == path)
    }

    /// Returns the module's text and the name that errors show for it.
    ///
    /// # Errors
    /// There is no such module, or its file cannot be read; its library is not the one that was locked.
    pub fn find(&self, importer: Option<&str>, path: &str) -> Result<(String, String)> {
        let (name, text) = self.look_for(importer, path)?;
        let sources = self.state.sources();
        sources.note_import(importer.unwrap_or_default(), path, &name);
        Ok((name, text))
    }

    fn look_for(&self, importer: Option<&str>, path: &str) -> Result<(String, String)> {
        if path.starts_with("std/") {
            return match standard_text(path) {
                Some(text) => Ok((self.standard_name(importer, path), text.to_string())),
                None => Err(Error::unknown("standard module", path, &standard_modules())),
            };
        }
        if let Some(found) = on_own_behalf(|| self.libraries.find(importer, path))? {
            self.note_owner(&found.name)?;
            return Ok((found.name, found.text));
        }
        let mut tried = Vec::new();
        for folder in self.folders(importer) {
            let file = with_extension(&folder.join(path));
            let policy = self.state.policy();
            if !policy.allows_opened(Access::Read, &resolved(&file)) {
                policy.ask_path(Access::Read, &file)?;
            }
            if file.exists() && !file.is_dir() {
                let text =
                    read_text(&file, SETTINGS_MOST).map_err(|error| Error::io("read", &file, error))?;
                return Ok((
                    file.display().to_string(),
                    without_byte_order_mark(&text).to_string(),
                ));
            }
            tried.push(file);
        }
        let error = not_found(path, &tried, &self.libraries(importer));
        Err(match self.libraries.advice(importer, path) {
            Some(advice) => error.hint(advice),
            None => error,
        })
    }

    /// Returns the name of a standard module. One that a library imports is another module than the script's own, with
    /// the library's rights: what it reads and writes, it does for the library.
    fn standard_name(&self, importer: Option<&str>, path: &str) -> String {
        let importer = importer.unwrap_or_default();
        let Some(policy) = self.state.policy_of_library(importer) else {
            return path.to_string();
        };
        // A standard module may import others, for the same library.
        let library = importer.split_once(FOR).map_or(importer, |(_, library)| library);
        let name = format!("{path}{FOR}{library}");
        self.state.add_library_text(&name, policy);
        name
    }

    /// Notes whose the module called `name` is, and what that library may do.
    fn note_owner(&self, name: &str) -> Result<()> {
        let Some(owner) = self.libraries.owner(name) else {
            return Ok(());
        };
        let root = std::path::absolute(&owner.root).unwrap_or_else(|_| owner.root.clone());
        let policy = self.state.policy();
        let policy = policy.of_library(
            &owner.name,
            owner.asked.rights(&root)?,
            owner.granted.rights(&root)?,
        );
        self.state.add_library_text(name, policy);
        Ok(())
    }

    fn folders(&self, importer: Option<&str>) -> Vec<PathBuf> {
        let beside = importer
            .map(Path::new)
            .and_then(Path::parent)
            .map(Path::to_path_buf);
        let first = beside.unwrap_or_default();
        std::iter::once(first)
            .chain(self.library.iter().cloned())
            .collect()
    }

    /// Does the import of `file` lead to an end?
    fn check_chain(&self, file: &Path, name: &str) -> Result<()> {
        let loading = self.loading.borrow();
        if loading.iter().any(|(known, _)| known == file) {
            let names: Vec<&str> = loading.iter().map(|(_, name)| name.as_str()).collect();
            return Err(Error::input(format!(
                "modules import each other in a circle: `{}` imports `{name}`",
                names.join("` imports `")
            ))
            .hint("move what both need into a third module"));
        }
        if loading.len() < LONGEST_CHAIN {
            Ok(())
        } else {
            Err(Error::input(format!(
                "modules import each other in a chain of more than {LONGEST_CHAIN}: `{name}` is not read any more"
            )))
        }
    }

    fn load(
        &self,
        engine: &Engine,
        name: &str,
        text: String,
        position: Position,
    ) -> RhaiResultOf<Shared<Module>> {
        let sources = self.state.sources();
        sources.insert(name, text.as_str());
        let scope = self.scope.borrow().clone();
        let mut ast: AST = reading::compile(engine, &self.state, &scope, (&text, reading::Role::Module))
            .map_err(|error| {
                import_error(diagnostic::explain_parse(&error, name, engine, sources), position)
            })?;
        ast.set_source(name);
        sources.add_closures(Some(name), &text, &ast);
        if self.state.policy_of_library(name).is_some() {
            refuse_pointers(&ast, position)?;
        }
        let ast = Rc::new(ast);
        self.state.coverage().note(name, &ast);
        let mut module = Module::eval_ast_as_new(scope, &ast, engine)
            .map_err(|error| EvalAltResult::ErrorInModule(name.to_string(), error, position))?;
        // What the module gives away may be called where its functions are not known.
        for function in functions_of(&module) {
            if is_closure(&function.name) {
                #[allow(deprecated)] // registrations anew would lose what the closure sees of its module
                module.update_fn_namespace(function.hash, FnNamespace::Global);
            }
        }
        module.build_index();
        Ok(module.into())
    }
}

impl ModuleResolver for Modules {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> RhaiResultOf<Shared<Module>> {
        let module = self.module(engine, source, path, position)?;
        let importer = source.unwrap_or_default().to_string();
        self.imported.borrow_mut().push((importer, path.to_string()));
        Ok(module)
    }
}

impl Modules {
    fn module(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> RhaiResultOf<Shared<Module>> {
        let (name, text) = self
            .find(source, path)
            .map_err(|error| import_error(error, position))?;
        // One file may be written in many ways: `a`, `./a`, `../b/a`, and through links.
        let file = std::fs::canonicalize(&name).unwrap_or_else(|_| name.as_str().into());
        let key = (file.clone(), self.state.policy_of_library(&name).is_some());
        if let Some(module) = self.loaded.borrow().get(&key) {
            return Ok(module.clone());
        }
        self.check_chain(&file, &name)
            .map_err(|error| import_error(error, position))?;
        self.loading.borrow_mut().push((file.clone(), name.clone()));
        let result = memory::at_any_depth(|| self.load(engine, &name, text, position));
        self.loading.borrow_mut().pop();
        let module = result?;
        self.loaded.borrow_mut().insert(key, module.clone());
        Ok(module)
    }
}

/// Refuses a library's text that makes pointers to functions by their names: native ones act for whoever calls them.
///
/// # Errors
/// It has `Fn(…)`.
fn refuse_pointers(ast: &AST, position: Position) -> RhaiResultOf<()> {
    match names_a_native_function(ast) {
        Some(place) => Err(import_error(
            Error::input(format!(
                "a library cannot make pointers to functions by their names, but has `Fn(…)`{}",
                place
                    .line()
                    .map_or(String::new(), |line| format!(" in line {line}"))
            ))
            .hint("write a closure instead: `|x| name(x)`"),
            position,
        )),
        None => Ok(()),
    }
}

/// An error at the place of the import.
fn import_error(error: Error, position: Position) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(rhai::Dynamic::from(error), position).into()
}

/// `tables` → `tables.rhai`; `tables.rhai` stays.
fn with_extension(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) if extension == "rhai" => path.to_path_buf(),
        _ => {
            let mut name = path.as_os_str().to_os_string();
            name.push(".rhai");
            PathBuf::from(name)
        }
    }
}

fn not_found(path: &str, tried: &[PathBuf], libraries: &[String]) -> Error {
    let places: Vec<String> = tried.iter().map(|file| format!("`{}`", file.display())).collect();
    let looked = match places.split_first() {
        Some((beside, on_path)) if !on_path.is_empty() => {
            format!(
                "looked for {beside}, and by SAESCRIPT_PATH for {}",
                on_path.join(", ")
            )
        }
        _ => format!("looked for {}", places.join(", ")),
    };
    let error = Error::input(format!("there is no module `{path}`")).hint(looked);
    let mut known = standard_modules();
    known.extend(libraries.iter().cloned());
    let beside = tried.first().and_then(|file| file.parent());
    let beside = beside.map(|folder| {
        if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        }
    });
    let files = beside.and_then(|folder| std::fs::read_dir(folder).ok());
    known.extend(files.into_iter().flatten().flatten().filter_map(|entry| {
        let file = PathBuf::from(entry.file_name());
        let is_script = file.extension().is_some_and(|extension| extension == "rhai");
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        is_script.then(|| folder.join(file.with_extension("")).display().to_string())
    }));
    let with_std = format!("std/{path}");
    let near = nearest(path, known.iter().map(String::as_str))
        .or_else(|| known.iter().find(|name| **name == with_std).map(String::as_str));
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// The resolver, shared between engine and host.
pub(super) struct SharedModules(pub(super) Rc<Modules>);

impl ModuleResolver for SharedModules {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: rhai::Position,
    ) -> RhaiResultOf<rhai::Shared<Module>> {
        rhai::ModuleResolver::resolve(&*self.0, engine, source, path, position)
    }
}
