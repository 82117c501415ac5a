//! `switch` by the same equality as `==`: `1.0` meets the case `1`, `-0.0` the case `0.0`.
//!
//! Rhai finds a case by the hash of a value, in which 1 and 1.0 differ. So both sides are made canonical: in a case, a
//! float that is a whole number is read as the int, and what is switched on is sent through [`canonical`]. The parser has
//! no place for that call, so the keyword `switch` is handed to it as two symbols of the same length altogether, which
//! leaves every position as it is: [`KEYWORD`], which is read as `switch`, and [`CANONICAL`], a custom syntax that takes the
//! expression after it.

use std::cell::RefCell;

use rhai::{
    AST, Array, Dynamic, Engine, EvalContext, Expression, LexError, Map, ParseError, Position, Scope, Token,
};

use super::order::INTEGERS_END;
use crate::error::Error;
use crate::script::api::TensorHandle;
use crate::script::failure::{RhaiResultOf, raise};
use crate::script::state::State;

const WORD: &str = "switch";
/// Stands for the keyword.
const KEYWORD: &str = "@";
/// Stands before what is switched on.
const CANONICAL: &str = "$";

/// Line and column, from 1.
type Spot = (usize, usize);

/// What is known while a text is parsed.
#[derive(Default)]
pub struct Reading(RefCell<Option<Marks>>);

#[derive(Default)]
struct Marks {
    /// Where the word stands that may be the keyword.
    words: Vec<Spot>,
    /// Where it is.
    keywords: Vec<Spot>,
    brackets: Vec<Bracket>,
}

/// What an opening bracket opened, or is about to.
#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    /// `switch` was read, the body's bracket is to come.
    Subject,
    Body(Part),
    Other {
        in_label: bool,
    },
}

/// Where in the body of a `switch` the parser is.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Label,
    Condition,
    Action,
    /// After a block in an action, which may or may not have ended it.
    AfterBlock,
}

/// Parses `text`, which knows the variables of `scope`.
///
/// # Errors
/// The text is not a script.
pub fn compile(engine: &Engine, state: &State, scope: &Scope, text: &str) -> Result<AST, ParseError> {
    let mut words = occurrences(text);
    loop {
        let marked = marked(text, &words);
        let spots = words.iter().map(|(_, spot)| *spot).collect();
        *state.reading().0.borrow_mut() = Some(Marks {
            words: spots,
            ..Marks::default()
        });
        let parsed = engine.compile_with_scope(scope, &marked);
        let marks = state.reading().0.borrow_mut().take().unwrap_or_default();
        // The word also stands in strings and comments, which must keep it.
        if marks.keywords.len() == words.len() {
            return parsed;
        }
        words.retain(|(_, spot)| marks.keywords.contains(spot));
    }
}

/// Tells the engine how to read the two symbols.
pub(super) fn install(engine: &mut Engine, state: &State) {
    let state = state.clone();
    #[allow(deprecated)] // the engine's name for what may change in its later versions
    engine.on_parse_token(move |token, position, _| {
        let mut reading = state.reading().0.borrow_mut();
        super::arithmetic::checked_literal(match reading.as_mut() {
            Some(marks) => marks.read(token, position),
            None => refused(token),
        })
    });
    let registered = engine.register_custom_syntax([CANONICAL, "$expr$"], false, evaluate_canonically);
    debug_assert!(registered.is_ok(), "a reserved symbol");
}

fn evaluate_canonically(context: &mut EvalContext, inputs: &[Expression]) -> RhaiResultOf<Dynamic> {
    let value = context.eval_expression_tree(&inputs[0])?;
    if value.read_lock::<TensorHandle>().is_some() {
        return Err(raise(
            Error::input("`switch` compares numbers, texts, arrays and maps, but was given a Tensor")
                .hint("write `.item()` for the number in it"),
        ));
    }
    Ok(canonical(value))
}

/// `value` with every float that is a whole number of the range of `int` as that `int`.
fn canonical(value: Dynamic) -> Dynamic {
    let value = value.flatten();
    if let Ok(float) = value.as_float() {
        return whole(float).map_or(value, Dynamic::from_int);
    }
    if value.is_array() {
        let items = value.cast::<Array>();
        return items.into_iter().map(canonical).collect::<Array>().into();
    }
    if value.is_map() {
        let entries = value.cast::<Map>().into_iter();
        return entries
            .map(|(key, value)| (key, canonical(value)))
            .collect::<Map>()
            .into();
    }
    value
}

fn whole(float: f64) -> Option<i64> {
    let is_whole = float.fract() == 0.0 && (-INTEGERS_END..INTEGERS_END).contains(&float);
    is_whole.then_some(float as i64)
}

/// Where the word stands in `text`: at which byte, and line and column.
fn occurrences(text: &str) -> Vec<(usize, Spot)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let stands_alone = |at: &usize| {
        let after = text[at + WORD.len()..].chars().next();
        !text[..*at].ends_with(is_part) && !after.is_some_and(is_part)
    };
    let spot = |at: usize| {
        let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[..at].matches('\n').count() + 1;
        (line, text[line_start..at].chars().count() + 1)
    };
    let places = text.match_indices(WORD).map(|(at, _)| at);
    places.filter(stands_alone).map(|at| (at, spot(at))).collect()
}

/// `text` with the two symbols in place of the words.
fn marked(text: &str, words: &[(usize, Spot)]) -> String {
    let symbols = format!("{:width$}", format!("{KEYWORD}{CANONICAL}"), width = WORD.len());
    let mut marked = text.to_string();
    for (at, _) in words {
        marked.replace_range(*at..at + WORD.len(), &symbols);
    }
    marked
}

/// The symbols mean nothing where no `switch` was.
fn refused(token: Token) -> Token {
    match token {
        Token::Custom(symbol) if *symbol == CANONICAL => {
            Token::LexError(Box::new(LexError::UnexpectedInput(symbol.to_string())))
        }
        other => other,
    }
}

impl Marks {
    fn read(&mut self, token: Token, position: Position) -> Token {
        let spot = (position.line().unwrap_or(0), position.position().unwrap_or(0));
        match token {
            Token::Reserved(symbol) if *symbol == KEYWORD && self.words.contains(&spot) => {
                self.keywords.push(spot);
                self.brackets.push(Bracket::Subject);
                Token::Switch
            }
            Token::Custom(symbol) if *symbol == CANONICAL => match self.keywords.last() {
                Some((line, column)) if (*line, column + 1) == spot => Token::Custom(symbol),
                _ => refused(Token::Custom(symbol)),
            },
            other => {
                self.follow(&other);
                self.label_literal(other)
            }
        }
    }

    /// Keeps track of brackets and of the parts of a body.
    fn follow(&mut self, token: &Token) {
        let in_label = self.in_label();
        if let Some(Bracket::Body(part)) = self.brackets.last_mut() {
            *part = next_part(*part, token);
        }
        let in_label = in_label || self.in_label();
        match token {
            Token::LeftBrace if self.brackets.last() == Some(&Bracket::Subject) => {
                self.brackets.pop();
                self.brackets.push(Bracket::Body(Part::Label));
            }
            Token::LeftBrace
            | Token::MapStart
            | Token::LeftParen
            | Token::LeftBracket
            | Token::QuestionBracket => {
                self.brackets.push(Bracket::Other { in_label });
            }
            Token::RightBrace | Token::RightParen | Token::RightBracket => {
                self.brackets.pop();
                let is_block = *token == Token::RightBrace;
                if let (true, Some(Bracket::Body(part @ Part::Action))) = (is_block, self.brackets.last_mut())
                {
                    *part = Part::AfterBlock;
                }
            }
            _ => (),
        }
    }

    fn in_label(&self) -> bool {
        matches!(
            self.brackets.last(),
            Some(Bracket::Body(Part::Label) | Bracket::Other { in_label: true })
        )
    }

    fn label_literal(&self, token: Token) -> Token {
        match &token {
            Token::FloatConstant(number) if self.in_label() => {
                whole(*number.0).map_or(token, Token::IntegerConstant)
            }
            _ => token,
        }
    }
}

fn next_part(part: Part, token: &Token) -> Part {
    match (part, token) {
        (_, Token::DoubleArrow) => Part::Action,
        (Part::Label, Token::If) => Part::Condition,
        (Part::Action | Part::AfterBlock, Token::Comma) => Part::Label,
        (
            Part::AfterBlock,
            Token::IntegerConstant(_)
            | Token::FloatConstant(_)
            | Token::StringConstant(_)
            | Token::CharConstant(_)
            | Token::True
            | Token::False
            | Token::Unit
            | Token::MapStart
            | Token::LeftBracket
            | Token::Underscore,
        ) => Part::Label,
        (Part::AfterBlock, _) => Part::Action,
        (part, _) => part,
    }
}
