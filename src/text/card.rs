//! What a data set's README says about its files: the `configs` in its YAML head.

use crate::config::{Value, yaml_value};
use crate::error::{Context, Error, Result};

/// One of the configurations of a data set.
#[derive(Debug, PartialEq)]
pub(super) struct CardConfig {
    pub name: String,
    is_default: bool,
    /// Split → globs; empty: the files are found by their names.
    pub files: Vec<(String, Vec<String>)>,
    /// The folder that the globs and names are relative to.
    pub folder: Option<String>,
}

/// Returns the configurations that a README lists.
///
/// # Errors
/// A YAML head that lists configurations but cannot be read.
pub(super) fn configs(readme: &str) -> Result<Vec<CardConfig>> {
    let Some(head) = head(readme).filter(|head| head.contains("configs:")) else {
        return Ok(Vec::new());
    };
    let value = yaml_value(head)
        .context("in the head of README.md, which lists the data set's files")
        .map_err(|error| error.hint("`data_files` chooses files without it"))?;
    let list = value.get("configs").and_then(Value::as_array);
    Ok(list.into_iter().flatten().filter_map(config).collect())
}

/// Returns the configuration called `name`; without a name the only one, or the default.
///
/// # Errors
/// No such configuration, or several and no default among them.
pub(super) fn choose<'a>(configs: &'a [CardConfig], name: Option<&str>) -> Result<&'a CardConfig> {
    let names: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
    let found = match name {
        Some(name) => configs.iter().find(|config| config.name == name),
        None if configs.len() == 1 => configs.first(),
        None => configs
            .iter()
            .find(|config| config.is_default)
            .or_else(|| configs.iter().find(|config| config.name == "default")),
    };
    found.ok_or_else(|| match name {
        Some(name) => Error::unknown("configuration", name, &names).under("name"),
        None => Error::input("the data set has several configurations, so one has to be named")
            .hint(format!("set `name` to one of: {}", names.join(", ")))
            .under("name"),
    })
}

/// What stands between two lines `---` at the start.
fn head(readme: &str) -> Option<&str> {
    let rest = readme.trim_start_matches('\u{feff}').strip_prefix("---")?;
    let (head, _) = rest.split_once("\n---")?;
    Some(head)
}

fn config(value: &Value) -> Option<CardConfig> {
    Some(CardConfig {
        name: value.get("config_name")?.as_str()?.to_string(),
        is_default: value.get("default").and_then(Value::as_bool).unwrap_or(false),
        files: value.get("data_files").map(files).unwrap_or_default(),
        folder: value.get("data_dir").and_then(Value::as_str).map(String::from),
    })
}

/// A glob, a list of globs, a list of `{ split, path }`, or a map from split to globs.
fn files(value: &Value) -> Vec<(String, Vec<String>)> {
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => items
            .iter()
            .filter_map(|item| {
                let split = item.get("split").and_then(Value::as_str).unwrap_or("train");
                Some((split.to_string(), globs(item.get("path")?)))
            })
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(split, path)| (split.clone(), globs(path)))
            .collect(),
        other => vec![("train".into(), globs(other))],
    }
}

fn globs(value: &Value) -> Vec<String> {
    match value {
        Value::String(glob) => vec![glob.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(String::from).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_listing_files_is_read() {
        let readme = "---\nlicense: mit\nconfigs:\n- config_name: en\n  default: true\n  data_files:\n  - split: train\n    \
                      path: en/train-*\n  - split: test\n    path: [\"en/a\", \"en/b\"]\n- config_name: de\n  data_files: de/*.csv\n- \
                      config_name: all\n  data_dir: everything\n---\n# About\n";
        let configs = configs(readme).expect("readable");
        let english = choose(&configs, None).expect("the default");
        assert_eq!(english.files[0], ("train".into(), vec!["en/train-*".into()]));
        assert_eq!(
            english.files[1],
            ("test".into(), vec!["en/a".into(), "en/b".into()])
        );
        let german = choose(&configs, Some("de")).expect("listed");
        assert_eq!(
            german.files,
            [("train".to_string(), vec!["de/*.csv".to_string()])]
        );
        assert_eq!(
            choose(&configs, Some("all")).expect("listed").folder.as_deref(),
            Some("everything")
        );
        let error = choose(&configs, Some("fr")).expect_err("not listed");
        assert!(error.to_string().contains("`en`, `de`, `all`"), "{error}");
        assert!(choose(&configs[1..], None).is_err());
        assert_eq!(super::configs("# No head").expect("readable"), []);
    }
}
