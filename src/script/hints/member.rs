//! What an object has, as far as hints need it.

use crate::script::docs::{Entry, Kind};

/// What can be read from an object or called on it.
pub(super) struct Member {
    pub name: String,
    pub is_called: bool,
    /// Without the object itself.
    pub signatures: Vec<String>,
}

impl Member {
    pub(super) fn of(entry: &Entry) -> Member {
        Member {
            name: entry.name.clone(),
            is_called: matches!(entry.kind, Kind::Method | Kind::Function | Kind::Constructor),
            signatures: entry.signatures.clone(),
        }
    }

    pub(super) fn of_all(entries: &[&Entry]) -> Vec<Member> {
        entries.iter().map(|entry| Member::of(entry)).collect()
    }

    /// Returns a function of the language that takes an object of type `kind` first, which is called as its method too.
    pub(super) fn of_standard(entry: &Entry, kind: &str) -> Option<Member> {
        /// Nobody thinks of these as methods of what they are given.
        const FUNCTIONS: [&str; 5] = ["blob", "range", "sleep", "get_fn_metadata_list", "eval"];
        if FUNCTIONS.contains(&entry.name.as_str()) {
            return None;
        }
        let signatures: Vec<String> = entry
            .signatures
            .iter()
            .filter_map(|signature| {
                let (name, inside) = signature.split_once('(')?;
                let (parameters, returned) = inside.rsplit_once(')')?;
                let (first, rest) = parameters.split_once(", ").unwrap_or((parameters, ""));
                let (_, of) = first.split_once(": ")?;
                (of == kind).then(|| format!("{name}({rest}){returned}"))
            })
            .collect();
        let is_one = entry.standard && entry.kind == Kind::Function && !signatures.is_empty();
        is_one.then(|| Member {
            signatures,
            ..Member::of(entry)
        })
    }
}
