//! How an error looks: sentence, place with the source line and an underline, callers, advice.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::visible::visible;
use crate::error::{Caller, Error, Place};

/// At most so many callers are shown; of a longer chain, the innermost.
const MOST_CALLERS: usize = 8;

/// Returns the whole text of an error for people, without a final line break. Control characters in it are shown.
///
/// ```text
/// error: `lr`: expected a number, but was given string "fast"
///   --> train.rhai:7:9
///    |
///  7 |     lr: "fast",
///    |         ^^^^^^
///   help: …
/// ```
pub fn render(error: &Error, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let title = Level::ERROR.primary_title(visible(&error.headline()).into_owned());
    let Some(place) = error.place() else {
        let title = renderer.render(&[Group::with_title(title)]);
        let hints = error
            .hints()
            .iter()
            .map(|hint| format!("\n  help: {}", visible(hint)));
        return hints.fold(title, |text, hint| text + hint.as_str());
    };
    let mut group = title.element(snippet(place));
    for caller in error.callers().iter().take(MOST_CALLERS) {
        group = group.element(Level::NOTE.message(visible(&called_from(caller)).into_owned()));
    }
    let more = error.callers().len().saturating_sub(MOST_CALLERS);
    if more > 0 {
        group = group.element(Level::NOTE.message(format!("… and {more} more callers")));
    }
    for hint in error.hints() {
        group = group.element(Level::HELP.message(visible(hint)));
    }
    let text = renderer.render(&[group]);
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn snippet(place: &Place) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    let at = |byte: usize| before_line_break(&place.text, place.text.floor_char_boundary(byte));
    let start = at(place.span.start);
    // An underline that runs over many lines hides more than it shows.
    let line_end = place.text[start..]
        .find('\n')
        .map_or(place.text.len(), |length| at(start + length));
    let stop = at(place.span.end).clamp(start, line_end);
    let (text, span) = visible_with(&place.text, start..stop);
    Snippet::source(text)
        .path(visible(&place.file))
        .fold(true)
        .annotation(AnnotationKind::Primary.span(span))
}

/// `text` made visible, and what became of `span` in it.
fn visible_with(text: &str, span: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    let shown = visible(text);
    if shown == text {
        return (shown, span);
    }
    let length = |part: &str| visible(part).len();
    let start = length(&text[..span.start]);
    let stop = start + length(&text[span]);
    (shown, start..stop)
}

/// `at`, or where the line break `\r\n` begins if `at` is inside of it: no line has a place there.
fn before_line_break(text: &str, at: usize) -> usize {
    let inside = text[..at].ends_with('\r') && text[at..].starts_with('\n');
    at - usize::from(inside)
}

fn called_from(caller: &Caller) -> String {
    let (line, column) = caller.place.line_column();
    format!(
        "in {}, called from {}:{line}:{column}",
        quoted(&caller.function),
        caller.place.file
    )
}

/// Names of functions between backquotes; descriptions such as "a closure" without.
fn quoted(function: &str) -> String {
    if function.contains(' ') {
        function.to_string()
    } else {
        format!("`{function}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_the_callers_and_the_advice_are_shown() {
        let place = Place {
            file: "a.rhai".into(),
            text: "let x = 1;\nlet y = fist(x);\n".into(),
            span: 19..23,
        };
        let caller = Place {
            file: "b.rhai".into(),
            text: "f();".into(),
            span: 0..1,
        };
        let error = Error::input("unknown function `fist`")
            .at(place)
            .called_from("f", caller)
            .hint("did you mean `first`?");
        let text = render(&error, false);
        let wanted = "\
error: unknown function `fist`
 --> a.rhai:2:9
  |
2 | let y = fist(x);
  |         ^^^^
  |
  = note: in `f`, called from b.rhai:1:1
  = help: did you mean `first`?";
        assert_eq!(text, wanted);
    }

    #[test]
    fn nothing_in_an_error_is_obeyed_by_a_terminal() {
        let place = Place {
            file: "a\x1b[1m.rhai".into(),
            text: "let a = \"\x1b[31m\";\nlet \u{202e}b = \"\u{9b}x\" + 1;\r\n".into(),
            span: 28..36,
        };
        assert_eq!(&place.text[place.span.clone()], "\"\u{9b}x\" + ");
        let error = Error::input("bad \x1b]0;t\x07 name\u{9b}")
            .at(place.clone())
            .called_from("f\x1b", place)
            .hint("try \r this");
        let text = render(&error, false);
        assert!(
            !text.chars().any(|letter| letter.is_control() && letter != '\n'),
            "{text:?}"
        );
        for shown in [
            "bad ␛]0;t␇ name\\u{9b}",
            "a␛[1m.rhai:2:10",
            "\\u{202e}b",
            "`f␛`",
            "try ␍ this",
        ] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
        let bare = render(&Error::input("bad \x1b]0;t").hint("\x07"), false);
        assert_eq!(bare, "error: bad ␛]0;t\n  help: ␇");
    }

    #[test]
    fn every_place_can_be_shown() {
        let text: std::sync::Arc<str> = "a\r\n\r\n\rb\u{1b} e\u{301}\n\n🙂\r".into();
        for start in 0..=text.len() + 1 {
            for end in 0..=text.len() + 1 {
                let place = Place {
                    file: "a.json".into(),
                    text: text.clone(),
                    span: start..end,
                };
                let shown = render(&Error::input("broken").at(place), false);
                assert!(
                    shown.starts_with("error: broken\n --> a.json:"),
                    "{start}..{end}: {shown}"
                );
            }
        }
    }

    #[test]
    fn an_error_without_a_place_is_its_sentence_and_advice() {
        let text = render(&Error::input("no such file").hint("look again"), false);
        assert_eq!(text, "error: no such file\n  help: look again");
    }
}
