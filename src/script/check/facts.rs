//! One script or module that was parsed, and what can be told of it as a whole.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use rhai::{AST, ASTFlags, ASTNode, Expr, FnAccess, Stmt};

use super::recover::Parsed;
use crate::script::reading::constants_of;
use crate::script::source::is_closure;
use crate::script::source::lexer::{Kind, Lexer};

/// A function or closure that stands in the script.
pub struct Definition {
    /// Its name.
    pub name: String,
    /// The names of its parameters; a closure's begin with the variables that it captures.
    pub parameters: Vec<String>,
    /// Can those who import the script not call it?
    pub is_private: bool,
    /// What it does.
    pub body: Vec<Stmt>,
}

impl Definition {
    /// Returns it as it is defined: `name(a, b)`.
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, self.parameters.join(", "))
    }

    /// Returns whether the parameter is used inside of a `try`. Then what goes wrong in a closure given for it is meant
    /// to.
    pub fn tries(&self, index: usize) -> bool {
        let Some(parameter) = self.parameters.get(index) else {
            return false;
        };
        let mut tries = false;
        for statement in &self.body {
            statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
                if let Some(ASTNode::Expr(Expr::Variable(variable, ..))) = path.last() {
                    let is_tried = path
                        .iter()
                        .any(|node| matches!(node, ASTNode::Stmt(Stmt::TryCatch(..))));
                    tries |= is_tried && variable.1.as_str() == parameter;
                }
                true
            });
        }
        tries
    }
}

/// A parsed script.
pub struct Script {
    /// The name that errors show.
    pub name: String,
    /// Its syntax tree, without the statements that could not be parsed.
    pub ast: AST,
    /// The functions that it defines.
    pub functions: Vec<Definition>,
    /// Variables that it exports.
    pub exports: HashSet<String>,
    /// Does it use a name that stands for nothing?
    pub has_undefined: bool,
    /// Names that are defined in what could not be parsed.
    pub lost: HashSet<String>,
    /// What it defines with `const` at its top level, which its functions know.
    pub constants: HashSet<String>,
    /// Everything written as a key, a property that is set, or a text: a map may hold a closure under it.
    pub mentioned: HashSet<String>,
    /// Variables that are assigned to after they were made, and so may change their types.
    reassigned: HashSet<String>,
    /// Can variables change in ways that cannot be followed?
    is_dynamic: bool,
    closures: HashMap<String, Definition>,
}

impl Script {
    /// Looks through a parsed text.
    pub fn new(name: &str, text: &Arc<str>, parsed: Parsed) -> Rc<Script> {
        let mut script = Script {
            name: name.to_string(),
            functions: Vec::new(),
            exports: HashSet::new(),
            has_undefined: parsed.has_undefined,
            lost: parsed.lost,
            constants: constants_of(text).into_iter().map(str::to_string).collect(),
            mentioned: mentioned(text),
            reassigned: HashSet::new(),
            is_dynamic: false,
            closures: HashMap::new(),
            ast: parsed.ast,
        };
        script.gather_functions();
        let ast = std::mem::take(&mut script.ast);
        ast.walk(&mut |path: &[ASTNode]| {
            script.gather(path);
            true
        });
        script.ast = ast;
        Rc::new(script)
    }

    fn gather_functions(&mut self) {
        for function in self.ast.iter_functions() {
            let parameters: Vec<String> = function.params.iter().map(ToString::to_string).collect();
            let definition = Definition {
                name: function.name.to_string(),
                is_private: function.access == FnAccess::Private,
                body: body(&self.ast, function.name, parameters.len()),
                parameters,
            };
            if is_closure(&definition.name) {
                drop(self.closures.insert(definition.name.clone(), definition))
            } else {
                self.functions.push(definition)
            }
        }
    }

    fn gather(&mut self, path: &[ASTNode]) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => match &assignment.1.lhs {
                Expr::Variable(variable, ..) => drop(self.reassigned.insert(variable.1.to_string())),
                Expr::ThisPtr(_) => self.is_dynamic = true,
                _ => (),
            },
            Some(ASTNode::Stmt(Stmt::Var(variable, flags, _))) if flags.contains(ASTFlags::EXPORTED) => {
                self.exports.insert(variable.0.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::Export(names, _))) => {
                let alias = if names.1.name.is_empty() {
                    &names.0.name
                } else {
                    &names.1.name
                };
                self.exports.insert(alias.to_string());
            }
            // `eval(text)` can assign to every variable; `switch` is of this form too, and cannot.
            Some(ASTNode::Expr(Expr::Custom(custom, _))) => {
                self.is_dynamic |= custom.tokens.iter().any(|token| token == "(");
            }
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                self.is_dynamic |= call.capture_parent_scope;
            }
            _ => (),
        }
    }

    /// Returns whether the variable keeps the type that it was made with.
    pub fn keeps_type(&self, variable: &str) -> bool {
        !self.is_dynamic && !self.reassigned.contains(variable)
    }

    /// Returns the definition of the closure that the engine calls so.
    pub fn closure(&self, name: &str) -> Option<&Definition> {
        self.closures.get(name)
    }

    /// Returns the functions of that name.
    pub fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Definition> {
        self.functions
            .iter()
            .filter(move |function| function.name == name)
    }
}

/// The statements of a function, which the engine shows only on a walk.
fn body(ast: &AST, name: &str, parameters: usize) -> Vec<Stmt> {
    let mut alone = ast.clone_functions_only();
    alone.retain_functions(|_, _, known, count| known == name && count == parameters);
    let mut body = Vec::new();
    alone.walk(&mut |path: &[ASTNode]| {
        if let [ASTNode::Stmt(statement)] = path {
            body.push((*statement).clone());
        }
        true
    });
    body
}

/// Keys of maps, names after a dot, and texts.
fn mentioned(text: &str) -> HashSet<String> {
    let tokens: Vec<_> = Lexer::new(text, 0).collect();
    let word = |index: usize| tokens.get(index).map_or("", |token| &text[token.span.clone()]);
    let mut names = HashSet::new();
    for (index, token) in tokens.iter().enumerate() {
        let is_key = tokens.get(index + 1).is_some_and(|next| next.kind == Kind::Colon);
        let is_set = index > 0 && word(index - 1) == "." && word(index + 1) == "=";
        match token.kind {
            Kind::Text => drop(names.insert(word(index).trim_matches(['"', '`', '\'']).to_string())),
            Kind::Name if is_key || is_set => drop(names.insert(word(index).to_string())),
            _ => (),
        }
    }
    names
}
