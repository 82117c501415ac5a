//! The arguments of a call, and the settings in them, put to the policy.

use std::path::{Component, Path, PathBuf};

use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use super::caller::policy_of;
use crate::config::Value;
use crate::error::{Context, Result};
use crate::hub::{HubSettings, Meant, meant_by};
use crate::policy::{Access, Policy, Server};
use crate::report::wandb;
use crate::script::class::CLASSES;
use crate::script::doors::{Door, Place, UNLESS, place_of_key};
use crate::script::state::State;
use crate::store::is_remote;

/// Names of data sets that say how `data_files` are to be read, and not where anything is.
const FORMATS: [&str; 5] = ["json", "csv", "text", "parquet", "arrow"];

/// Asks the policy of the code that makes a call for all that its arguments name. Returns that policy where it is not the
/// script's own: files that are opened during the call have to be allowed by it, too.
///
/// # Errors
/// Something may not be used; says which flag allows it.
pub fn ask(context: &NativeCallContext, door: &Door, arguments: &[&mut Dynamic]) -> Result<Option<Policy>> {
    let state = State::of(context);
    let (policy, is_own) = if state.has_libraries() {
        policy_of(context, &state)
    } else {
        (state.policy(), true)
    };
    let asked = Asked {
        policy: &policy,
        door,
        // `load_dataset("json", #{ data_files: … })`
        by_format: arguments.iter().any(|argument| has_files(argument))
            && arguments
                .first()
                .and_then(|first| text_of(first))
                .is_some_and(|first| is_format(&first)),
    };
    for (index, place) in door.arguments {
        if let Some(argument) = arguments.get(*index) {
            asked.value(*place, argument)?;
        }
    }
    if door.looks_into_settings {
        arguments
            .iter()
            .try_for_each(|argument| asked.settings(argument))?;
    }
    Ok((!is_own).then_some(policy))
}

/// Asks for a folder that a call writes to, which no argument of it names.
///
/// # Errors
/// It may not be written; says which flag allows it.
pub fn ask_to_write(context: &NativeCallContext, folder: &str) -> Result<()> {
    let state = State::of(context);
    policy_of(context, &state)
        .0
        .ask_path(Access::Write, Path::new(folder))
}

/// Asks for a file that a call found, which no argument of it names.
///
/// # Errors
/// It may not be read; says which flag allows it.
pub fn ask_to_read(context: &NativeCallContext, path: &Path) -> Result<()> {
    let state = State::of(context);
    policy_of(context, &state).0.ask_path(Access::Read, path)
}

/// A call that is being asked for.
struct Asked<'a> {
    policy: &'a Policy,
    door: &'a Door,
    /// Are the files of a data set named outright, and not below what the first argument names?
    by_format: bool,
}

impl Asked<'_> {
    /// A text, or several, as a script gives them.
    fn value(&self, place: Place, value: &Dynamic) -> Result<()> {
        if let Some(text) = value.read_lock::<ImmutableString>() {
            self.text(place, &text)
        } else if let Some(items) = value.read_lock::<Array>() {
            items.iter().try_for_each(|item| self.value(place, item))
        } else if let Some(items) = value.read_lock::<Map>() {
            items.values().try_for_each(|item| self.value(place, item))
        } else {
            Ok(())
        }
    }

    /// A map of named arguments, or a configuration.
    fn settings(&self, argument: &Dynamic) -> Result<()> {
        if let Some(map) = argument.read_lock::<Map>() {
            return self.named(&map);
        }
        let config = CLASSES.iter().find_map(|class| class.unwrap(argument));
        config.map_or(Ok(()), |settings| self.plain(&settings?))
    }

    fn named(&self, map: &Map) -> Result<()> {
        for (key, value) in map {
            let is_wandb_off = || !wandb::talks_to_server(map.get("mode").and_then(text_of).as_deref());
            match place_of_key(key) {
                _ if self.door.leaves_out.contains(&key.as_str()) => (),
                Some(Place::Wandb) if is_wandb_off() => (),
                // Relative to the data set, which the first argument names.
                Some(Place::Files) if !self.by_format => (),
                Some(place) => self.value(place, value).under(key.as_str())?,
                None => self.settings(value)?,
            }
        }
        Ok(())
    }

    /// Settings, wherever in them something is named.
    fn plain(&self, settings: &Value) -> Result<()> {
        match settings {
            Value::Object(fields) => {
                let named = settings["dataset_name_or_path"].as_str();
                let inside = Asked {
                    by_format: named.is_some_and(is_format) && !settings["data_files"].is_null(),
                    ..*self
                };
                fields.iter().try_for_each(|(key, value)| {
                    let nested = match place_of_key(key) {
                        _ if self.door.leaves_out.contains(&key.as_str()) => Ok(()),
                        _ if is_record(key, settings) => Ok(()),
                        Some(Place::Files) if !inside.by_format => Ok(()),
                        Some(place) => inside.texts(place, value),
                        None => self.plain(value),
                    };
                    nested.under(key)
                })
            }
            Value::Array(items) => {
                let mut indexed = items.iter().enumerate();
                indexed.try_for_each(|(index, item)| self.plain(item).under(format!("[{index}]")))
            }
            _ => Ok(()),
        }
    }

    /// All texts in a value.
    fn texts(&self, place: Place, value: &Value) -> Result<()> {
        match value {
            Value::String(text) => self.text(place, text),
            Value::Array(items) => items.iter().try_for_each(|item| self.texts(place, item)),
            Value::Object(fields) => fields.values().try_for_each(|field| self.texts(place, field)),
            _ => Ok(()),
        }
    }

    /// One text.
    fn text(&self, place: Place, text: &str) -> Result<()> {
        let policy = self.policy;
        match place {
            Place::Variable => policy.ask_variable(text),
            Place::Wandb => self.wandb(),
            Place::Write => policy.ask_path(Access::Write, Path::new(text)),
            Place::Files => policy.ask_path(Access::Read, &before_wildcards(text)),
            Place::Read | Place::Cache => self.here_or_server(text, text.into()),
            Place::Dataset if self.by_format && is_format(text) => Ok(()),
            Place::Source if names_a_part(text) => self.hub(),
            Place::Source | Place::Dataset if meant_by(text) == Meant::Repository => self.hub(),
            Place::Source => self.here_or_server(text, text.into()),
            Place::Dataset => self.here_or_server(text, before_wildcards(text)),
        }
    }

    /// The hub, whether it is asked or its cache has everything.
    fn hub(&self) -> Result<()> {
        let hub = HubSettings::default().survey();
        self.policy.ask_server(&Server::of_address(&hub.endpoint)?)
    }

    /// An address, or what lies at `path` here.
    fn here_or_server(&self, text: &str, path: PathBuf) -> Result<()> {
        if is_remote(text) {
            self.policy.ask_server(&Server::of_address(text)?)
        } else {
            self.policy.ask_path(Access::Read, &path)
        }
    }

    fn wandb(&self) -> Result<()> {
        if wandb::talks_to_server(None) {
            self.policy.ask_server(&Server::of_address(&wandb::server())?)?;
        }
        self.policy.ask_path(Access::Write, &wandb::folder())
    }
}

/// Is the value of `key` for the records only, since another key says where?
fn is_record(key: &str, settings: &Value) -> bool {
    let others = UNLESS.iter().find(|(known, _)| *known == key);
    others.is_some_and(|(_, others)| others.iter().any(|other| !settings[*other].is_null()))
}

fn text_of(value: &Dynamic) -> Option<String> {
    value.clone().into_string().ok()
}

/// Does the name of a data set say how its `data_files` are to be read? A file or folder of that name goes before.
fn is_format(name: &str) -> bool {
    FORMATS.contains(&name) && !Path::new(name).exists()
}

fn has_files(argument: &Dynamic) -> bool {
    let map = argument.read_lock::<Map>();
    map.is_some_and(|map| map.contains_key("data_files"))
}

/// `ORG/REPO:FOLDER` names a part of a repository; what exists here under the whole name goes before.
fn names_a_part(text: &str) -> bool {
    text.contains(':') && !is_remote(text) && !Path::new(text).exists()
}

/// The path up to the first part with a wildcard: all that a glob can match lies below it, unless it leads upwards again
/// from there to anywhere.
fn before_wildcards(text: &str) -> PathBuf {
    let path = Path::new(text);
    let is_plain = |part: &Component| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let mut parts = path.components();
    let beginning: PathBuf = parts.by_ref().take_while(is_plain).collect();
    if path.exists() || beginning == path {
        path.into()
    } else if parts.any(|part| part == Component::ParentDir) {
        "/".into()
    } else {
        Path::new(".").join(beginning)
    }
}
