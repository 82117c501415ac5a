//! For people who come from Python: what the form is here of what they wrote.

use super::source::lexer::{Kind, Lexer, Token};
use crate::error::{Error, Place};

/// Returns `error`, which says why a text cannot be read, or in its place what Python's form at its place is here.
pub fn advise(error: Error) -> Error {
    let Some(place) = error.place() else {
        return error;
    };
    let reader = Reader::new(&place.text, place.span.start);
    match reader.statement().or_else(|| reader.expression()) {
        Some(advice) => advice.at(place.clone()),
        None => match (reader.floor_division(), reader.hint()) {
            (Some(hint), _) => error.hint(hint),
            (None, Some(hint)) if error.hints().is_empty() => error.hint(hint),
            _ => error,
        },
    }
}

/// Returns what is said of each `a // b` in the text called `name` that is plainly meant as a division and read as a
/// comment: a number, or a name that was used before, alone behind a value.
pub fn floor_divisions(name: &str, text: &str) -> Vec<Error> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let word = |token: &Token| &text[token.span.clone()];
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_value = matches!(token.kind, Kind::Name | Kind::Number) || matches!(word(token), ")" | "]");
        let end = tokens.get(at + 1).map_or(text.len(), |next| next.span.start);
        let between = &text[token.span.end..end];
        let Some((divisor, bare)) = divisor(between).filter(|_| is_value) else {
            continue;
        };
        let is_known = || {
            tokens[..=at]
                .iter()
                .any(|token| token.kind == Kind::Name && word(token) == bare)
        };
        if bare.parse::<f64>().is_err() && !is_known() {
            continue;
        }
        let start = token.span.end + between.find("//").unwrap_or(0);
        let place = Place {
            file: name.into(),
            text: text.into(),
            span: start..start + 2,
        };
        let error = Error::input("nothing is divided here");
        let hint = instead_of_comment(divisor);
        found.push(
            error
                .hint(hint)
                .hint("if it is a comment: end what stands before it with `;`")
                .at(place),
        );
    }
    found
}

/// The text behind `//`, and the number or name that it is without what may end a statement, if a comment on the same
/// line begins `between`.
fn divisor(between: &str) -> Option<(&str, &str)> {
    let line = between.lines().next()?;
    let divisor = line.trim_start().strip_prefix("//")?.trim();
    let bare = divisor.trim_end_matches([';', ')', ']', ',']);
    let is_operand = bare.starts_with(|first: char| first.is_alphanumeric())
        && bare
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_.".contains(letter));
    is_operand.then_some((divisor, bare))
}

fn instead_of_comment(divisor: &str) -> String {
    format!(
        "`//` begins a comment, so `{divisor}` is not read: between ints `/` divides without a remainder, `(a / \
         b.to_float()).floor()` rounds down, and a tensor is divided so by `x.floor_divide(b)`"
    )
}

/// Looks at the tokens around a place.
struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// The token at the place, or the first after it.
    here: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, at: usize) -> Self {
        let tokens: Vec<Token> = Lexer::new(text, 0).collect();
        Reader {
            text,
            here: tokens.iter().take_while(|token| token.span.end <= at).count(),
            tokens,
        }
    }

    fn word(&self, index: Option<usize>) -> &'t str {
        let token = index.and_then(|index| self.tokens.get(index));
        token.map_or("", |token| &self.text[token.span.clone()])
    }

    fn kind(&self, index: Option<usize>) -> Option<Kind> {
        Some(self.tokens.get(index?)?.kind)
    }

    fn at(&self, offset: isize) -> Option<usize> {
        self.here.checked_add_signed(offset)
    }

    /// The first token of the line that the place is in, or of the line before if the place begins a line.
    fn first_of_line(&self) -> usize {
        let line_of = |index: usize| {
            let end = self
                .tokens
                .get(index)
                .map_or(self.text.len(), |token| token.span.start);
            self.text[..end].matches('\n').count()
        };
        let line = line_of(self.here);
        (0..=self.here)
            .find(|index| line_of(*index) == line)
            .unwrap_or(self.here)
    }

    /// Statements that are another way here, by the first word of the line.
    fn statement(&self) -> Option<Error> {
        let first = self.first_of_line();
        let word = self.word(Some(first));
        let is_at_line_start = self.here <= first + 1;
        let form = match word {
            "class" => "objects are maps: `let counter = #{ count: 0, step: |n| n + 1 };`",
            "with" => {
                "nothing needs it but what goes without gradients: `torch::no_grad(|| model.forward(x))`; files close by \
                 themselves"
            }
            "raise" => "write `throw \"what went wrong\";`",
            "except" => "write `try { … } catch (error) { … }`",
            "finally" => "write what is always to happen after the `try { … } catch { … }`",
            "assert" => "write `if !condition { throw \"…\"; }`, or use `std/testing`",
            "pass" => "an empty block is written `{}`",
            "del" => "variables end with their block",
            "yield" => "return an array, or give a closure to call",
            "async" | "await" => "scripts do one thing after the other",
            _ => return None,
        };
        is_at_line_start.then(|| Error::input(format!("`{word}` is not part of the language")).hint(form))
    }

    /// Expressions that are another way here.
    fn expression(&self) -> Option<Error> {
        let here = self.word(self.at(0));
        let before = self.word(self.at(-1));
        let is_text = |index| self.kind(index) == Some(Kind::Text);
        if (is_prefix(here) && is_text(self.at(1))) || (is_prefix(before) && is_text(self.at(0))) {
            let sentence = "texts have no letter before their quotes";
            return Some(
                Error::input(sentence)
                    .hint("values are put into a text between backquotes: `loss: ${loss:.3f}`"),
            );
        }
        if before == "import" && self.kind(self.at(0)) == Some(Kind::Name) {
            let error = Error::input("an import names a file between quotes");
            return Some(error.hint(
                "saescript's own modules and classes need none; a file of yours: `import \"file\" as name;`",
            ));
        }
        if (self.word(self.at(-2)), here) == ("for", ",") {
            let error = Error::input("two names of a loop stand between brackets");
            return Some(error.hint("write `for (x, i) in a { … }`: the value comes first"));
        }
        if (self.word(self.at(-2)), here) == ("let", ":") {
            return Some(Error::input("a variable has no type").hint(format!("write `let {before} = …`")));
        }
        if self.kind(self.at(0)) == Some(Kind::Number) && self.kind(self.at(-1)) == Some(Kind::OpenMap) {
            let error = Error::input("the keys of a map are texts");
            return Some(error.hint(format!(
                "write `#{{ \"{here}\": … }}`, and `m[n.to_string()]` to read it"
            )));
        }
        if let Some(advice) = self.unpacking().or_else(|| self.index()) {
            return Some(advice);
        }
        if here == "~" {
            return Some(Error::input("`~` is no operator").hint("write `!mask`"));
        }
        if here.starts_with('#') && self.kind(self.at(0)) != Some(Kind::OpenMap) {
            return Some(Error::input("`#` begins nothing here").hint("comments begin with `//`"));
        }
        let named = match (here, self.kind(self.at(0))) {
            ("=", _) => self.at(-1),
            (_, Some(Kind::Name)) if self.word(self.at(1)) == "=" => self.at(0),
            _ => None,
        };
        if self.kind(named) == Some(Kind::Name) && self.enclosing(named?) == Some(Kind::OpenRound) {
            let name = self.word(named);
            let hint =
                format!("arguments are named in a map at the end of the call: `f(…, #{{ {name}: … }})`");
            return Some(Error::input(format!("`{name} = …` is no argument")).hint(hint));
        }
        if here == "for" && self.enclosing(self.here) == Some(Kind::OpenSquare) {
            let error = Error::input("an array is not written with `for` inside");
            return Some(
                error.hint("write `items.map(|x| x * x)`, and `.filter(|x| x > 0)` for a condition"),
            );
        }
        None
    }

    /// `let (a, b) = f();`
    fn unpacking(&self) -> Option<Error> {
        let at_let = [0, -1, -2]
            .into_iter()
            .find(|offset| self.word(self.at(*offset)) == "let")?;
        let opens = matches!(self.word(self.at(at_let + 1)), "(" | "[")
            || self.kind(self.at(at_let + 2)) == Some(Kind::Comma);
        opens.then(|| {
            Error::input("a variable holds one value").hint(
                "take what came out, and its parts by their names or numbers: `let r = x.max(1);` then `r.values` and \
                 `r.indices`, or `r[0]` of an array",
            )
        })
    }

    /// `x[:, 0]`, which is written `x[":, 0"]`.
    fn index(&self) -> Option<Error> {
        let open = (0..self.here.min(self.tokens.len()))
            .rev()
            .find(|at| self.kind(Some(*at)) == Some(Kind::OpenSquare) || self.word(Some(*at)) == ";")?;
        let before = self.kind(open.checked_sub(1));
        let is_index = self.kind(Some(open)) == Some(Kind::OpenSquare)
            && matches!(before, Some(Kind::Name | Kind::Close));
        let close = (open + 1..self.tokens.len()).find(|at| self.word(Some(*at)) == "]")?;
        let inside = self.text[self.tokens[open].span.end..self.tokens[close].span.start].trim();
        let is_python = inside
            .chars()
            .all(|letter| letter.is_ascii_digit() || " -:,.".contains(letter) || "None".contains(letter));
        let is_several = inside.contains([':', ',']) || inside.contains("...");
        (is_index && is_python && is_several && !inside.is_empty()).then(|| {
            let hint = format!("dimensions of a Tensor are indexed by a text: `[\"{inside}\"]`, and with tensors as `x.at([0, mask])`");
            let error = Error::input("an index holds one value").hint(hint);
            if inside.contains(':') && !inside.contains(',') {
                error.hint("a part of an array is `a.extract(1..3)`, of a text `s[1..3]`")
            } else {
                error
            }
        })
    }

    /// What to do instead, where the complaint itself is right.
    fn hint(&self) -> Option<String> {
        let here = self.word(self.at(0));
        if let "+" | "-" = here
            && self.word(self.at(1)) == here
        {
            return Some(format!("write `x {here}= 1`"));
        }
        let first = self.word(Some(self.first_of_line()));
        let is_block = matches!(
            first,
            "for" | "if" | "while" | "else" | "elif" | "try" | "def" | "}"
        );
        if here == ":" && is_block {
            return Some(format!("blocks stand between braces: `{first} … {{ … }}`"));
        }
        let ends_with_colon = |line: &str| line.trim_end().ends_with(':');
        if is_block && self.rest_of_line().is_some_and(ends_with_colon) {
            return Some(format!("blocks stand between braces: `{first} … {{ … }}`"));
        }
        match (here, self.enclosing(self.here)) {
            (",", Some(Kind::OpenRound)) => Some("several values are an array: `[1, 2]`".into()),
            (":", Some(Kind::OpenCurly)) => Some("a map begins with `#{`: `#{ lr: 0.1 }`".into()),
            _ => None,
        }
    }

    /// `7 // 2;`, whose second half is a comment, so that the `;` is missed at the token after it.
    fn floor_division(&self) -> Option<String> {
        let before = self.tokens.get(self.here.checked_sub(1)?)?.span.end;
        let here = self
            .tokens
            .get(self.here)
            .map_or(self.text.len(), |token| token.span.start);
        let (divisor, bare) = divisor(self.text.get(before..here)?)?;
        let is_cut_off = bare.len() < divisor.len() || bare.parse::<f64>().is_ok();
        is_cut_off.then(|| instead_of_comment(divisor))
    }

    fn rest_of_line(&self) -> Option<&'t str> {
        let start = self.tokens.get(self.here.checked_sub(1)?)?.span.start;
        self.text[start..].lines().next()
    }

    /// The innermost bracket that is open at a token.
    fn enclosing(&self, index: usize) -> Option<Kind> {
        let mut open = Vec::new();
        for token in self.tokens.iter().take(index) {
            match token.kind {
                Kind::OpenMap | Kind::OpenCurly | Kind::OpenRound | Kind::OpenSquare => open.push(token.kind),
                Kind::Close => drop(open.pop()),
                _ => (),
            }
        }
        open.pop()
    }
}

/// The letters that Python puts before quotes.
fn is_prefix(word: &str) -> bool {
    matches!(word.to_lowercase().as_str(), "f" | "r" | "b" | "rf" | "fr" | "rb")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of the text at its first `§`, which is taken out.
    fn said(marked: &str) -> String {
        let at = marked.find('§').expect("a mark");
        let error = Error::input("cannot be read").at(Place {
            file: "a.rhai".into(),
            text: marked.replace('§', "").into(),
            span: at..at + 1,
        });
        advise(error).to_string()
    }

    #[test]
    fn the_form_here_is_named() {
        for (marked, form) in [
            ("print(§f\"loss {loss}\");", "backquotes"),
            ("let x = torch::zeros([2], dtype§=1);", "#{ dtype: … }"),
            ("f(§p=1)", "#{ p: … }"),
            ("let a = [x §for x in b];", "map(|x|"),
            ("for i in range(10)§:\n    f(i)", "braces"),
            ("x = (1§, 2);", "[1, 2]"),
            ("let m = { \"lr\"§: 1 };", "#{ lr: 0.1 }"),
            ("import §torch\n", "need none"),
            ("with§ torch::no_grad():", "gradients"),
            ("x§++;", "x += 1"),
            ("y = x[§:, 0];", "[\":, 0\"]"),
            ("y = x[0§, 1];", "[\"0, 1\"]"),
            ("y = x[§..., ::2];", "[\"..., ::2\"]"),
            ("y = x[:§, None];", "[\":, None\"]"),
            ("let §(a, b) = x.max(1);", "r.values"),
            ("let a§, b = f();", "r.values"),
            ("let x§: int = 3;", "let x = …"),
            ("for i§, x in xs { }", "for (x, i) in a"),
            ("#{ §1: 2 }", "#{ \"1\": … }"),
            ("y = x[1§:3];", "a.extract(1..3)"),
            ("§~(x > 0)", "!mask"),
            ("§# a comment", "//"),
            ("let x = 7 // 2;\n§print(x);", "begins a comment"),
            ("print(7 // n);\n§f(1);", "begins a comment"),
        ] {
            assert!(said(marked).contains(form), "{marked}: {}", said(marked));
        }
    }

    #[test]
    fn a_division_that_reads_as_a_comment_is_seen_where_the_line_can_be_read() {
        for (text, times) in [
            ("x // 2", 1),
            ("let n = 3; let half = x // n", 1),
            ("f(\n    x // 2\n)", 1),
            ("x[0] // 2.5", 1),
            ("x.len() // 2\n// 3", 1),
            ("let x = 7; // 2", 0),
            ("x // the 2nd", 0),
            ("x // half", 0),
            ("{ x } // 2", 0),
            ("\"a // 2\"", 0),
            ("x\n// 2", 0),
        ] {
            assert_eq!(floor_divisions("a.rhai", text).len(), times, "{text}");
        }
        let said = &floor_divisions("a.rhai", "total // 2")[0];
        assert_eq!(said.place().map(|place| place.span.clone()), Some(6..8));
        assert!(said.hints()[0].contains("floor_divide"), "{said}");
    }

    #[test]
    fn what_is_no_python_is_left_as_it_is() {
        for marked in [
            "let x = 3 § 4;",
            "f(1, §2 3)",
            "let f = |x| x; f§ 1",
            "#{ a§ 1 }",
            "let a = [1§, 2];",
            "let a = 1 // one\n§f();",
            "let a = 1 // one; two\n§f();",
        ] {
            assert_eq!(said(marked), "cannot be read", "{marked}");
        }
    }
}
