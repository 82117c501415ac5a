//! Words that the language keeps for itself, as names: where nothing but a name can stand, they are names. PyTorch's
//! `x.var()` is one.

use rhai::{LexError, Token, is_valid_identifier};

/// Words that the engine looks for as such where they are called.
const CALLED: [&str; 9] = [
    "print",
    "debug",
    "type_of",
    "Fn",
    "call",
    "curry",
    "is_shared",
    "is_def_fn",
    "is_def_var",
];

/// Where the parser is, as far as names are concerned.
#[derive(Default)]
pub(super) struct Names {
    /// The last token was a dot, or the `::` after a module.
    after_dot: bool,
    /// The last token was the beginning of a map, or a comma in one.
    before_key: bool,
    /// The last token was a word that was made a name.
    after_name: bool,
    /// For each open bracket: is it a map's?
    open: Vec<bool>,
}

impl Names {
    /// Returns `token`, or the name that it is here.
    pub(super) fn read(&mut self, token: Token) -> Token {
        let is_name = self.after_dot || self.before_key;
        let token = match (token, std::mem::take(&mut self.after_name)) {
            // After a word of the language the tokenizer takes a sign for that of a number.
            (Token::UnaryMinus, true) => Token::Minus,
            (Token::UnaryPlus, true) => Token::Plus,
            (token, _) => match word(&token).filter(|_| is_name) {
                Some(word) => {
                    self.after_name = true;
                    Token::Identifier(Box::new(word.into()))
                }
                None => token,
            },
        };
        self.after_dot = matches!(token, Token::Period | Token::Elvis | Token::DoubleColon);
        match token {
            Token::MapStart => self.open.push(true),
            Token::LeftBrace | Token::LeftParen | Token::LeftBracket | Token::QuestionBracket => {
                self.open.push(false);
            }
            Token::RightBrace | Token::RightParen | Token::RightBracket => drop(self.open.pop()),
            _ => (),
        }
        let in_map = self.open.last() == Some(&true);
        self.before_key = in_map && matches!(token, Token::MapStart | Token::Comma);
        token
    }

    /// Returns `token`, or the name that it is: `_` but for the case of a `switch`, `__`, `_3`. A session gives such names
    /// to its results, and everybody to what is not needed: `for _ in 0..3`.
    pub(super) fn blank(&mut self, token: Token, is_case: bool) -> Token {
        let name = match &token {
            Token::Underscore if !is_case => Some("_"),
            Token::LexError(error) => match &**error {
                LexError::MalformedIdentifier(name) => Some(name.as_str()),
                _ => None,
            },
            _ => None,
        };
        match name.filter(|name| is_blank(name)) {
            Some(name) => {
                self.after_name = true;
                Token::Identifier(Box::new(name.into()))
            }
            None => token,
        }
    }
}

/// Returns whether a name has no letters: `_`, `__`, `_12`.
pub fn is_blank(name: &str) -> bool {
    name.starts_with('_')
        && name
            .chars()
            .all(|letter| letter == '_' || letter.is_ascii_digit())
}

/// Returns `eval` as it is called here.
pub(super) fn called(token: Token) -> Token {
    match token {
        Token::Reserved(word) if *word == "eval" => Token::Custom(Box::new(EVAL.into())),
        other => other,
    }
}

/// The word that `token` is, if the language keeps it for itself.
fn word(token: &Token) -> Option<String> {
    let text = match token {
        Token::Reserved(word) => word.to_string(),
        token if token.is_standard_keyword() || matches!(token, Token::In | Token::Switch) => {
            token.literal_syntax().to_string()
        }
        _ => return None,
    };
    (is_valid_identifier(&text) && !CALLED.contains(&text.as_str())).then_some(text)
}

/// What the parser is told in the place of `eval`: under its own name it could not be a name after a dot.
pub const EVAL: &str = "__eval__";
