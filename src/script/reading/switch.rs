//! `switch` by the same equality as `==`: `1.0` meets the case `1`, `-0.0` the case `0.0`.
//!
//! Rhai finds a case by the hash of a value, in which 1 and 1.0 differ. So both sides are made canonical: in a case, a
//! float that is a whole number is read as the int, and what is switched on is sent through [`canonical`]: the keyword is
//! followed by [`CANONICAL`], a custom syntax that takes the expression after it.

use rhai::{Array, Dynamic, Engine, EvalContext, Expression, Map, Token};

use crate::error::Error;
use crate::script::api::TensorHandle;
use crate::script::failure::{RhaiResultOf, raise};
use crate::script::numbers::INTEGERS_END;

/// Stands before what is switched on.
pub(super) const CANONICAL: &str = "$";

/// The bodies of `switch` around the place that is being read.
#[derive(Default)]
pub(super) struct Bodies {
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

/// Registers what is done with the value that is switched on.
pub(super) fn install(engine: &mut Engine) {
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

impl Bodies {
    /// Keeps track of brackets and of the parts of a body.
    pub(super) fn follow(&mut self, token: &Token) {
        let in_label = self.in_label();
        if let Some(Bracket::Body(part)) = self.brackets.last_mut() {
            *part = next_part(*part, token);
        }
        let in_label = in_label || self.in_label();
        match token {
            Token::Switch => self.brackets.push(Bracket::Subject),
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

    pub(super) fn in_label(&self) -> bool {
        matches!(
            self.brackets.last(),
            Some(Bracket::Body(Part::Label) | Bracket::Other { in_label: true })
        )
    }

    pub(super) fn label_literal(&self, token: Token) -> Token {
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
