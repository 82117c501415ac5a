//! Where in a text something is wrong, and who called what is there.

use std::ops::Range;
use std::sync::Arc;

/// A stretch of source text: which file, the whole text, and the byte range meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as its user named it, or `repl:3` for the third entry of a session.
    pub file: String,
    /// The whole text of that file.
    pub text: Arc<str>,
    /// Byte range in `text`.
    pub span: Range<usize>,
}

impl Place {
    /// Returns the line and column (in characters) of the start, both from 1.
    pub fn line_column(&self) -> (usize, usize) {
        self.line_column_of(self.span.start)
    }

    /// Returns the line and column (in characters) after the last character, both from 1.
    pub fn end(&self) -> (usize, usize) {
        self.line_column_of(self.span.end)
    }

    fn line_column_of(&self, byte: usize) -> (usize, usize) {
        let start = byte.min(self.text.len());
        let before = &self.text.as_bytes()[..start];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        (line, column)
    }
}

/// One caller on the way to an error: `called from here`.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Name of the function that was being called.
    pub function: String,
    /// Where the call stands.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let place = Place {
            file: "a".into(),
            text: "é\nüx = 1".into(),
            span: 5..6,
        };
        assert_eq!(place.line_column(), (2, 2));
    }
}
