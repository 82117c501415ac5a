//! What a dictionary is: its variant, hook points, shape, activation function and normalisation.

use std::ops::{Deref, DerefMut};

use super::base::BaseConfig;
use super::parameters::ParameterSpec;
use super::variant::SAEConfig;
use crate::config::{self, Config, Map, Value};
use crate::error::Result;
use crate::fingerprint::Identified;

/// Keys that say how to load or run a dictionary here, not what it is; not saved.
pub(super) const HOW_TO_LOAD: [&str; 4] =
    ["sae_pretrained_name_or_path", "strict_loading", "device", "dtype"];

impl Deref for SAEConfig {
    type Target = BaseConfig;

    fn deref(&self) -> &BaseConfig {
        &self.base
    }
}

impl DerefMut for SAEConfig {
    fn deref_mut(&mut self) -> &mut BaseConfig {
        &mut self.base
    }
}

impl PartialEq for SAEConfig {
    fn eq(&self, other: &Self) -> bool {
        let own = |config: &Self| config.variant.settings().ok();
        self.base == other.base
            && self.hooks == other.hooks
            && self.variant.name() == other.variant.name()
            && own(self) == own(other)
    }
}

impl SAEConfig {
    /// Returns what decides what a dictionary computes, as plain data: all settings but those that say how to load or
    /// run it, with the number of latents as `d_sae`, however it was given.
    ///
    /// # Errors
    /// None in practice; what plain data cannot hold.
    pub fn architecture(&self) -> Result<Map<String, Value>> {
        let mut settings = match config::to_value(self)? {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        for key in HOW_TO_LOAD {
            settings.remove(key);
        }
        settings.remove("expansion_factor");
        settings.insert("d_sae".into(), self.d_sae().into());
        Ok(settings)
    }

    /// Returns whether other hook points are written than read.
    pub fn is_transcoder(&self) -> bool {
        self.reads() != self.writes()
    }

    /// Returns the hook points that the encoder reads, in order.
    pub fn reads(&self) -> Vec<&str> {
        self.hooks.reads()
    }

    /// Returns the hook points that the decoder reconstructs, in order.
    pub fn writes(&self) -> Vec<&str> {
        self.hooks.writes()
    }

    /// Returns the hook points that a stream must provide: what is read, and what is written where it is another one.
    pub fn hook_points(&self) -> Vec<&str> {
        let mut points = self.reads();
        for point in self.writes() {
            if !points.contains(&point) {
                points.push(point);
            }
        }
        points
    }

    /// Returns the number of trainable numbers.
    pub fn parameter_count(&self) -> u64 {
        let layout = self.variant.layout(self);
        layout.iter().map(ParameterSpec::numel).sum()
    }
}

impl Config for SAEConfig {
    const NAME: &'static str = "SAEConfig";

    fn validate(&self) -> Result<()> {
        self.hooks.validate()?;
        self.base.validate()?;
        self.variant.validate(self)
    }
}

/// What a dictionary was begun with is told by what its files hold.
impl Identified for SAEConfig {
    const DECIDES: &'static [&'static str] = &[
        "sae_type",
        "hook_point_in",
        "hook_point_out",
        "hook_points",
        "d_model",
        "expansion_factor", // as `d_sae`
        "d_sae",
        "use_decoder_bias",
        "use_glu_encoder",
        "act_fn",
        "norm_activation",
        "sparsity_include_decoder_norm",
        "top_k",
        "jumprelu_threshold_window",
        "dtype",
    ];
    const FREE: &'static [&'static str] = &["sae_pretrained_name_or_path", "strict_loading", "device"];

    fn decides(field: &str) -> bool {
        // Also every setting of a variant's own.
        !Self::FREE.contains(&field)
    }

    fn normalised(&self) -> Result<Map<String, Value>> {
        let mut fields = self.architecture()?;
        fields.insert("dtype".into(), config::to_value(&self.dtype)?);
        Ok(fields)
    }
}
