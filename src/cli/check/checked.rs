//! What was found out about one file.

use std::path::Path;

use crate::error::{Error, Fault};

/// Everything that is wrong with one of the files, with what to say if nothing is.
pub(super) struct Checked {
    pub wrong: Vec<Error>,
    pub fault: Fault,
    pub summary: String,
}

impl Checked {
    /// The line about `file` at the end. Where errors are counted, it names the files that they are in.
    pub(super) fn line(&self, file: &Path) -> String {
        let is_counted = self.wrong.iter().any(|error| error.place().is_some());
        if is_counted {
            self.summary.clone()
        } else {
            format!("{}: {}", file.display(), self.summary)
        }
    }

    /// What to say at the end: how many errors are in which file, or `right` if there are none.
    pub(super) fn counted(wrong: &[Error], right: &str) -> String {
        let mut files: Vec<(&str, usize)> = Vec::new();
        for error in wrong {
            let file = error.place().map_or("", |place| place.file.as_str());
            match files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, count)) => *count += 1,
                None => files.push((file, 1)),
            }
        }
        let parts: Vec<String> = files
            .iter()
            .enumerate()
            .map(|(index, (file, count))| {
                let what = match (index, count) {
                    (0, 1) => " error",
                    (0, _) => " errors",
                    _ => "",
                };
                let place = if file.is_empty() {
                    String::new()
                } else {
                    format!(" in {file}")
                };
                format!("{count}{what}{place}")
            })
            .collect();
        if parts.is_empty() {
            right.to_string()
        } else {
            parts.join(", ")
        }
    }
}
