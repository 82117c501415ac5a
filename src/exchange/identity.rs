//! What a dictionary is called where dashboards of many are gathered.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};

/// Names of a dictionary at Neuronpedia.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceIdentity {
    /// The model.
    pub model: String,
    /// The layer that it reads.
    pub layer: i64,
    /// The set of dictionaries, one for each layer, that it belongs to.
    pub set: String,
    /// Tells several of a layer and a set apart.
    pub suffix: Option<String>,
    /// Its hook point.
    pub hook: Option<String>,
}

/// Parts of a name that somebody gave, in the place of what a store says.
#[derive(Clone, Debug, Default)]
pub struct GivenIdentity {
    /// The model.
    pub model: Option<String>,
    /// The layer.
    pub layer: Option<i64>,
    /// The set.
    pub set: Option<String>,
    /// The suffix.
    pub suffix: Option<String>,
}

impl SourceIdentity {
    /// Returns the names that were given, and else those by which the facts `meta` of a store call its dictionary.
    ///
    /// # Errors
    /// A name that neither tells, or one with characters that no folder's name can have.
    pub fn new(given: &GivenIdentity, meta: &BTreeMap<String, String>) -> Result<Self> {
        let hook = hook(meta);
        let layer = given.layer.or_else(|| layer(hook.as_deref()?));
        let name = |given: &Option<String>, key: &str, flag: &str| {
            let known = given.clone().or_else(|| meta.get(key).cloned());
            let name = known.filter(|name| !name.trim().is_empty());
            named(name.ok_or_else(|| missing(flag))?, flag)
        };
        Ok(SourceIdentity {
            model: name(&given.model, "model.name", "--model-id")?,
            layer: layer.ok_or_else(|| missing("--layer"))?,
            set: name(&given.set, "dictionary.series", "--set")?,
            suffix: given
                .suffix
                .clone()
                .map(|suffix| named(suffix, "--suffix"))
                .transpose()?,
            hook,
        })
    }

    /// Returns its name among those of the model: `LAYER-SET[__SUFFIX]`.
    pub fn source(&self) -> String {
        let base = format!("{}-{}", self.layer, self.set);
        match &self.suffix {
            Some(suffix) => format!("{base}__{suffix}"),
            None => base,
        }
    }
}

fn missing(flag: &str) -> Error {
    Error::input(format!("the store does not tell what `{flag}` is")).hint(format!("say it: {flag} …"))
}

/// Returns `name` with what parts folders replaced, so that names of a hub serve too.
fn named(name: String, flag: &str) -> Result<String> {
    let name = name.trim();
    // Of a path on this machine only the last part is a name.
    let last = name.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let name = if name.starts_with('/') { last } else { name };
    let name = name.replace(['/', '\\'], "-");
    if name.starts_with('.') || name.chars().any(char::is_control) {
        return Err(Error::input(format!(
            "`{}` cannot be the name of a folder",
            name.escape_debug()
        ))
        .hint(format!("give another name with `{flag}`")));
    }
    Ok(name)
}

/// Returns the hook point that the dictionary of a store reads.
fn hook(meta: &BTreeMap<String, String>) -> Option<String> {
    let config: Value = serde_json::from_str(meta.get("dictionary.config")?).ok()?;
    let of_one = config.get("hook_point_in").and_then(Value::as_str);
    let of_several = || config.get("hook_points")?.get(0)?.as_str();
    of_one.or_else(of_several).map(str::to_string)
}

/// Returns the layer in `blocks.LAYER.…`.
fn layer(hook: &str) -> Option<i64> {
    hook.strip_prefix("blocks.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_store_unless_others_are_given() {
        let facts = [
            ("model.name", "EleutherAI/pythia-160m"),
            ("dictionary.series", "res"),
            (
                "dictionary.config",
                r#"{"hook_point_in": "blocks.6.hook_resid_post"}"#,
            ),
        ];
        let meta: BTreeMap<String, String> = facts.map(|(key, value)| (key.into(), value.into())).into();
        let told = SourceIdentity::new(&GivenIdentity::default(), &meta).expect("all is there");
        assert_eq!(told.model, "EleutherAI-pythia-160m");
        assert_eq!(told.source(), "6-res");
        let given = GivenIdentity {
            layer: Some(3),
            suffix: Some("b".into()),
            ..GivenIdentity::default()
        };
        assert_eq!(
            SourceIdentity::new(&given, &meta).expect("named").source(),
            "3-res__b"
        );
        let nothing = SourceIdentity::new(&given, &BTreeMap::new()).map_err(|error| error.to_string());
        assert!(nothing.is_err_and(|error| error.contains("--model-id")));
        let hidden = GivenIdentity {
            set: Some("..".into()),
            ..given
        };
        assert!(SourceIdentity::new(&hidden, &meta).is_err());
    }
}
