//! Which statements of scripts ran. The engine tells of each before it evaluates it; one is known from others by where it
//! lies in memory, since a closure runs under the name of whoever calls it, and a text given to `eval` under its caller's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use rhai::debugger::DebuggerCommand;
use rhai::{AST, ASTNode, Engine, Expr, Position, Stmt};

/// Line and column, from 1.
pub type Spot = (usize, usize);

/// A statement of a script, or what a case of a `switch` leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statement {
    /// The line in which it begins, from 1.
    pub line: usize,
    /// What tells it from the others of its script.
    pub spot: Spot,
    /// Where it lies in memory.
    address: usize,
}

/// A statement that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Covered {
    /// The script, by the name that errors show.
    pub file: Rc<str>,
    /// Which of its statements.
    pub spot: Spot,
}

/// Which statements ran since the last look.
#[derive(Default)]
pub struct Coverage {
    is_wanted: Cell<bool>,
    /// Those that have not run, by where they lie.
    waiting: RefCell<HashMap<usize, Covered>>,
    ran: RefCell<Vec<Covered>>,
    /// What `waiting` points into.
    scripts: RefCell<Vec<Rc<AST>>>,
}

impl Coverage {
    /// Waits for the statements of a script, if that is wanted.
    pub(super) fn note(&self, name: &str, ast: &Rc<AST>) {
        if !self.is_wanted.get() {
            return;
        }
        let file: Rc<str> = name.into();
        let statements = statements(ast).into_iter().map(|statement| {
            let covered = Covered {
                file: file.clone(),
                spot: statement.spot,
            };
            (statement.address, covered)
        });
        self.waiting.borrow_mut().extend(statements);
        self.scripts.borrow_mut().push(ast.clone());
    }

    /// Returns the statements that ran for the first time since this was asked last.
    pub fn take(&self) -> Vec<Covered> {
        std::mem::take(&mut self.ran.borrow_mut())
    }

    fn mark(&self, node: ASTNode) {
        let found = self.waiting.borrow_mut().remove(&address(node));
        self.ran.borrow_mut().extend(found);
    }
}

/// Has the engine tell of what it evaluates.
pub(super) fn install(engine: &mut Engine, coverage: Rc<Coverage>) {
    coverage.is_wanted.set(true);
    #[allow(deprecated)] // the engine's name for what may change in its later versions
    engine.register_debugger(
        |_, debugger| debugger,
        move |_, _, node, _, _| {
            coverage.mark(node);
            Ok(DebuggerCommand::StepInto)
        },
    );
}

/// Returns the statements of a script, those of functions and closures included, and what the cases of a `switch` lead to.
pub(super) fn statements(ast: &AST) -> Vec<Statement> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Switch(parts, _))) => {
                let node = path[path.len() - 1];
                found.extend(statement(node));
                let results = parts.1.expressions.iter().map(|case| &case.rhs);
                found.extend(results.filter_map(|result| statement(ASTNode::Expr(result))));
            }
            Some(node @ ASTNode::Stmt(_)) => found.extend(statement(*node)),
            _ => (),
        }
        true
    });
    found
}

/// What of `node` the engine tells of: blocks only hold others, and what has no place was not written.
fn statement(node: ASTNode) -> Option<Statement> {
    let node = match node {
        ASTNode::Stmt(Stmt::Expr(expression)) => ASTNode::Expr(expression),
        other => other,
    };
    if let ASTNode::Stmt(Stmt::Noop(_) | Stmt::Share(_) | Stmt::Block(_)) | ASTNode::Expr(Expr::Stmt(_)) =
        node
    {
        return None;
    }
    let position = node.position();
    Some(Statement {
        line: first_position(node).line()?,
        spot: (position.line()?, position.position().unwrap_or(0)),
        address: address(node),
    })
}

fn address(node: ASTNode) -> usize {
    match node {
        ASTNode::Stmt(statement) => std::ptr::from_ref(statement).addr(),
        ASTNode::Expr(expression) => std::ptr::from_ref(expression).addr(),
        _ => 0,
    }
}

/// Where it begins: the engine says of operators, dots and assignments where their signs stand.
fn first_position(node: ASTNode) -> Position {
    match node {
        ASTNode::Stmt(Stmt::Assignment(parts)) => first_of(&parts.1.lhs),
        ASTNode::Expr(expression) => first_of(expression),
        other => other.position(),
    }
}

fn first_of(expression: &Expr) -> Position {
    let own = expression.start_position();
    let inner = match expression {
        Expr::FnCall(call, _) if call.op_token.is_some() => call.args.first().map(first_of),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => Some(first_of(&parts.lhs)),
        Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => parts.first().map(first_of),
        _ => None,
    };
    inner.map_or(own, |inner| own.min(inner))
}
