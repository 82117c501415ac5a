//! Checks a configuration file.

use std::path::Path;

use super::checked::Checked;
use crate::config::{Config, Document};
use crate::error::{Error, Fault};
use crate::library::{MANIFEST, Manifest};
use crate::runner::{
    AnalyzeCrosscoderSettings, AnalyzeSAESettings, DirectLogitAttributeSettings, EvalSettings,
    GenerateActivationsSettings, ImportSettings, TrainSAESettings,
};

/// What a configuration file may be for.
struct Purpose {
    /// What its settings are of.
    what: &'static str,
    /// The names of its topmost keys.
    keys: fn() -> Vec<String>,
    /// Those of them that have no default.
    needed: fn() -> Vec<String>,
    /// Everything that is wrong with a file of this kind.
    faults: fn(&Document) -> Vec<Error>,
}

impl Purpose {
    const fn of<C: Config>(what: &'static str) -> Purpose {
        Purpose {
            what,
            keys: keys_of::<C>,
            needed: needed_by::<C>,
            faults: Document::faults::<C>,
        }
    }
}

/// One for each command that takes a configuration file.
static PURPOSES: [Purpose; 7] = [
    Purpose::of::<TrainSAESettings>("a training (saescript train)"),
    Purpose::of::<GenerateActivationsSettings>("a generation of activations (saescript generate)"),
    Purpose::of::<EvalSettings>("an evaluation (saescript eval)"),
    Purpose::of::<AnalyzeSAESettings>("a feature analysis (saescript analyze)"),
    Purpose::of::<AnalyzeCrosscoderSettings>("a feature analysis of a crosscoder (saescript analyze)"),
    Purpose::of::<DirectLogitAttributeSettings>("an attribution of logits (saescript logits)"),
    Purpose::of::<ImportSettings>("an import of records (saescript import)"),
];

/// A manifest is told by its name.
static PROJECT: Purpose = Purpose::of::<Manifest>("a project or a library");

fn keys_of<C: Config>() -> Vec<String> {
    let schema = schemars::schema_for!(C).to_value();
    let properties = schema["properties"].as_object();
    properties
        .into_iter()
        .flat_map(|map| map.keys().cloned())
        .collect()
}

fn needed_by<C: Config>() -> Vec<String> {
    let schema = schemars::schema_for!(C).to_value();
    let required = schema["required"].as_array();
    let names = required.into_iter().flatten().filter_map(|name| name.as_str());
    names.map(str::to_string).collect()
}

/// Returns whether this is a file of settings, by its name.
pub(super) fn is_settings(file: &Path) -> bool {
    Document::has_format(file)
}

/// Reads the configuration `file` as what its keys say it is for.
pub(super) fn check(file: &Path) -> Checked {
    let checked = |wrong: Vec<Error>, right: &str| Checked {
        summary: Checked::counted(&wrong, right),
        wrong,
        fault: Fault::Input,
    };
    let document = match Document::read(file) {
        Ok(document) => document,
        Err(error) => return checked(vec![error], ""),
    };
    let purpose = if file.ends_with(MANIFEST) {
        Ok(&PROJECT)
    } else {
        purpose_of(&document)
    };
    match purpose {
        Ok(purpose) => {
            let mut wrong = (purpose.faults)(&document);
            wrong.sort_by_key(|error| error.place().map_or(0, |place| place.span.start));
            checked(wrong, &format!("settings of {}, ok", purpose.what))
        }
        Err(error) => checked(vec![document.locate_in_file(error)], ""),
    }
}

/// The purpose that most of the topmost keys belong to; of several, that of which none is missing.
fn purpose_of(document: &Document) -> Result<&'static Purpose, Error> {
    let given: Vec<&String> = document
        .value()
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys())
        .collect();
    let fitting = |purpose: &Purpose| {
        let keys = (purpose.keys)();
        let needed = (purpose.needed)();
        let is_whole = needed.iter().all(|key| given.contains(&key));
        (given.iter().filter(|key| keys.contains(key)).count(), is_whole)
    };
    let counts = PURPOSES.each_ref().map(fitting);
    let most = counts.iter().copied().max().unwrap_or_default();
    let best = PURPOSES.iter().zip(counts);
    let best: Vec<&Purpose> = best
        .filter(|(_, count)| *count == most && most.0 > 0)
        .map(|(purpose, _)| purpose)
        .collect();
    // One key says little; where several are of more than one command, it is the one with least to blame.
    let likeliest = best.iter().filter(|_| best.len() == 1 || most.0 > 1);
    match likeliest.min_by_key(|purpose| (purpose.faults)(document).len()) {
        Some(purpose) => Ok(purpose),
        None => {
            let first = best.first();
            let said = match first {
                Some(_) => "these settings may be of more than one command",
                None => "none of these keys is a setting of a command",
            };
            let error = Error::input(said);
            Err(PURPOSES.iter().fold(error, |error, purpose| {
                error.hint(format!("{} needs {}", purpose.what, listed(&(purpose.needed)())))
            }))
        }
    }
}

fn listed(keys: &[String]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    quoted.join(", ")
}
