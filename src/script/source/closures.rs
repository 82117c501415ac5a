//! What closures take: the engine knows them by numbers, and counts what they take from around them.

use std::collections::HashMap;

use rhai::Position;

use super::lexer::{Kind, Lexer, Token};
use super::{SourceMap, offset};

/// What a closure takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The names between its `|…|`.
    pub own: Vec<String>,
    /// How many values it is given altogether, those that it takes from around it included.
    pub all: usize,
}

impl SourceMap {
    /// Remembers the closure that the engine calls `name`: it takes the parameters `all`, and begins in `text` before
    /// `body`.
    pub fn add_closure(&self, name: &str, all: &[&str], text: &str, body: Position) {
        let own = offset(text, body).and_then(|at| own_parameters(text, at));
        let own = own.filter(|own| all.ends_with(&own.iter().map(String::as_str).collect::<Vec<_>>()));
        let own = own.unwrap_or_else(|| all.iter().map(|name| name.to_string()).collect());
        let closure = Closure { own, all: all.len() };
        self.closures.borrow_mut().insert(name.to_string(), closure);
    }

    /// The closures of all texts, by the engine's names for them.
    pub fn closures(&self) -> HashMap<String, Closure> {
        self.closures.borrow().clone()
    }
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
