//! Scripts and the modules that they import, read to their ends before anything is looked at.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rhai::{ASTNode, Expr, Position, Stmt};

use super::facts::Script;
use super::recover;
use crate::error::{Error, Place};
use crate::script::host::Host;
use crate::script::python;

/// What is read before anything is looked at.
#[derive(Default)]
pub(super) struct Reading {
    pub scripts: Vec<Rc<Script>>,
    /// The modules by the script that imports them and the name that it gives them; `None`: there is none, or more
    /// than one of that name.
    pub imports: HashMap<(String, String), Option<String>>,
    seen: Vec<String>,
    pub errors: Vec<Error>,
}

/// One `import` of a script.
struct Import {
    path: Option<String>,
    alias: String,
    position: Position,
    /// Does it stand inside of a `try`?
    is_tried: bool,
}

impl Reading {
    /// Reads `text` and what it imports.
    pub(super) fn read(&mut self, host: &mut Host, name: &str, text: &Arc<str>) -> Rc<Script> {
        self.seen.push(name.to_string());
        let (parsed, errors) = recover::parse(host, name, text);
        if errors.is_empty() {
            self.errors.extend(python::floor_divisions(name, text));
        }
        self.errors.extend(errors);
        let script = Script::new(name, text, parsed);
        for import in imports(&script) {
            let module = self.import(host, &script, &import);
            let key = (name.to_string(), import.alias);
            match self.imports.get_mut(&key) {
                Some(known) if *known != module => *known = None,
                Some(_) => (),
                None => drop(self.imports.insert(key, module)),
            }
        }
        script
    }

    /// Finds and reads a module, unless that was done; its name.
    fn import(&mut self, host: &mut Host, importer: &Script, import: &Import) -> Option<String> {
        let path = import.path.as_ref()?;
        let place = host.state().sources().place(&importer.name, import.position);
        let (name, text) = match host.modules.find(Some(&importer.name), path) {
            Ok(found) => found,
            Err(error) => {
                if !import.is_tried {
                    self.errors.push(match place {
                        Some(place) => error.at(place),
                        None => error,
                    });
                }
                return None;
            }
        };
        if !self.seen.contains(&name) {
            let before = self.errors.len();
            let script = self.read(host, &name, &text.into());
            self.scripts.push(script);
            if let Some(place) = place {
                self.called_from(before, path, &place);
            }
        }
        Some(name)
    }

    /// The errors of a module since `before` came from an import.
    fn called_from(&mut self, before: usize, path: &str, place: &Place) {
        let of_module = self.errors.split_off(before);
        let from = |error: Error| error.called_from(format!("import of {path}"), place.clone());
        self.errors.extend(of_module.into_iter().map(from));
    }
}

fn imports(script: &Script) -> Vec<Import> {
    let mut imports = Vec::new();
    script.ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(parts, position))) = path.last() {
            let text = match &parts.0 {
                Expr::StringConstant(text, position) => Some((text.to_string(), *position)),
                _ => None,
            };
            imports.push(Import {
                position: text.as_ref().map_or(*position, |(_, position)| *position),
                path: text.map(|(text, _)| text),
                alias: parts.1.name.to_string(),
                is_tried: path
                    .iter()
                    .any(|node| matches!(node, ASTNode::Stmt(Stmt::TryCatch(..)))),
            });
        }
        true
    });
    imports
}
