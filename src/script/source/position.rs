//! Where in a text the engine's positions are.

use rhai::Position;

/// Returns the byte offset of a line and column.
pub fn offset(text: &str, position: Position) -> Option<usize> {
    let line = position.line()?;
    let start = match line {
        1 => 0,
        _ => text.match_indices('\n').nth(line - 2)?.0 + 1,
    };
    let column = position.position().unwrap_or(1);
    let rest = &text[start..];
    let within = rest
        .char_indices()
        .nth(column - 1)
        .map_or(rest.len(), |(at, _)| at);
    Some(start + within)
}
