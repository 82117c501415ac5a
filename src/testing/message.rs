//! What the process of a file tells the one that started it: a line of JSON for each message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::report::diagnostic;
use crate::script::Spot;

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Message {
    /// The test of that name begins.
    Began {
        /// Its name.
        test: String,
    },
    /// The test that began last came to its end.
    Ended(Ended),
    /// Statements ran that had not run before.
    Covered {
        /// The lines and columns of each, by the script's name in errors.
        files: BTreeMap<String, Vec<Spot>>,
    },
    /// The script as a whole cannot be tested.
    Broken {
        /// Why.
        failure: Failure,
    },
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Its name.
    pub test: String,
    /// How long it ran.
    pub seconds: f64,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Why it was skipped, if it was.
    pub skipped: Option<String>,
    /// What it printed.
    pub printed: String,
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The sentence.
    pub message: String,
    /// The file that the place is in.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The column, counted from 1, in characters.
    pub column: Option<usize>,
    /// All of it, as a terminal shows it.
    pub shown: String,
}

impl Failure {
    /// Describes an error.
    pub fn new(error: &Error) -> Self {
        let place = error.place();
        let position = place.map(|place| place.line_column());
        Failure {
            message: error.headline(),
            file: place.map(|place| place.file.clone()),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            shown: diagnostic::render(error, true),
        }
    }
}
