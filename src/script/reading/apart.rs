//! Functions of different texts stay apart, also where they have the same name.
//!
//! The engine remembers which function a name and a number of arguments mean, whatever module the call stands in: two
//! modules that each call a function of their own by the same name could get the other's. So what a text calls of its own
//! is looked up anew where calls come in from another text. Functions and closures that call functions of their text
//! begin with [`APART`], which takes the place of blanks, so that every position stays as it is. The engine also takes
//! closures of the same words for one, in whatever module; so in modules all of them begin with it, and it has the text's
//! own number.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use rhai::{Dynamic, Engine, EvalContext, Module, Shared};

use super::marks::{APART, Replacement, Role, Spot, spot_of};
use crate::script::source::lexer::{Kind, Lexer, Token};
use crate::script::state::State;

/// The number of every script; those of modules are others.
const SCRIPT: i64 = 0;

/// Returns the number of a text.
pub(super) fn number_of(text: &str, role: Role) -> i64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    match role {
        Role::Script => SCRIPT,
        Role::Module => (hasher.finish() | 1) as i64,
    }
}

/// Registers what is done there.
pub(super) fn install(engine: &mut Engine, state: &State) {
    let state = state.clone();
    engine.register_custom_syntax_with_state_raw(
        APART,
        move |symbols, next, text| {
            let marks = state.reading().0.borrow();
            *text = marks.as_ref().map_or(0, |marks| marks.text).into();
            let before_expression = symbols.len() == 1 && next != ";";
            Ok(before_expression.then(|| "$expr$".into()))
        },
        false,
        |context, inputs, text| {
            look_up_anew(context, text.as_int() == Ok(SCRIPT));
            match inputs.first() {
                Some(expression) => context.eval_expression_tree(expression),
                None => Ok(Dynamic::UNIT),
            }
        },
    );
}

/// Forgets which functions names mean where the call came from another text. A closure of a script does not bring the
/// script's functions along where a module calls it, as those of modules do: they are put first.
fn look_up_anew(context: &mut EvalContext, is_script: bool) {
    let libraries = &context.global_runtime_state_mut().lib;
    let is_same = |a: &Shared<Module>, b: &Shared<Module>| Shared::ptr_eq(a, b);
    let (missing, is_elsewhere) = match (libraries.first(), libraries.as_slice()) {
        (Some(script), [.., last]) if is_script && !is_same(script, last) => (Some(script.clone()), true),
        (_, [.., before, own]) => (None, !is_same(before, own)),
        _ => (None, !is_script),
    };
    if !is_elsewhere {
        return;
    }
    let frame = context.new_frame().with_new_caching_layer();
    // What is pushed goes with the function or closure that the call is in, not with this frame.
    match missing {
        Some(script) => std::mem::forget(frame.with_namespace(script)),
        None => std::mem::forget(frame),
    }
}

/// Returns what is replaced in `text`, and by what.
pub(super) fn places(text: &str, role: Role) -> Vec<Replacement> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let of = |token: &Token| &text[token.span.clone()];
    let names: Vec<&str> = tokens
        .windows(2)
        .filter(|pair| of(&pair[0]) == "fn" && pair[1].kind == Kind::Name)
        .map(|pair| of(&pair[1]))
        .collect();
    if names.is_empty() && role == Role::Script {
        return Vec::new();
    }
    let calls_own = |body: &[Token]| {
        body.windows(2).enumerate().any(|(at, pair)| {
            let is_qualified = at > 0 && body[at - 1].kind == Kind::PathSeparator;
            pair[0].kind == Kind::Name
                && pair[1].kind == Kind::OpenRound
                && !is_qualified
                && names.contains(&of(&pair[0]))
        })
    };
    let starts = (0..tokens.len()).filter_map(|at| Some((at, body_start(text, &tokens, at)?)));
    starts
        .filter_map(|(begin, at)| {
            let body = &tokens[at..body_end(&tokens, at)];
            let is_closure_of_module = role == Role::Module && of(&tokens[begin]) != "fn";
            (is_closure_of_module || calls_own(body)).then(|| mark(text, &tokens, at, body))?
        })
        .collect()
}

/// Returns where [`APART`] will stand.
pub(super) fn spot(text: &str, (range, symbols): &Replacement) -> Spot {
    let (line, column) = spot_of(text, range.start);
    (line, column + symbols.find(APART).unwrap_or(0))
}

/// Returns at which token the body of the function or closure begins whose `fn` or first `|` is token `at`.
fn body_start(text: &str, tokens: &[Token], at: usize) -> Option<usize> {
    let of = |at: usize| tokens.get(at).map_or("", |token| &text[token.span.clone()]);
    match of(at) {
        "fn" => {
            let mut depth = 0;
            for (index, token) in tokens.iter().enumerate().skip(at + 1) {
                match token.kind {
                    Kind::OpenRound => depth += 1,
                    Kind::Close => depth -= 1,
                    Kind::OpenCurly if depth == 0 => return Some(index),
                    _ => (),
                }
            }
            None
        }
        "||" if begins_a_value(text, tokens, at) => Some(at + 1),
        "|" if begins_a_value(text, tokens, at) => {
            let is_parameter = |token: &&Token| matches!(token.kind, Kind::Name | Kind::Comma);
            let parameters = tokens[at + 1..].iter().take_while(is_parameter).count();
            let end = at + 1 + parameters;
            (of(end) == "|").then_some(end + 1)
        }
        _ => None,
    }
}

/// Returns whether a value begins at token `at`, rather than an operator after one.
fn begins_a_value(text: &str, tokens: &[Token], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| &tokens[before]) else {
        return true;
    };
    match before.kind {
        Kind::Name => matches!(&text[before.span.clone()], "return" | "throw" | "in"),
        Kind::Number | Kind::Text | Kind::Close => false,
        // The `|` that ends the parameters of a closure around it.
        _ => true,
    }
}

/// Returns the token after the body that begins at token `at`.
fn body_end(tokens: &[Token], at: usize) -> usize {
    let is_block = tokens.get(at).is_some_and(|token| token.kind == Kind::OpenCurly);
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => depth += 1,
            Kind::Close if depth == 0 => return index,
            Kind::Close => {
                depth -= 1;
                if is_block && depth == 0 {
                    return index + 1;
                }
            }
            Kind::Comma if depth == 0 => return index,
            _ => (),
        }
    }
    tokens.len()
}

/// Words after which no expression stands, or one that the engine reads as a statement only.
const STATEMENTS: [&str; 12] = [
    "return", "throw", "let", "const", "try", "for", "while", "loop", "do", "break", "continue", "switch",
];

/// Returns what is replaced at the body that begins at token `at`; `None` where there is no room for it.
fn mark(text: &str, tokens: &[Token], at: usize, body: &[Token]) -> Option<Replacement> {
    let Range { start, end } = tokens[at].span.clone();
    let blank = |at: usize| text.as_bytes().get(at) == Some(&b' ');
    let before = usize::from(start > 0 && blank(start - 1));
    if tokens[at].kind == Kind::OpenCurly {
        let after = usize::from(blank(end));
        let range = start - before..end + after;
        let fits = range.len() == 3 || text[end..].starts_with(['\n', '\r']);
        return fits.then(|| (range, format!("{{{APART};")));
    }
    let of = |token: &Token| &text[token.span.clone()];
    let assigns = |token: &Token| {
        let symbol = of(token);
        token.kind == Kind::Symbol
            && symbol.ends_with('=')
            && !["==", "!=", "<=", ">=", "..="].contains(&symbol)
    };
    // `?[` and `?.` are symbols of their own.
    let is_expression = !STATEMENTS.contains(&of(&tokens[at]))
        && !matches!(tokens[at].kind, Kind::OpenSquare | Kind::Symbol)
        && !body.iter().any(assigns);
    (before == 1 && is_expression).then(|| (start - 1..start, APART.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str) -> String {
        let mut marked = text.to_string();
        for (range, symbols) in places(text, Role::Script).into_iter().rev() {
            marked.replace_range(range, &symbols);
        }
        marked
    }

    #[test]
    fn what_calls_functions_of_its_text_is_marked_and_stays_in_its_place() {
        let text = "fn one(x) { x }\nfn two(x) { one(x) }\nfn three(x) {\n    x.one()\n}\n\
            let a = [1].map(|x| one(x) + 1);\nlet b = || { one(2) };\nlet c = |x| m::one(x);\n";
        let expected = "fn one(x) { x }\nfn two(x){?;one(x) }\nfn three(x){?;\n    x.one()\n}\n\
            let a = [1].map(|x|?one(x) + 1);\nlet b = ||{?;one(2) };\nlet c = |x| m::one(x);\n";
        assert_eq!(marked(text), expected);
        let spots: Vec<Spot> = places(text, Role::Script)
            .iter()
            .map(|place| spot(text, place))
            .collect();
        assert_eq!(spots, [(2, 11), (3, 13), (6, 20), (7, 12)]);
    }

    #[test]
    fn what_cannot_be_marked_stays() {
        for text in [
            "let x = 1 | one(2);",
            "fn one(x){one(x)}",
            "fn one(x) { x } let f = |x| [one(x)];",
            "fn one(x) { x } let f = |x| y = one(x);",
            "fn one(x) { x } let a = b | one(2) | c;",
        ] {
            assert_eq!(marked(text), text);
        }
    }
}
