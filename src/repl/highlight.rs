//! Colours of the language.

use anstyle::{AnsiColor, Style};

use crate::script::source::lexer::{Kind, Lexer, Token};

/// Words of the language.
pub(super) const KEYWORDS: &[&str] = &[
    "as", "break", "catch", "const", "continue", "do", "else", "export", "false", "fn", "for", "if",
    "import", "in", "let", "loop", "private", "return", "switch", "this", "throw", "true", "try", "until",
    "while",
];

/// Returns `text` with colours, of the same width. `is_known` tells names that saescript provides.
pub(super) fn highlight(text: &str, is_known: impl Fn(&str) -> bool) -> String {
    let mut coloured = String::with_capacity(2 * text.len());
    let mut at = 0;
    for token in Lexer::new(text, 0) {
        coloured += &between(&text[at..token.span.start]);
        let word = &text[token.span.clone()];
        match style_of(&token, word, &is_known) {
            Some(style) => coloured += &painted(word, style),
            None => coloured += word,
        }
        at = token.span.end;
    }
    coloured += &between(&text[at..]);
    coloured
}

fn style_of(token: &Token, word: &str, is_known: &impl Fn(&str) -> bool) -> Option<Style> {
    match token.kind {
        Kind::Text => Some(AnsiColor::Green.on_default()),
        Kind::Number => Some(AnsiColor::Magenta.on_default()),
        Kind::Name if ["true", "false"].contains(&word) => Some(AnsiColor::Magenta.on_default()),
        Kind::Name if KEYWORDS.contains(&word) => Some(AnsiColor::Blue.on_default().bold()),
        Kind::Name if is_known(word) => Some(AnsiColor::Cyan.on_default()),
        _ => None,
    }
}

/// What the lexer leaves out: blanks, and comments, which are dimmed.
fn between(gap: &str) -> String {
    let comment = gap.trim();
    if comment.is_empty() {
        gap.to_string()
    } else {
        painted(gap, Style::new().dimmed())
    }
}

/// Styles end before a line does, because the terminal's own attributes are reset there.
fn painted(text: &str, style: Style) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            if line.is_empty() {
                String::new()
            } else {
                format!("{style}{line}{style:#}")
            }
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "let x = Trainer(\"a\", 1e-4); // so\nif x { y } /* z */";

    #[test]
    fn colours_do_not_change_the_text() {
        let coloured = highlight(ENTRY, |name| name == "Trainer");
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), ENTRY);
    }

    #[test]
    fn each_kind_has_its_colour() {
        let coloured = highlight(ENTRY, |name| name == "Trainer");
        for (word, style) in [
            ("let", AnsiColor::Blue.on_default().bold()),
            ("\"a\"", AnsiColor::Green.on_default()),
            ("1e-4", AnsiColor::Magenta.on_default()),
            ("Trainer", AnsiColor::Cyan.on_default()),
        ] {
            assert!(
                coloured.contains(&format!("{style}{word}{style:#}")),
                "{word} in {coloured:?}"
            );
        }
        assert!(!coloured.contains(&format!("{}y", AnsiColor::Cyan.on_default())));
    }

    #[test]
    fn unfinished_strings_are_coloured_to_the_end() {
        let green = AnsiColor::Green.on_default();
        assert_eq!(highlight("\"ab", |_| false), format!("{green}\"ab{green:#}"));
    }
}
