//! Whose code makes a call: the script's, or a library's. The rights are those of the text in which the call stands.
//!
//! The engine notes the text that a function comes from whenever one is called by its name, within a library or across:
//! so what a library is handed, and what it calls, does not lend it rights. Closures of the script that runs are called
//! without that note. A call in one is told by its place: the script's text has the function's name there, and the text
//! that the note names has not. Where neither has it, the call has the rights that both have.
//!
//! A pointer to a native function (`Fn("read_text")`) has no text of its own and would act for whoever calls it, so a
//! library cannot make one.

use rhai::{AST, ASTNode, Expr, FnPtr, NativeCallContext, Position};

use crate::policy::Policy;
use crate::script::source::{SourceMap, offset};
use crate::script::state::State;

/// Returns the policy of the code that makes the call, and whether that is the script's own.
pub fn policy_of(context: &NativeCallContext, state: &State) -> (Policy, bool) {
    let noted = context.call_source().unwrap_or_default();
    let Some(of_noted) = state.policy_of_library(noted) else {
        return (state.policy(), true);
    };
    let is_at = |name: &str| stands_at(state.sources(), name, context.fn_name(), context.call_position());
    if is_at(noted) {
        return (of_noted, false);
    }
    let root = context.global_runtime_state().lib.first();
    let root = root.and_then(|module| module.id()).unwrap_or_default();
    match state.policy_of_library(root) {
        Some(of_root) if is_at(root) => (of_root, false),
        Some(of_root) => (of_noted.and(&of_root), false),
        None if is_at(root) => (state.policy(), true),
        None => (of_noted, false),
    }
}

/// Does the text called `name` have a call of `function` at `position`?
fn stands_at(sources: &SourceMap, name: &str, function: &str, position: Position) -> bool {
    let Some(text) = sources.text(name) else {
        return false;
    };
    let Some(rest) = offset(&text, position).and_then(|at| text.get(at..)) else {
        return false;
    };
    // `torch::load`, `.save_pretrained`
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let written = rest.trim_start_matches(['.', '?']);
    let end = written
        .find(|letter: char| !is_word(letter) && letter != ':')
        .unwrap_or(written.len());
    written[..end].rsplit("::").next() == Some(function)
}

/// Returns where `ast` makes a pointer to a function by its name, if it does.
pub fn names_a_native_function(ast: &AST) -> Option<Position> {
    let mut found = None;
    ast.walk(&mut |path| {
        let position = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))) => {
                (call.name == "Fn").then_some(*position)
            }
            Some(ASTNode::Expr(Expr::DynamicConstant(value, position))) => {
                let pointer = value.read_lock::<FnPtr>();
                pointer
                    .is_some_and(|pointer| !pointer.is_anonymous())
                    .then_some(*position)
            }
            _ => None,
        };
        found = found.or(position);
        found.is_none()
    });
    found
}
