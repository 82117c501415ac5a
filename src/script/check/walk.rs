//! The way through a script's statements and expressions, in the order in which they stand.

use rhai::{ASTFlags, BinaryExpr, Expr, FlowControl, FnPtr, Position, Stmt, SwitchCasesCollection};

use super::checker::Checker;
use super::facts::{Definition, Script};
use super::scope::Scopes;
use super::types::Type;
use crate::error::Error;

/// Goes through one script; what is wrong is told to the checker.
pub struct Walker<'c> {
    pub(super) checker: &'c Checker<'c>,
    pub(super) script: &'c Script,
    pub(super) scopes: Scopes,
    /// How many `try` stand around the place: the script expects that something goes wrong there.
    pub(super) tried: usize,
    /// The variables around each closure in which the place stands.
    around: Vec<Scopes>,
}

/// Closures within closures; the parser allows fewer.
const DEEPEST: usize = 64;

impl<'c> Walker<'c> {
    /// Begins at the beginning of the script.
    pub fn new(checker: &'c Checker<'c>, script: &'c Script) -> Self {
        Walker {
            checker,
            script,
            scopes: Scopes::default(),
            tried: 0,
            around: Vec::new(),
        }
    }

    /// Goes through the whole script.
    pub fn run(&mut self) {
        self.statements(self.script.ast.statements());
        for function in &self.script.functions {
            let unknown = function
                .parameters
                .iter()
                .map(|name| (name.clone(), Type::Unknown));
            self.scopes = Scopes::of_function(unknown);
            self.statements(&function.body);
        }
    }

    /// Says that something is wrong at `position`.
    pub(super) fn report(&self, failure: rhai::EvalAltResult) {
        self.checker.report(&self.script.name, &failure);
    }

    /// Reports, as [`report`](Self::report) does, an error in words of its own.
    pub(super) fn report_error(&self, error: Error, position: Position) {
        self.report(rhai::EvalAltResult::ErrorRuntime(
            rhai::Dynamic::from(error),
            position,
        ));
    }

    fn block(&mut self, statements: &[Stmt]) {
        self.scopes.enter();
        self.statements(statements);
        self.scopes.leave();
    }

    fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::If(parts, _) => {
                self.expression(&parts.expr);
                self.block(parts.body.statements());
                self.block(parts.branch.statements());
            }
            Stmt::Switch(parts, _) => self.switch(&parts.0, &parts.1),
            Stmt::While(parts, _) => {
                self.expression(&parts.expr);
                self.block(parts.body.statements());
            }
            Stmt::Do(parts, ..) => {
                self.block(parts.body.statements());
                self.expression(&parts.expr);
            }
            Stmt::For(parts, _) => self.for_loop(parts.0.name.as_str(), parts.1.as_ref(), &parts.2),
            Stmt::Var(parts, ..) => {
                let kind = self.expression(&parts.1);
                self.declare(&parts.0.name, kind);
            }
            Stmt::Assignment(parts) => {
                self.expression(&parts.1.rhs);
                self.expression(&parts.1.lhs);
            }
            Stmt::FnCall(call, position) => drop(self.call(call, *position)),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::TryCatch(parts, _) => self.try_catch(parts),
            Stmt::Expr(expression) => drop(self.expression(expression)),
            Stmt::BreakLoop(Some(value), ..) | Stmt::Return(Some(value), ..) => {
                self.expression(value);
            }
            Stmt::Import(parts, _) => drop(self.expression(&parts.0)),
            _ => (),
        }
    }

    fn switch(&mut self, subject: &Expr, cases: &SwitchCasesCollection) {
        self.expression(subject);
        for case in &cases.expressions {
            self.expression(&case.lhs);
            self.scopes.enter();
            self.expression(&case.rhs);
            self.scopes.leave();
        }
    }

    fn for_loop(&mut self, name: &str, counter: Option<&rhai::Ident>, parts: &FlowControl) {
        let iterated = self.expression(&parts.expr);
        self.scopes.enter();
        let kind = match iterated.name() {
            Some("range") => Type::named("int"),
            _ => Type::Unknown,
        };
        self.declare(name, kind);
        if let Some(counter) = counter {
            self.declare(&counter.name, Type::named("int"));
        }
        self.block(parts.body.statements());
        self.scopes.leave();
    }

    fn try_catch(&mut self, parts: &FlowControl) {
        self.tried += 1;
        self.block(parts.body.statements());
        self.tried -= 1;
        self.scopes.enter();
        if let Expr::Variable(variable, ..) = &parts.expr {
            self.scopes.declare(&variable.1, Type::Unknown);
        }
        self.block(parts.branch.statements());
        self.scopes.leave();
    }

    fn declare(&mut self, name: &str, kind: Type) {
        let kind = if self.script.keeps_type(name) || kind == Type::Wrong {
            kind
        } else {
            Type::Unknown
        };
        self.scopes.declare(name, kind);
    }

    /// Goes through an expression; its type.
    pub(super) fn expression(&mut self, expression: &Expr) -> Type {
        match expression {
            Expr::BoolConstant(..) => Type::named("bool"),
            Expr::IntegerConstant(..) => Type::named("int"),
            Expr::FloatConstant(..) => Type::named("float"),
            Expr::CharConstant(..) => Type::named("char"),
            Expr::StringConstant(..) => Type::named("string"),
            Expr::Unit(..) => Type::named("()"),
            Expr::DynamicConstant(value, _) => match value.read_lock::<FnPtr>() {
                // What it captures is a constant then.
                Some(pointer) => {
                    self.closure(pointer.fn_name(), pointer.curry().iter().map(Type::of).collect())
                }
                None => Type::of(value),
            },
            Expr::InterpolatedString(parts, _) => {
                parts.iter().for_each(|part| drop(self.expression(part)));
                Type::named("string")
            }
            Expr::Array(items, _) => {
                items.iter().for_each(|item| drop(self.expression(item)));
                Type::named("array")
            }
            Expr::Map(parts, _) => {
                parts.0.iter().for_each(|(_, value)| drop(self.expression(value)));
                Type::named("map")
            }
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                parts.iter().for_each(|part| drop(self.expression(part)));
                Type::named("bool")
            }
            Expr::Coalesce(parts, _) => {
                parts.iter().for_each(|part| drop(self.expression(part)));
                Type::Unknown
            }
            Expr::Variable(variable, _, position) => {
                if variable.2.is_empty() {
                    self.variable(&variable.1, *position)
                } else {
                    self.constant(&variable.2, &variable.1, *position)
                }
            }
            Expr::Stmt(block) => self.block_value(block.statements()),
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::Dot(parts, ..) | Expr::Index(parts, ..) => {
                let receiver = self.expression(&parts.lhs);
                self.chain(receiver, expression)
            }
            Expr::Custom(custom, _) => {
                custom
                    .inputs
                    .iter()
                    .for_each(|input| drop(self.expression(input)));
                Type::Unknown
            }
            _ => Type::Unknown,
        }
    }

    /// A block that is a value: a closure with what it captures is of this form too.
    fn block_value(&mut self, statements: &[Stmt]) -> Type {
        if let [Stmt::Share(_), Stmt::Expr(closure)] = statements {
            return self.expression(closure);
        }
        self.block(statements);
        Type::Unknown
    }

    /// Goes along `.name`, `.name(…)` and `[index]` from a value of the type `receiver`, which the first part of
    /// `expression` has.
    fn chain(&mut self, receiver: Type, expression: &Expr) -> Type {
        let (parts, flags, is_dot) = match expression {
            Expr::Dot(parts, flags, _) => (parts, flags, true),
            Expr::Index(parts, flags, _) => (parts, flags, false),
            _ => return Type::Unknown,
        };
        let link: &BinaryExpr = match &parts.rhs {
            Expr::Dot(next, ..) | Expr::Index(next, ..) if !flags.contains(ASTFlags::BREAK) => next,
            last => return self.link(receiver, last, is_dot),
        };
        let value = self.link(receiver, &link.lhs, is_dot);
        self.chain(value, &parts.rhs)
    }

    fn link(&mut self, receiver: Type, link: &Expr, is_dot: bool) -> Type {
        match link {
            Expr::Property(name, position) if is_dot => self.property(&receiver, &name.2, *position),
            Expr::MethodCall(call, position) if is_dot => self.method(receiver, call, *position),
            index => {
                self.expression(index);
                match receiver {
                    Type::Wrong => Type::Wrong,
                    _ => Type::Unknown,
                }
            }
        }
    }

    fn variable(&mut self, name: &str, position: Position) -> Type {
        if let Some(kind) = self.scopes.find(name) {
            return kind.clone();
        }
        if self.is_function(name) && self.around.iter().any(|scopes| scopes.find(name).is_some()) {
            let sentence =
                format!("in this closure `{name}` is the function, not the variable of the same name");
            let error = Error::input(sentence).hint(format!(
                "give one of them another name, e.g. `let own_{name} = …`"
            ));
            self.report_error(error, position);
            return Type::Wrong;
        }
        let defined = [&self.script.lost, &self.script.constants];
        let is_known = self.checker.is_constant(name) || defined.iter().any(|names| names.contains(name));
        if self.script.has_undefined && !is_known && !self.is_function(name) {
            self.report(rhai::EvalAltResult::ErrorVariableNotFound(name.into(), position));
            // Once is enough.
            self.scopes.declare(name, Type::Wrong);
            return Type::Wrong;
        }
        Type::Unknown
    }

    fn is_function(&self, name: &str) -> bool {
        self.script.named(name).next().is_some()
    }

    /// Goes through a closure; `captured` are the types of the variables around it that it uses.
    pub(super) fn closure(&mut self, name: &str, captured: Vec<Type>) -> Type {
        let Some(closure) = self.script.closure(name) else {
            return Type::named("Fn");
        };
        let taken = closure.parameters.len().saturating_sub(captured.len());
        if self.around.len() < DEEPEST {
            self.closure_body(closure, captured);
        }
        Type::Closure(taken)
    }

    fn closure_body(&mut self, closure: &Definition, captured: Vec<Type>) {
        let kinds = captured.into_iter().chain(std::iter::repeat(Type::Unknown));
        let inside = Scopes::of_function(closure.parameters.iter().cloned().zip(kinds));
        let outside = std::mem::replace(&mut self.scopes, inside);
        self.around.push(outside);
        self.statements(&closure.body);
        self.scopes = self.around.pop().unwrap_or_default();
    }
}
