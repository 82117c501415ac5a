//! The parameters that are still to come of the call at the cursor.

use super::complete::innermost_open;
use super::receiver::{catalog_name, is_dot, type_of_last};
use crate::script::Interactive;
use crate::script::docs::Catalog;
use crate::script::source::lexer::{Kind, Lexer, Token};

/// Returns `steps: int, to: float)` after `f(`, and `to: float)` after `f(10, `; `None` elsewhere. A `…` says that there
/// are other forms.
pub(super) fn remaining(line: &str, interactive: &Interactive, catalog: &Catalog) -> Option<String> {
    let tokens: Vec<Token> = Lexer::new(line, 0).collect();
    let open = innermost_open(&tokens).filter(|open| tokens[*open].kind == Kind::OpenRound)?;
    let written = arguments_before(&tokens[open + 1..])?;
    let name = called(line, &tokens[..open])?;
    let mut signatures = signatures(line, name, interactive, catalog);
    let others = signatures.len() > 1;
    signatures.retain(|parameters| parameters.len() > written);
    let parameters = signatures.first()?;
    let blank = if written > 0 && !line.ends_with(' ') {
        " "
    } else {
        ""
    };
    let more = if others { "  …" } else { "" };
    Some(format!("{blank}{}){more}", parameters[written..].join(", ")))
}

/// How many arguments are complete; `None` within one.
fn arguments_before(inside: &[Token]) -> Option<usize> {
    let (mut depth, mut commas) = (0usize, 0);
    for token in inside {
        match token.kind {
            Kind::Close => depth = depth.checked_sub(1)?,
            Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => depth += 1,
            Kind::Comma if depth == 0 => commas += 1,
            _ => (),
        }
    }
    let is_between = inside.last().is_none_or(|token| token.kind == Kind::Comma);
    is_between.then_some(commas)
}

/// What is called by the bracket after `before`: bytes of `line`, with the modules before the name.
fn called(line: &str, before: &[Token]) -> Option<std::ops::Range<usize>> {
    let last = before.last().filter(|token| token.kind == Kind::Name)?;
    let mut start = last.span.start;
    let mut rest = &before[..before.len() - 1];
    while let [shorter @ .., module, separator] = rest
        && separator.kind == Kind::PathSeparator
        && module.kind == Kind::Name
    {
        start = module.span.start;
        rest = shorter;
    }
    let is_definition = rest.last().is_some_and(|token| &line[token.span.clone()] == "fn");
    (!is_definition).then_some(start..last.span.end)
}

/// The parameters of each form of what is called: of the session's own functions and imports, else as documented.
fn signatures(
    line: &str,
    name: std::ops::Range<usize>,
    interactive: &Interactive,
    catalog: &Catalog,
) -> Vec<Vec<String>> {
    let word = &line[name.clone()];
    let before = line[..name.start].trim_end();
    let dot = Lexer::new(before, 0).last().filter(|token| is_dot(before, token));
    if let Some(dot) = dot {
        let Some(kind) = type_of_last(&before[..dot.span.start], interactive, catalog) else {
            return Vec::new();
        };
        let entries = catalog.find(&format!("{}.{word}", catalog_name(&kind)));
        return entries
            .iter()
            .flat_map(|entry| &entry.signatures)
            .map(|text| parameters(text))
            .collect();
    }
    let own = interactive
        .described_functions(word)
        .into_iter()
        .map(|(signature, _)| signature);
    let imported = word.split_once("::").into_iter().flat_map(|(alias, function)| {
        let members = interactive.import_members(alias).into_iter();
        members.filter(move |member| member.split_once('(').is_some_and(|(name, _)| name == function))
    });
    let known: Vec<Vec<String>> = own.chain(imported).map(|text| parameters(&text)).collect();
    if !known.is_empty() {
        return known;
    }
    let entries = catalog.find(word);
    let entries = entries.iter().filter(|entry| !entry.standard);
    entries
        .flat_map(|entry| &entry.signatures)
        .map(|text| parameters(text))
        .collect()
}

/// `f(a: int, b) -> int` → `a: int`, `b`.
fn parameters(signature: &str) -> Vec<String> {
    let inside = signature.split_once('(').map_or("", |(_, after)| after);
    let inside = inside.rsplit_once(')').map_or(inside, |(inside, _)| inside);
    let (mut depth, mut parts) = (0i32, vec![String::new()]);
    for letter in inside.chars() {
        depth += i32::from("([{<|".contains(letter)) - i32::from(")]}>".contains(letter));
        match letter {
            ',' if depth <= 0 => parts.push(String::new()),
            _ => parts.last_mut().into_iter().for_each(|part| part.push(letter)),
        }
    }
    let trimmed = parts.iter().map(|part| part.trim().to_string());
    trimmed.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Host;

    #[test]
    fn parameters_are_told_as_far_as_they_are_to_come() {
        let mut host = Host::builder().output(|_| ()).build().expect("a host");
        let catalog = host.catalog().expect("a catalog");
        let mut interactive = host.interactive();
        interactive
            .enter("fn add(first, second) { first + second }; let t = torch::zeros([2])")
            .expect("fine");
        let hint = |line: &str| remaining(line, &interactive, &catalog).unwrap_or_default();
        assert_eq!(hint("add("), "first, second)");
        assert_eq!(hint("1 + add(f(1, 2), "), "second)");
        assert_eq!(hint("add(1,"), " second)");
        for nothing in ["add(1", "add", "add(1, 2, ", "fn add(", "add(#{ ", ""] {
            assert_eq!(hint(nothing), "", "{nothing}");
        }
        assert!(hint("write_text(\"a\", ").starts_with("text: string)"));
        assert!(
            hint("torch::linspace(").starts_with("start"),
            "{}",
            hint("torch::linspace(")
        );
        assert!(hint("t.reshape(").contains(')'));
    }
}
