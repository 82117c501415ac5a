//! What the settings say of how files are to be read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How plain text is cut into records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SampleBy {
    /// Each line is a record, a blank one too.
    #[default]
    Line,
    /// Blank lines stand between records.
    Paragraph,
    /// Each file is a record.
    Document,
}

impl SampleBy {
    /// Its name in settings.
    pub(in crate::text) fn name(self) -> &'static str {
        match self {
            SampleBy::Line => "line",
            SampleBy::Paragraph => "paragraph",
            SampleBy::Document => "document",
        }
    }
}

/// What the settings say of how files are to be read.
#[derive(Clone, Debug, Default)]
pub(in crate::text) struct Manner {
    /// What stands between the cells of CSV; `None`: a comma, or a tab in `.tsv`.
    pub separator: Option<u8>,
    /// The key of a JSON object under which the list of records is.
    pub field: Option<String>,
    /// The column that a record of text has, or a path to it.
    pub text_column: String,
    /// How plain text is cut.
    pub sample_by: SampleBy,
}
