//! What closures take: the engine knows them by numbers, and counts what they take from around them.

use rhai::{AST, Position};

use super::lexer::{Kind, Lexer, Token};
use super::position::offset;

/// What a closure takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The names between its `|…|`.
    pub own: Vec<String>,
    /// How many values it is given altogether, those that it takes from around it included.
    pub all: usize,
    /// The file in which it stands; `None` for one of a text that was evaluated.
    pub file: Option<String>,
}

/// Closures are functions with a number for a name.
pub fn is_closure(name: &str) -> bool {
    name.starts_with("anon$")
}

/// Returns the closures of `ast`, which was read from `text` in `file`, by the engine's names for them.
pub(super) fn closures_of<'a>(
    file: Option<&'a str>,
    text: &'a str,
    ast: &'a AST,
) -> impl Iterator<Item = (String, Closure)> + 'a {
    let closures = ast.iter_functions().filter(|function| is_closure(function.name));
    closures.map(move |closure| {
        let definition = ast.shared_lib().get_script_fn(closure.name, closure.params.len());
        let body = definition.map_or(Position::NONE, |definition| definition.body.start_position());
        let own = offset(text, body).and_then(|at| own_parameters(text, at));
        let own = own.filter(|own| {
            closure
                .params
                .ends_with(&own.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let own = own.unwrap_or_else(|| closure.params.iter().map(|name| name.to_string()).collect());
        let known = Closure {
            own,
            all: closure.params.len(),
            file: file.map(str::to_string),
        };
        (closure.name.to_string(), known)
    })
}

/// The names between the `|…|` that stands last before byte `body`.
fn own_parameters(text: &str, body: usize) -> Option<Vec<String>> {
    let tokens: Vec<Token> = Lexer::new(text, 0)
        .take_while(|token| token.span.start < body)
        .collect();
    let word = |token: &Token| &text[token.span.clone()];
    let close = tokens
        .iter()
        .rposition(|token| matches!(word(token), "|" | "||"))?;
    if word(&tokens[close]) == "||" {
        return Some(Vec::new());
    }
    let open = tokens[..close].iter().rposition(|token| word(token) == "|")?;
    let inside = tokens[open + 1..close].iter();
    let names = inside.filter(|token| token.kind == Kind::Name);
    Some(names.map(|token| word(token).to_string()).collect())
}
