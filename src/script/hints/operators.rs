//! Operators between values that they are not defined for.

use crate::error::Error;

/// Says that an operator is not defined between what it stands between, of these types.
pub(super) fn undefined(name: &str, given: &[String]) -> Error {
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    match (name, given.as_slice()) {
        ("..", [..]) | ("..=", [..]) => Error::input(format!(
            "a range goes from an int to an int, but {} were given",
            given.join(" and ")
        ))
        .hint("with a step it is written `range(0, 10, 2)`"),
        (_, [left, right]) => {
            let error = Error::input(format!("`{name}` is not defined between {left} and {right}"));
            match (name, *left, *right) {
                ("+" | "+=", "array", _) => {
                    error.hint("`a.push(x)` adds one element, `a + [x]` makes a longer array")
                }
                ("*", "array", "int") => error.hint(
                    "many of the same: `(0..5).map(|i| 0)`; arithmetic on many numbers is done by tensors: `torch::tensor(a)`",
                ),
                ("-" | "*" | "/", "array", _) | ("-" | "*" | "/", _, "array") => {
                    error.hint("arithmetic on many numbers is done by tensors: `torch::tensor(a)`")
                }
                ("*", "string", "int") => error.hint("`text.repeat(3)` writes a text three times"),
                ("%", "string", _) => error.hint(
                    "values are put into a text between backquotes, `loss: ${loss:.3f}`, or by `text.format(x)`",
                ),
                ("-" | "*" | "/", "string", "int" | "float")
                | ("-" | "*" | "/" | "%", "int" | "float", "string") => {
                    error.hint("a text becomes a number with `parse_int(text)` or `parse_float(text)`")
                }
                ("+", "map", "map") => error.hint("`m.mixin(other)` adds the keys of another map"),
                (_, "()", _) | (_, _, "()") => error.hint(super::NO_VALUE),
                _ => error,
            }
        }
        (_, [only]) => Error::input(format!("`{name}` is not defined for {only}")),
        _ => Error::input(format!("`{name}` is not defined for ({})", given.join(", "))),
    }
}
