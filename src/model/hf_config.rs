//! Reading `config.json` of a model folder in Hugging Face layout, with errors that name the file and the key.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config::{Activation, Span};
use crate::error::{Error, Result};
use crate::files::{self, SETTINGS_MOST};

/// A parsed `config.json`.
#[derive(Clone, Debug)]
pub struct HfConfig {
    path: PathBuf,
    values: Map<String, Value>,
}

impl HfConfig {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// No such file, broken JSON, or something other than a JSON object.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(HfConfig {
            path: path.to_path_buf(),
            values: read_json_object(path)?,
        })
    }

    /// Returns the names of the classes that can load it, e.g. `GPTNeoXForCausalLM`.
    pub fn architectures(&self) -> Vec<&str> {
        let listed = self.values.get("architectures").and_then(Value::as_array);
        let listed = listed.into_iter().flatten();
        listed.filter_map(Value::as_str).collect()
    }

    /// Returns the kind of model, e.g. `gpt_neox`.
    pub fn model_type(&self) -> Option<&str> {
        self.get("model_type").and_then(Value::as_str)
    }

    fn wrong(&self, key: &str, expected: &str, given: &Value) -> Error {
        Error::input(format!(
            "`{}`: `{key}` is {given}, but expected {expected}",
            self.path.display()
        ))
    }

    fn missing(&self, key: &str) -> Error {
        Error::input(format!("`{}`: the key `{key}` is missing", self.path.display()))
            .hint("the model folder is not whole, or its config.json is of another kind of model")
    }

    /// Returns the value at `key`; null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// Returns an integer, or `None` when absent or null.
    pub fn integer_if(&self, key: &str) -> Result<Option<i64>> {
        self.get(key)
            .map(|value| value.as_i64().ok_or_else(|| self.wrong(key, "an integer", value)))
            .transpose()
    }

    /// Returns an integer that has to be there.
    pub fn integer(&self, key: &str) -> Result<i64> {
        self.integer_if(key)?.ok_or_else(|| self.missing(key))
    }

    /// Returns an integer, or `default` when absent.
    pub fn integer_or(&self, key: &str, default: i64) -> Result<i64> {
        Ok(self.integer_if(key)?.unwrap_or(default))
    }

    /// Returns a number, or `None` when absent or null.
    pub fn number_if(&self, key: &str) -> Result<Option<f64>> {
        self.get(key)
            .map(|value| value.as_f64().ok_or_else(|| self.wrong(key, "a number", value)))
            .transpose()
    }

    /// Returns a number, or `default` when absent.
    pub fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.number_if(key)?.unwrap_or(default))
    }

    /// Returns a number; `default` when the key is absent, `None` when it says null.
    pub fn number_unless_null(&self, key: &str, default: f64) -> Result<Option<f64>> {
        if self.values.contains_key(key) {
            self.number_if(key)
        } else {
            Ok(Some(default))
        }
    }

    /// Returns whether there is such a key, null or not.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Returns the same with these values where the key is absent altogether.
    pub fn with_defaults(&self, defaults: &[(&str, i64)]) -> Self {
        let mut config = self.clone();
        for (key, value) in defaults {
            config.values.entry(*key).or_insert((*value).into());
        }
        config
    }

    /// Returns the same with the text at `key` of the object at `section` replaced by `new` where it is one of `old`.
    pub fn with_text_replaced(mut self, section: &str, key: &str, old: &[&str], new: &str) -> Self {
        if let Some(text) = self
            .values
            .get_mut(section)
            .and_then(|section| section.get_mut(key))
            && text.as_str().is_some_and(|text| old.contains(&text))
        {
            *text = new.into();
        }
        self
    }

    /// Returns the object at `key` as a configuration of its own, or `None` when absent.
    pub fn section_if(&self, key: &str) -> Result<Option<Self>> {
        match self.get(key) {
            Some(Value::Object(values)) => Ok(Some(HfConfig {
                path: self.path.clone(),
                values: values.clone(),
            })),
            Some(other) => Err(self.wrong(key, "an object", other)),
            None => Ok(None),
        }
    }

    /// Returns true or false, or `default` when absent.
    pub fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.wrong(key, "true or false", value)),
            None => Ok(default),
        }
    }

    /// Returns a string, or `default` when absent.
    pub fn text_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str> {
        match self.get(key) {
            Some(value) => value.as_str().ok_or_else(|| self.wrong(key, "a string", value)),
            None => Ok(default),
        }
    }

    /// Returns the non-linearity by its name at `key`, or the one called `default`.
    pub fn activation(&self, key: &str, default: &str) -> Result<Activation> {
        Activation::parse(self.text_or(key, default)?).map_err(|error| self.blame_key(key, error))
    }

    /// Returns one string a layer, e.g. `layer_types`; `None` when absent.
    pub fn texts_if(&self, key: &str) -> Result<Option<Vec<&str>>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || self.wrong(key, "a list of strings", value);
        let list = value.as_array().ok_or_else(wrong)?;
        list.iter()
            .map(|text| text.as_str().ok_or_else(wrong))
            .collect::<Result<_>>()
            .map(Some)
    }

    /// Returns what attention sees with a window of `sliding_window`, if there is one.
    pub fn window(&self) -> Result<Span> {
        let window = self.integer_if("sliding_window")?;
        Ok(window.map_or(Span::Full, Span::Window))
    }

    /// Returns what each layer's attention sees: by `layer_types`, else a window of `sliding_window` where `local` says
    /// so.
    pub fn spans(&self, n_layers: usize, local: impl Fn(usize) -> bool) -> Result<Vec<Span>> {
        let window = self.window()?;
        let span = |is_local: bool| if is_local { window } else { Span::Full };
        let Some(types) = self.texts_if("layer_types")? else {
            return Ok((0..n_layers).map(|layer| span(local(layer))).collect());
        };
        if types.len() != n_layers {
            return Err(self.blame(Error::input(format!(
                "`layer_types` has {} entries, but there are {n_layers} layers",
                types.len()
            ))));
        }
        let read = |name: &&str| match *name {
            "full_attention" => Ok(Span::Full),
            "sliding_attention" if window != Span::Full => Ok(window),
            "sliding_attention" => Err(self.missing("sliding_window")),
            other => {
                let known = ["full_attention", "sliding_attention"];
                Err(self.blame_key("layer_types", Error::unknown("layer type", other, &known)))
            }
        };
        types.iter().map(read).collect()
    }

    /// Returns the [`spans`](Self::spans) of models that have a window, if at all, from layer `max_window_layers` on.
    pub fn upper_spans(&self, n_layers: usize) -> Result<Vec<Span>> {
        let first = if self.flag_or("use_sliding_window", false)? {
            self.integer_or("max_window_layers", 28)?
        } else {
            return Ok(vec![Span::Full; n_layers]);
        };
        self.spans(n_layers, |layer| layer as i64 >= first)
    }

    /// Names the file in an error about its contents.
    pub fn blame(&self, error: Error) -> Error {
        error.context(format!("in `{}`", self.path.display()))
    }

    /// Names the key and the file in an error about a value.
    pub fn blame_key(&self, key: &str, error: Error) -> Error {
        error.context(format!("`{key}` in `{}`", self.path.display()))
    }

    /// Refuses a model for which the flag `key` is set, which changes what it computes.
    ///
    /// # Errors
    /// It is set.
    pub fn refuse_flag(&self, key: &str) -> Result<()> {
        if self.flag_or(key, false)? {
            Err(self.blame(Error::input(format!("models with `{key}` are not supported"))))
        } else {
            Ok(())
        }
    }
}

/// Reads a file that has to hold one JSON object.
///
/// # Errors
/// No such file, broken JSON (with line and column), or JSON of another kind.
pub fn read_json_object(path: &Path) -> Result<Map<String, Value>> {
    let text = files::read(path, SETTINGS_MOST).map_err(|error| Error::io("read", path, error))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(values)) => Ok(values),
        Ok(_) => Err(Error::input(format!(
            "`{}` should hold a JSON object, but holds something else",
            path.display()
        ))),
        Err(error) => Err(Error::input(format!(
            "`{}` is not valid JSON: {error}",
            path.display()
        ))),
    }
}
