//! Of what type the thing before a dot is, without running anything.

use std::ops::Range;

use crate::script::Interactive;
use crate::script::docs::{Catalog, Entry, Kind as Name};
use crate::script::source::lexer::{Kind, Lexer, Token};

/// Returns the type of the expression that ends where `text` ends, as the catalog names it; `None` if it cannot be
/// told.
///
/// Follows variables, calls, methods and properties: `trainer.cfg`, `torch::zeros([2]).mean()`, `"text"`.
pub(super) fn type_of_last(text: &str, interactive: &Interactive, catalog: &Catalog) -> Option<String> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let start = start_of_chain(text, &tokens)?;
    Chain {
        text,
        tokens: &tokens[start..],
        interactive,
        catalog,
    }
    .resolve()
}

/// Index of the token with which the last chain of names, calls and dots begins.
fn start_of_chain(text: &str, tokens: &[Token]) -> Option<usize> {
    let mut at = tokens.len().checked_sub(1)?;
    loop {
        while tokens[at].kind == Kind::Close {
            at = opening(tokens, at)?;
            // `f(x)`, `a[1]`: what is called or indexed stands right before.
            match at.checked_sub(1).map(|before| tokens[before].kind) {
                Some(Kind::Name | Kind::Close | Kind::Text) if tokens[at].kind != Kind::OpenMap => at -= 1,
                _ => break,
            }
        }
        let Some(before) = at.checked_sub(1) else {
            return Some(at);
        };
        let joins = tokens[before].kind == Kind::PathSeparator || is_dot(text, &tokens[before]);
        if joins {
            at = before.checked_sub(1)?
        } else {
            return Some(at);
        }
    }
}

/// Index of the bracket that the one at `close` closes.
fn opening(tokens: &[Token], close: usize) -> Option<usize> {
    let mut depth = 0usize;
    for at in (0..=close).rev() {
        match tokens[at].kind {
            Kind::Close => depth += 1,
            kind if is_open(kind) => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => (),
        }
    }
    None
}

/// Returns whether it is an opening bracket of any kind.
pub(super) fn is_open(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare
    )
}

/// Returns whether it is `.` or `?.`.
pub(super) fn is_dot(text: &str, token: &Token) -> bool {
    matches!(&text[token.span.clone()], "." | "?.")
}

struct Chain<'a> {
    text: &'a str,
    tokens: &'a [Token],
    interactive: &'a Interactive<'a>,
    catalog: &'a Catalog,
}

impl Chain<'_> {
    fn word(&self, at: usize) -> &str {
        self.tokens
            .get(at)
            .map_or("", |token| &self.text[token.span.clone()])
    }

    fn resolve(&self) -> Option<String> {
        let (mut kind, mut at) = self.first()?;
        while at < self.tokens.len() {
            let bracket = self.tokens[at].kind;
            if is_open(bracket) {
                kind = indexed(&kind)?;
                at = self.after_brackets(at);
            } else {
                let name = self.word(at + 1);
                let member = self
                    .catalog
                    .members(&kind)
                    .into_iter()
                    .find(|entry| entry.name == name)?;
                kind = result_of(member)?;
                at = self.after_call(at + 2);
            }
        }
        Some(kind)
    }

    /// Type of what the chain begins with, and the index of the token after it.
    fn first(&self) -> Option<(String, usize)> {
        let kind = match self.tokens[0].kind {
            Kind::Text => "string".to_string(),
            Kind::Number if self.word(0).contains(['.', 'e']) => "float".into(),
            Kind::Number => "int".into(),
            Kind::OpenSquare => return Some(("array".into(), self.after_brackets(0))),
            Kind::OpenMap => return Some(("map".into(), self.after_brackets(0))),
            Kind::Name => return self.named(),
            _ => return None,
        };
        Some((kind, 1))
    }

    fn named(&self) -> Option<(String, usize)> {
        let mut path: Range<usize> = self.tokens[0].span.clone();
        let mut at = 1;
        while self
            .tokens
            .get(at)
            .is_some_and(|token| token.kind == Kind::PathSeparator)
        {
            path.end = self.tokens.get(at + 1)?.span.end;
            at += 2;
        }
        let name = &self.text[path];
        let called = self
            .tokens
            .get(at)
            .is_some_and(|token| token.kind == Kind::OpenRound);
        if !called {
            Some((catalog_name(&self.interactive.type_of(name)?), at))
        } else {
            let found = self.catalog.find(name);
            let function = found
                .iter()
                .find(|entry| matches!(entry.kind, Name::Function | Name::Constructor))?;
            Some((result_of(function)?, self.after_call(at)))
        }
    }

    /// Skips `(…)` if that is what follows.
    fn after_call(&self, at: usize) -> usize {
        match self.tokens.get(at).map(|token| token.kind) {
            Some(Kind::OpenRound) => self.after_brackets(at),
            _ => at,
        }
    }

    fn after_brackets(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.kind {
                Kind::Close => depth -= 1,
                kind if is_open(kind) => depth += 1,
                _ => (),
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.tokens.len()
    }
}

/// Types as `type_of` says them → as signatures say them.
pub(super) fn catalog_name(kind: &str) -> String {
    match kind {
        "i64" => "int".into(),
        "f64" => "float".into(),
        other => other.into(),
    }
}

/// What comes out of a call, a property or a field, by its signature.
fn result_of(entry: &Entry) -> Option<String> {
    let signature = entry.signatures.first()?;
    let kind = match entry.kind {
        Name::Field => signature.split_once(": ")?.1.split([' ', '=']).next()?,
        _ => signature.rsplit_once(" -> ")?.1,
    };
    (!kind.is_empty() && kind != "any").then(|| kind.to_string())
}

/// What indexing gives: part of a tensor is a tensor; what an array or a map holds nobody knows.
fn indexed(kind: &str) -> Option<String> {
    (kind == "Tensor").then(|| kind.to_string())
}
