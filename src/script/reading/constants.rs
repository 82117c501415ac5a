//! A `const` of a script at its top level is known in the script's functions, as what is defined with `fn` is; a `const`
//! of a session in the functions of later entries.
//!
//! The engine keeps such constants, and has scripts write `global::NAME`.

use rhai::{
    AST, ASTNode, Dynamic, Engine, EvalContext, Expr, ParseError, ParseErrorType, Position, Scope, Stmt,
};

use crate::script::source::lexer::{Kind, Lexer, Token};
use crate::script::state::State;

/// Returns `scope` with the constants that `text` defines at its top level, for the parser, which wants to know all names
/// that are used in functions.
pub(super) fn with_constants_of<'s>(text: &str, scope: &Scope<'s>) -> Scope<'s> {
    let mut known = scope.clone();
    for name in constants_of(text) {
        if !known.contains(name) {
            known.push_constant(name, ());
        }
    }
    known
}

/// Returns where a function of `ast` changes part of a constant of `text`: it would change a copy that is then forgotten.
pub(super) fn changed_in_function(text: &str, ast: &AST) -> Option<ParseError> {
    let constants = constants_of(text);
    let mut found = None;
    ast.walk(&mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(assignment))) = path.last()
            && let Some((name, position)) = outside_variable(&assignment.1.lhs)
            && constants.contains(&name.as_str())
        {
            found = Some((name, position));
        }
        found.is_none()
    });
    found.map(|(name, position)| ParseError(Box::new(ParseErrorType::AssignmentToConstant(name)), position))
}

/// What `a.b[c]` begins with, if that is no variable of the function itself.
fn outside_variable(expression: &Expr) -> Option<(String, Position)> {
    match expression {
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => match &pair.lhs {
            Expr::Variable(variable, None, position) if variable.0.is_none() => {
                Some((variable.1.to_string(), *position))
            }
            inner => outside_variable(inner),
        },
        _ => None,
    }
}

/// Returns whether `text` may have functions, in which its constants, or a module's, would have to be known.
pub fn may_have_functions(text: &str) -> bool {
    ["fn", "|", "import", "eval"]
        .iter()
        .any(|word| text.contains(word))
}

/// Tells the engine where a name may come from that no variable has. It asks at every use of a variable from then on, which
/// a loop of a script without functions is spared.
pub fn install(engine: &mut Engine, state: &State) {
    let state = state.clone();
    #[allow(deprecated)] // the engine's name for what may change in its later versions
    engine.on_var(move |name, index, context| {
        // Whatever has an index is a variable of the place itself.
        Ok(if index > 0 {
            None
        } else {
            constant(name, &context, &state)
        })
    });
}

fn constant(name: &str, context: &EvalContext, state: &State) -> Option<Dynamic> {
    if context.scope().contains(name) {
        return None;
    }
    let of_script = context.global_runtime_state().constants.as_ref();
    let value = of_script.and_then(|constants| constants.borrow().get(name).cloned());
    value.or_else(|| state.session_constant(name))
}

/// Returns the names of the constants at the top level of `text`.
pub fn constants_of(text: &str) -> Vec<&str> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let (mut depth, mut names) = (0usize, Vec::new());
    for pair in tokens.windows(2) {
        match pair[0].kind {
            Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Name if depth == 0 && &text[pair[0].span.clone()] == "const" => {
                names.push(&text[pair[1].span.clone()]);
            }
            _ => (),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_constants_of_the_top_level_count() {
        let text =
            "const A = #{ b: 1 }; fn f() { const C = 1; } export const D = 2; if true { const E = 3; }";
        assert_eq!(constants_of(text), ["A", "D"]);
    }
}
