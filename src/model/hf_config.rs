//! Reading `config.json` of a model folder in Hugging Face layout, with errors that name the file and the key.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config::{Activation, Span};
use super::rotary::{Rope, RopeScaling};
use crate::error::{Error, Result};

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

    /// Names of the classes that can load it, e.g. `GPTNeoXForCausalLM`.
    pub fn architectures(&self) -> Vec<&str> {
        let listed = self.values.get("architectures").and_then(Value::as_array);
        let listed = listed.into_iter().flatten();
        listed.filter_map(Value::as_str).collect()
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

    /// The value at `key`; null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// An integer, or `None` when absent or null.
    pub fn integer_if(&self, key: &str) -> Result<Option<i64>> {
        self.get(key)
            .map(|value| value.as_i64().ok_or_else(|| self.wrong(key, "an integer", value)))
            .transpose()
    }

    /// An integer that has to be there.
    pub fn integer(&self, key: &str) -> Result<i64> {
        self.integer_if(key)?.ok_or_else(|| self.missing(key))
    }

    /// An integer, or `default` when absent.
    pub fn integer_or(&self, key: &str, default: i64) -> Result<i64> {
        Ok(self.integer_if(key)?.unwrap_or(default))
    }

    /// A number, or `None` when absent or null.
    pub fn number_if(&self, key: &str) -> Result<Option<f64>> {
        self.get(key)
            .map(|value| value.as_f64().ok_or_else(|| self.wrong(key, "a number", value)))
            .transpose()
    }

    /// A number, or `default` when absent.
    pub fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.number_if(key)?.unwrap_or(default))
    }

    /// A number; `default` when the key is absent, `None` when it says null.
    pub fn number_unless_null(&self, key: &str, default: f64) -> Result<Option<f64>> {
        match self.values.contains_key(key) {
            true => self.number_if(key),
            false => Ok(Some(default)),
        }
    }

    /// The same with `value` where the key is absent altogether.
    pub fn with_default(&self, key: &str, value: i64) -> Self {
        let mut config = self.clone();
        config.values.entry(key).or_insert(value.into());
        config
    }

    /// The object at `key` as a configuration of its own, or this one when absent.
    pub fn section_or_self(&self, key: &str) -> Result<Self> {
        match self.get(key) {
            Some(Value::Object(values)) => Ok(HfConfig {
                path: self.path.clone(),
                values: values.clone(),
            }),
            Some(other) => Err(self.wrong(key, "an object", other)),
            None => Ok(self.clone()),
        }
    }

    /// True or false, or `default` when absent.
    pub fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.wrong(key, "true or false", value)),
            None => Ok(default),
        }
    }

    /// A string, or `default` when absent.
    pub fn text_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str> {
        match self.get(key) {
            Some(value) => value.as_str().ok_or_else(|| self.wrong(key, "a string", value)),
            None => Ok(default),
        }
    }

    /// The non-linearity by its name at `key`, or the one called `default`.
    pub fn activation(&self, key: &str, default: &str) -> Result<Activation> {
        Activation::parse(self.text_or(key, default)?).map_err(|error| self.blame(error))
    }

    /// One string a layer, e.g. `layer_types`; `None` when absent.
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

    /// What each layer's attention sees: by `layer_types`, else a window of `sliding_window` where `local` says so.
    pub fn spans(&self, n_layers: usize, local: impl Fn(usize) -> bool) -> Result<Vec<Span>> {
        let window = self.integer_if("sliding_window")?;
        let span = |is_local: bool| match window {
            Some(width) if is_local => Span::Window(width),
            _ => Span::Full,
        };
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
            "sliding_attention" if window.is_some() => Ok(span(true)),
            "sliding_attention" => Err(self.missing("sliding_window")),
            other => {
                let known = ["full_attention", "sliding_attention"];
                Err(self.blame(Error::unknown("layer type", other, &known)))
            }
        };
        types.iter().map(read).collect()
    }

    /// [`spans`](Self::spans) of models that have a window, if at all, from layer `max_window_layers` on.
    pub fn upper_spans(&self, n_layers: usize) -> Result<Vec<Span>> {
        let first = match self.flag_or("use_sliding_window", false)? {
            true => self.integer_or("max_window_layers", 28)?,
            false => return Ok(vec![Span::Full; n_layers]),
        };
        self.spans(n_layers, |layer| layer as i64 >= first)
    }

    /// Puts the file's name before an error about its contents.
    pub fn blame(&self, error: Error) -> Error {
        error.context(format!("in `{}`", self.path.display()))
    }

    /// How heads rotate: from `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before).
    ///
    /// `kind` picks the entry where there is one for each type of layer, e.g. `"full_attention"`.
    pub fn rope(&self, theta_key: &str, default_theta: f64, n_ctx: i64, kind: &str) -> Result<Rope> {
        let parameters = self
            .get("rope_parameters")
            .map(|all| all.get(kind).unwrap_or(all));
        let theta = match parameters.and_then(|parameters| parameters["rope_theta"].as_f64()) {
            Some(theta) => theta,
            None => self.number_or(theta_key, default_theta)?,
        };
        let scaling = match parameters.or_else(|| self.get("rope_scaling")) {
            Some(scaling) => self.rope_scaling(scaling, n_ctx)?,
            None => RopeScaling::None,
        };
        Ok(Rope { theta, scaling })
    }

    /// The part of a head that is rotated, in 0..=1.
    pub fn rotary_fraction(&self, default: f64) -> Result<f64> {
        if let Some(fraction) = self
            .get("rope_parameters")
            .and_then(|parameters| parameters["partial_rotary_factor"].as_f64())
        {
            return Ok(fraction);
        }
        match self.number_if("partial_rotary_factor")? {
            Some(fraction) => Ok(fraction),
            None => self.number_or("rotary_pct", default),
        }
    }

    fn rope_scaling(&self, scaling: &Value, n_ctx: i64) -> Result<RopeScaling> {
        let named = scaling.get("rope_type").or_else(|| scaling.get("type"));
        let name = named.and_then(Value::as_str).unwrap_or("default");
        let number = |key: &str| {
            scaling[key].as_f64().ok_or_else(|| {
                Error::input(format!(
                    "`{}`: rope scaling `{name}` needs the number `{key}`",
                    self.path.display()
                ))
            })
        };
        let or = |key: &str, default: f64| scaling[key].as_f64().unwrap_or(default);
        let original = self.integer_or("original_max_position_embeddings", n_ctx)? as f64;
        let original = or("original_max_position_embeddings", original);
        match name {
            // "dynamic" only differs beyond the model's own context, and inputs are never longer than that.
            "default" | "dynamic" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear {
                factor: number("factor")?,
            }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: number("factor")?,
                low: number("low_freq_factor")?,
                high: number("high_freq_factor")?,
                original,
            }),
            "yarn" => {
                let factor = number("factor")?;
                let grown = |by: f64| 0.1 * by * factor.max(1.0).ln() + 1.0;
                let usual = match (scaling["mscale"].as_f64(), scaling["mscale_all_dim"].as_f64()) {
                    (Some(one), Some(all)) if one != 0.0 && all != 0.0 => grown(one) / grown(all),
                    _ => grown(1.0),
                };
                Ok(RopeScaling::Yarn {
                    factor,
                    beta_fast: or("beta_fast", 32.0),
                    beta_slow: or("beta_slow", 1.0),
                    original,
                    magnitude: or("attention_factor", usual),
                    truncate: scaling["truncate"].as_bool().unwrap_or(true),
                })
            }
            "longrope" | "su" => {
                let factor = match self.integer_if("original_max_position_embeddings")? {
                    Some(original) => n_ctx as f64 / original as f64,
                    None => or("factor", n_ctx as f64 / original),
                };
                let stretched = (1.0 + factor.ln() / original.ln()).sqrt();
                let usual = if factor <= 1.0 { 1.0 } else { stretched };
                Ok(RopeScaling::PerFrequency {
                    short: self.numbers(scaling, "short_factor")?,
                    long: self.numbers(scaling, "long_factor")?,
                    original: original as i64,
                    magnitude: or("attention_factor", usual),
                })
            }
            _ => {
                let known = ["default", "linear", "dynamic", "llama3", "yarn", "longrope"];
                Err(self.blame(Error::unknown("rope scaling", name, &known)))
            }
        }
    }

    fn numbers(&self, scaling: &Value, key: &str) -> Result<Vec<f64>> {
        let list = scaling[key].as_array().map(|list| list.iter().map(Value::as_f64));
        list.and_then(|numbers| numbers.collect::<Option<Vec<f64>>>())
            .ok_or_else(|| {
                Error::input(format!(
                    "`{}`: rope scaling needs `{key}`, a list of numbers",
                    self.path.display()
                ))
            })
    }
}

/// Reads a file that has to hold one JSON object.
///
/// # Errors
/// No such file, broken JSON (with line and column), or JSON of another kind.
pub fn read_json_object(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
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
