//! What `config.json` says about rotations: `rope_theta` and `rope_scaling`, or `rope_parameters`.

use serde_json::Value;

use super::hf_config::HfConfig;
use super::rotary::{Rope, RopeScaling};
use crate::error::{Error, Result};

/// One map of rotation settings in a `config.json`.
struct Scaling<'a> {
    config: &'a HfConfig,
    /// The key that holds it.
    key: &'static str,
    values: &'a Value,
    /// The kind of scaling.
    name: &'a str,
}

impl HfConfig {
    /// Returns how heads rotate: from `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before).
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
        let scaling = match (parameters, self.get("rope_scaling")) {
            (Some(values), _) => Scaling::new(self, "rope_parameters", values).read(n_ctx)?,
            (None, Some(values)) => Scaling::new(self, "rope_scaling", values).read(n_ctx)?,
            (None, None) => RopeScaling::None,
        };
        Ok(Rope { theta, scaling })
    }

    /// Returns the part of a head that is rotated, in 0..=1, by `key` or `rope_parameters`.
    pub fn rotary_fraction(&self, key: &str, default: f64) -> Result<f64> {
        let parameters = self.get("rope_parameters");
        match parameters.and_then(|parameters| parameters["partial_rotary_factor"].as_f64()) {
            Some(fraction) => Ok(fraction),
            None => self.number_or(key, default),
        }
    }
}

impl<'a> Scaling<'a> {
    fn new(config: &'a HfConfig, key: &'static str, values: &'a Value) -> Self {
        let named = values.get("rope_type").or_else(|| values.get("type"));
        let name = named.and_then(Value::as_str).unwrap_or("default");
        Scaling {
            config,
            key,
            values,
            name,
        }
    }

    fn read(&self, n_ctx: i64) -> Result<RopeScaling> {
        let given = self.values["original_max_position_embeddings"].as_f64();
        match self.name {
            "default" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear {
                factor: self.number("factor")?,
            }),
            "dynamic" => Ok(RopeScaling::Dynamic {
                factor: self.number("factor")?,
                original: n_ctx,
            }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: self.number("factor")?,
                low: self.number("low_freq_factor")?,
                high: self.number("high_freq_factor")?,
                original: self.number("original_max_position_embeddings")?,
            }),
            "yarn" => self.yarn(given.unwrap_or(n_ctx as f64)),
            "longrope" | "su" => self.longrope(n_ctx),
            _ => {
                let known = ["default", "linear", "dynamic", "llama3", "yarn", "longrope"];
                let error = Error::unknown("type of rotation", self.name, &known);
                Err(self.config.blame_key(self.key, error))
            }
        }
    }

    fn yarn(&self, original: f64) -> Result<RopeScaling> {
        let factor = self.number("factor")?;
        let grown = |by: f64| 0.1 * by * factor.max(1.0).ln() + 1.0;
        let set = |key: &str| self.values[key].as_f64().filter(|number| *number != 0.0);
        let usual = match (set("mscale"), set("mscale_all_dim")) {
            (Some(one), Some(all)) => grown(one) / grown(all),
            _ => grown(1.0),
        };
        Ok(RopeScaling::Yarn {
            factor,
            beta_fast: set("beta_fast").unwrap_or(32.0),
            beta_slow: set("beta_slow").unwrap_or(1.0),
            original,
            magnitude: self.values["attention_factor"].as_f64().unwrap_or(usual),
            truncate: self.values["truncate"].as_bool().unwrap_or(true),
        })
    }

    /// The context of the training stands beside `rope_scaling`, or inside `rope_parameters`; transformers 4 does not
    /// look for it inside `rope_scaling`.
    fn longrope(&self, n_ctx: i64) -> Result<RopeScaling> {
        let beside = self.config.integer_if("original_max_position_embeddings")?;
        let inside = self.values["original_max_position_embeddings"].as_i64();
        let original = beside
            .or(inside.filter(|_| self.key == "rope_parameters"))
            .unwrap_or(n_ctx);
        let ratio = n_ctx as f64 / original as f64;
        let factor = match beside {
            Some(_) => ratio,
            None => self.values["factor"].as_f64().unwrap_or(ratio),
        };
        let stretched = (1.0 + factor.ln() / (original as f64).ln()).sqrt();
        let usual = if factor <= 1.0 { 1.0 } else { stretched };
        Ok(RopeScaling::PerFrequency {
            short: self.numbers("short_factor")?,
            long: self.numbers("long_factor")?,
            original,
            magnitude: self.values["attention_factor"].as_f64().unwrap_or(usual),
        })
    }

    fn number(&self, key: &str) -> Result<f64> {
        self.values[key]
            .as_f64()
            .ok_or_else(|| self.lacks(key, "a number"))
    }

    fn numbers(&self, key: &str) -> Result<Vec<f64>> {
        let list = self.values[key]
            .as_array()
            .map(|list| list.iter().map(Value::as_f64));
        list.and_then(|numbers| numbers.collect::<Option<Vec<f64>>>())
            .ok_or_else(|| self.lacks(key, "a list of numbers"))
    }

    fn lacks(&self, key: &str, expected: &str) -> Error {
        self.config.blame(Error::input(format!(
            "`{}` of the type \"{}\" needs `{key}`, {expected}",
            self.key, self.name
        )))
    }
}
