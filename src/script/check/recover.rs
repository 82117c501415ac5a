//! Parsing goes on after what cannot be parsed: the statement is left out, and what it defines is taken to be there.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use rhai::{AST, ParseErrorType};

use crate::error::{Error, Subject};
use crate::script::diagnostic;
use crate::script::host::Host;
use crate::script::source::lexer::{Kind, Lexer, Token};
use crate::script::source::{defined_names, offset, open_bracket};

/// A text that was parsed as far as that goes.
pub struct Parsed {
    /// The statements that could be parsed.
    pub ast: AST,
    /// Does it use a name that stands for nothing?
    pub has_undefined: bool,
    /// Names that are defined in what was left out.
    pub lost: HashSet<String>,
}

/// The most errors of syntax that are told of one text.
const MOST: usize = 20;

/// Parses `text`, which errors call `name`; and says what cannot be parsed.
pub fn parse(host: &mut Host, name: &str, text: &Arc<str>) -> (Parsed, Vec<Error>) {
    let mut rest = text.to_string();
    let mut errors = Vec::new();
    let mut parsed = Parsed {
        ast: AST::empty(),
        has_undefined: false,
        lost: HashSet::new(),
    };
    while errors.len() < MOST {
        let result = host.compile_in(&host.scope, name, &rest);
        host.state().sources().insert(name, text.clone());
        let error = match result {
            Ok(ast) => {
                parsed.ast = ast;
                break;
            }
            Err(error) => error,
        };
        let is_name = matches!(
            error.err_type(),
            ParseErrorType::VariableUndefined(_) | ParseErrorType::ModuleUndefined(_)
        );
        if is_name && !parsed.has_undefined {
            // Names are looked at one by one once all else can be read.
            parsed.has_undefined = true;
            host.engine_mut().set_strict_variables(false);
            continue;
        }
        let shown = diagnostic::explain_parse(&error, name, host.engine(), host.state().sources());
        let is_end = *shown.subject() == Subject::MissingToken(";".into());
        errors.push(shown);
        let Some(at) = offset(&rest, error.position()).or_else(|| open_bracket(&rest).map(|span| span.start))
        else {
            break;
        };
        let is_mended = is_end && end_statement(&mut rest, at);
        if !is_mended && !leave_out(&mut rest, at, &mut parsed.lost) {
            break;
        }
    }
    host.engine_mut().set_strict_variables(true);
    (parsed, errors)
}

/// Puts the semicolon that is missing before `at` where a line ends; false if none ends there.
fn end_statement(text: &mut String, at: usize) -> bool {
    let before = Lexer::new(text, 0)
        .take_while(|token| token.span.end <= at)
        .last();
    let Some(before) = before else { return false };
    let ends_line = text[before.span.end..at].contains('\n');
    if ends_line {
        text.insert(before.span.end, ';');
    }
    ends_line
}

/// Leaves the statement around `at` out; false if nothing is left to leave out.
fn leave_out(text: &mut String, at: usize, lost: &mut HashSet<String>) -> bool {
    let span = match open_bracket(text) {
        // Where a bracket is never closed, the end of the statement cannot be told.
        Some(open) => {
            let first = open.start.min(at);
            outermost(text, first).start..text.len()
        }
        None => innermost(text, at),
    };
    let left_out = &text[span.clone()];
    if left_out.trim().is_empty() {
        return false;
    }
    lost.extend(defined_names(left_out));
    lost.extend(named_as_in_python(left_out));
    let blank: String = left_out
        .chars()
        .map(|letter| if letter == '\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(span, &blank);
    true
}

/// Names that Python's statements define: `def f`, `import m`, `x = 1`.
fn named_as_in_python(text: &str) -> Vec<String> {
    let words: Vec<&str> = Lexer::new(text, 0).map(|token| &text[token.span]).collect();
    let pairs = words.windows(2).filter_map(|pair| match pair {
        ["def" | "class" | "import", name] => Some(*name),
        [name, "="] => Some(*name),
        _ => None,
    });
    let is_name = |name: &&str| name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    pairs.filter(is_name).map(str::to_string).collect()
}

/// The statement of the whole text that `at` is in.
fn outermost(text: &str, at: usize) -> Range<usize> {
    let statements = statements(text);
    let mut around = statements
        .into_iter()
        .filter(|(depth, span)| *depth == 0 && span.start <= at);
    around.next_back().map_or(0..text.len(), |(_, span)| span)
}

/// The smallest statement that `at` is in.
fn innermost(text: &str, at: usize) -> Range<usize> {
    let statements = statements(text);
    let around = statements
        .into_iter()
        .filter(|(_, span)| span.start <= at && at < span.end);
    let smallest = around.min_by_key(|(_, span)| span.len());
    match smallest {
        Some((_, span)) => span,
        // The text ends before its last statement does.
        None if text[at..].trim().is_empty() => outermost(text, at),
        None => at..at,
    }
}

/// A list of statements that is being read: the text's own or a block's.
#[derive(Default)]
struct Block {
    /// Where the statement that is being read began.
    start: Option<usize>,
    /// Is it a list of statements, and not in round or square brackets or a map?
    is_code: bool,
    /// Does a closing bracket end the statement: does it begin with `if`, `fn`, …?
    ends_with_block: bool,
    /// Where the last token ended.
    end: usize,
}

/// Tells statements apart without understanding any: they end at semicolons, after the block of an `if` or `fn`, and
/// where a line begins that is indented no more than the statement.
struct Splitter<'t> {
    text: &'t str,
    open: Vec<Block>,
    /// Every statement with its depth.
    found: Vec<(usize, Range<usize>)>,
}

/// Every statement with its depth.
fn statements(text: &str) -> Vec<(usize, Range<usize>)> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let mut splitter = Splitter {
        text,
        open: Vec::new(),
        found: Vec::new(),
    };
    splitter.open(true);
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map_or("", |next| &text[next.span.clone()]);
        splitter.begin(token);
        splitter.follow(token, next);
    }
    splitter.open.truncate(1);
    splitter.end_statement();
    splitter.found
}

impl Splitter<'_> {
    fn open(&mut self, is_code: bool) {
        self.open.push(Block {
            is_code,
            ..Block::default()
        });
    }

    /// The list of statements that the place is in, unless it is in an expression.
    fn here(&mut self) -> Option<&mut Block> {
        self.open.last_mut().filter(|here| here.is_code)
    }

    fn end_statement(&mut self) {
        let depth = self.open.len().saturating_sub(1);
        let ended = self.here().and_then(|here| Some(here.start.take()?..here.end));
        self.found.extend(ended.map(|span| (depth, span)));
    }

    /// The token may begin a statement.
    fn begin(&mut self, token: &Token) {
        let text = self.text;
        let word = &text[token.span.clone()];
        let start = self.here().and_then(|here| here.start);
        if start.is_some_and(|start| begins_line_at(text, token, start)) && !goes_on(token, word) {
            self.end_statement();
        }
        let Some(here) = self.here() else { return };
        if here.start.is_none() && token.kind != Kind::Close {
            here.start = Some(token.span.start);
            here.ends_with_block = WITH_BLOCK.contains(&word) || token.kind == Kind::OpenCurly;
        }
        if token.kind != Kind::Close {
            here.end = token.span.end;
        }
    }

    /// The token may open a block or end a statement; the word `next` comes after it.
    fn follow(&mut self, token: &Token, next: &str) {
        let word = &self.text[token.span.clone()];
        match token.kind {
            Kind::OpenCurly => self.open(true),
            Kind::OpenMap | Kind::OpenRound | Kind::OpenSquare => self.open(false),
            Kind::Symbol if word == ";" => self.end_statement(),
            Kind::Close if self.open.len() > 1 => {
                self.end_statement();
                self.open.pop();
                let Some(here) = self.here() else { return };
                here.end = token.span.end;
                if here.ends_with_block && word == "}" && !CONTINUED.contains(&next) {
                    self.end_statement();
                }
            }
            _ => (),
        }
    }
}

/// Statements that end with a block.
const WITH_BLOCK: [&str; 9] = [
    "if", "for", "while", "loop", "fn", "private", "try", "switch", "do",
];

/// What goes on with a statement after a block.
const CONTINUED: [&str; 8] = [
    "else", "catch", "while", "until", "elif", "except", "finally", "(",
];

/// Does the token begin a line that is indented no more than the one that the statement at `start` begins?
fn begins_line_at(text: &str, token: &Token, start: usize) -> bool {
    let indent = |at: usize| {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        text[line..at].trim().is_empty().then_some(at - line)
    };
    let line_of_statement = text[..start].rfind('\n').map_or(0, |end| end + 1);
    let first = text[line_of_statement..].len() - text[line_of_statement..].trim_start().len();
    indent(token.span.start).is_some_and(|indent| indent <= first && token.span.start > start)
}

/// Can no statement begin with the token?
fn goes_on(token: &Token, word: &str) -> bool {
    matches!(
        token.kind,
        Kind::Close | Kind::OpenCurly | Kind::Comma | Kind::Colon
    ) || token.kind == Kind::Symbol
        || CONTINUED.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        statements(text)
            .into_iter()
            .map(|(_, span)| &text[span])
            .collect()
    }

    #[test]
    fn statements_are_told_apart() {
        assert_eq!(
            split("let a = 1; f(a, b)\nlet c = #{ x: 1 };"),
            ["let a = 1;", "f(a, b)", "let c = #{ x: 1 };"]
        );
        assert_eq!(
            split("if a { b(); c } else { d } e"),
            ["b();", "c", "d", "if a { b(); c } else { d }", "e"]
        );
        assert_eq!(
            split("let a = f(\n    1,\n);\nb"),
            ["let a = f(\n    1,\n);", "b"]
        );
        assert_eq!(
            split("for i in x:\n    f(i)\nprint(1)"),
            ["for i in x:\n    f(i)", "print(1)"]
        );
    }

    #[test]
    fn what_cannot_be_parsed_is_left_out_line_by_line() {
        let mut text = "let a = 1;\nlet b = = 2;\nlet c = 3;\n".to_string();
        let mut lost = HashSet::new();
        assert!(leave_out(&mut text, 19, &mut lost));
        assert_eq!(text, "let a = 1;\n            \nlet c = 3;\n");
        assert!(lost.contains("b") && lost.len() == 1);
        assert!(!leave_out(&mut text, 15, &mut lost), "nothing is left there");
    }

    #[test]
    fn semicolons_are_put_at_the_ends_of_lines() {
        let mut text = "let a = 1 // one\nlet b".to_string();
        assert!(end_statement(&mut text, 17));
        assert_eq!(text, "let a = 1; // one\nlet b");
        assert!(!end_statement(&mut "let a 1".to_string(), 6));
    }
}
