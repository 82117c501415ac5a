//! `cfg.json`: what the versions 3 to 6 of SAELens say about a dictionary, and where they say it.

use serde::Deserialize;
use serde_json::json;

use crate::config::{Map, Value, from_value};
use crate::dictionary::{ActFn, SAEConfig};
use crate::error::{Error, Result};

/// The keys of `cfg.json` that decide what the dictionary computes, and the hook points. The others describe how it
/// was trained.
#[derive(Debug, Deserialize)]
pub(in crate::dictionary) struct Settings {
    d_in: i64,
    d_sae: i64,
    /// Of transcoders; theirs may differ from `d_in`.
    d_out: Option<i64>,
    /// Missing before version 3.
    architecture: Option<String>,
    /// The activation function by the name of versions 3 to 5, and by the name of the versions before and after.
    activation_fn_str: Option<String>,
    activation_fn: Option<String>,
    /// `k` before version 6.
    activation_fn_kwargs: Option<Map<String, Value>>,
    /// `k` since version 6.
    k: Option<Value>,
    #[serde(default)]
    rescale_acts_by_decoder_norm: bool,
    apply_b_dec_to_input: Option<bool>,
    /// A name, and a truth value in the oldest folders.
    normalize_activations: Option<Value>,
    reshape_activations: Option<String>,
    #[serde(default)]
    pub(super) finetuning_scaling_factor: bool,
    sae_lens_version: Option<String>,
    hook_name: Option<String>,
    /// The hook point's name before version 3, with `{layer}` for the layer's number.
    hook_point: Option<String>,
    hook_layer: Option<i64>,
    hook_point_layer: Option<i64>,
    hook_head_index: Option<i64>,
    hook_point_head_index: Option<i64>,
    /// Where version 6 keeps what concerns the language model.
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    sae_lens_version: Option<String>,
    hook_name: Option<String>,
    hook_name_out: Option<String>,
    hook_head_index: Option<i64>,
}

impl Settings {
    /// Reads them, and refuses what has no counterpart here.
    ///
    /// # Errors
    /// Missing facts, contradictions, and everything that would be computed in another way.
    pub(in crate::dictionary) fn parse(value: Value) -> Result<Self> {
        let settings: Settings = crate::config::parse(value)?;
        settings.check_normalisation()?;
        settings.check_shape()?;
        settings.to_config().map(|_| settings)
    }

    /// Returns whether the encoder reads `x − b_dec`. The default has been so in every version, but for transcoders.
    pub(super) fn applies_b_dec_to_input(&self) -> bool {
        self.apply_b_dec_to_input.unwrap_or(!self.is_transcoder())
    }

    fn is_gated(&self) -> bool {
        self.architecture.as_deref() == Some("gated")
    }

    fn is_transcoder(&self) -> bool {
        let architecture = self.architecture.as_deref();
        architecture.is_some_and(|name| name.ends_with("transcoder"))
    }

    /// Returns whether they were written before version 6, whose settings have defaults that later ones lack.
    fn is_old(&self) -> bool {
        let metadata = self.metadata.as_ref();
        let version = self
            .sae_lens_version
            .as_deref()
            .or_else(|| metadata.and_then(|metadata| metadata.sae_lens_version.as_deref()));
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        major.is_none_or(|major| major < 6)
    }

    fn check_normalisation(&self) -> Result<()> {
        let how = match &self.normalize_activations {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(()),
            Some(Value::String(name)) if name == "none" => return Ok(()),
            // What the oldest folders call true.
            Some(Value::Bool(true)) => "\"expected_average_only_in\"".to_string(),
            Some(other) => other.to_string(),
        };
        Err(Error::input(format!(
            "it normalises activations by {how}, which has no counterpart here"
        ))
        .hint("a factor that is the same for all inputs can be folded into the weights with SAELens")
        .under("normalize_activations"))
    }

    /// Refuses activations that are cut or reshaped before the encoder.
    fn check_shape(&self) -> Result<()> {
        let by_name = self.is_old() && self.hook_in().is_some_and(|name| name.contains("hook_z"));
        let default = if by_name { "hook_z" } else { "none" };
        let reshaped = self.reshape_activations.as_deref().unwrap_or(default);
        if reshaped != "none" {
            return Err(Error::input(format!(
                "it reshapes activations by \"{reshaped}\", which has no counterpart here"
            ))
            .under("reshape_activations"));
        }
        let metadata = self.metadata.as_ref();
        let head = self.hook_head_index.or(self.hook_point_head_index);
        match head.or_else(|| metadata.and_then(|metadata| metadata.hook_head_index)) {
            Some(head) => Err(Error::input(format!(
                "it reads attention head {head} alone, which has no counterpart here"
            ))
            .under("hook_head_index")),
            None => Ok(()),
        }
    }

    /// Returns the hook point of the input, by any of the names that versions gave the key.
    fn hook_in(&self) -> Option<String> {
        let metadata = self.metadata.as_ref();
        let name = metadata
            .and_then(|metadata| metadata.hook_name.as_ref())
            .or(self.hook_name.as_ref())
            .or(self.hook_point.as_ref())?;
        Some(match self.hook_layer.or(self.hook_point_layer) {
            Some(layer) => name.replace("{layer}", &layer.to_string()),
            None => name.clone(),
        })
    }

    fn hook_out(&self) -> Option<String> {
        if self.is_transcoder() {
            self.metadata.as_ref()?.hook_name_out.clone()
        } else {
            self.hook_in()
        }
    }

    /// Returns the settings that mean the same here, with the format's own defaults for device and dtype.
    pub(in crate::dictionary) fn to_config(&self) -> Result<SAEConfig> {
        let act_fn = self.act_fn()?;
        let unknown = |which: &str| {
            Error::input(format!("it does not say which hook point {which}"))
                .hint("add the key `hook_name` (`metadata.hook_name_out` for what a transcoder writes)")
        };
        let hook_in = self.hook_in().ok_or_else(|| unknown("it reads"))?;
        let hook_out = self.hook_out().ok_or_else(|| unknown("it writes"))?;
        if let Some(d_out) = self.d_out.filter(|d_out| *d_out != self.d_in) {
            return Err(Error::input(format!(
                "its output has width {d_out} and its input {}; here both have the same",
                self.d_in
            ))
            .under("d_out"));
        }
        if self.is_transcoder() && self.apply_b_dec_to_input == Some(true) {
            return Err(
                Error::input("a transcoder does not subtract the bias of its output from its input")
                    .under("apply_b_dec_to_input"),
            );
        }
        let is_gated = self.is_gated();
        if is_gated && self.rescale_acts_by_decoder_norm {
            return Err(
                Error::input("the gate of a gated dictionary does not see the decoder norms")
                    .under("rescale_acts_by_decoder_norm"),
            );
        }
        let mut cfg = json!({
            "hook_point_in": hook_in, "hook_point_out": hook_out, "d_model": self.d_in, "d_sae": self.d_sae,
            "act_fn": act_fn, "norm_activation": "inference",
            "sparsity_include_decoder_norm": self.rescale_acts_by_decoder_norm,
        });
        if act_fn.selects_k() {
            cfg["top_k"] = self.k()?.into();
        }
        if is_gated {
            cfg["sae_type"] = "gated".into();
            // So that it is trained on as it was: SAELens moves the decoder by the gate's own reconstruction too.
            cfg["gated_aux_frozen"] = false.into();
        }
        from_value(cfg)
    }

    fn act_fn(&self) -> Result<ActFn> {
        const KNOWN: [&str; 6] = [
            "standard",
            "jumprelu",
            "topk",
            "gated",
            "transcoder",
            "jumprelu_transcoder",
        ];
        let architecture = match self.architecture.as_deref() {
            Some(architecture) => architecture,
            None if self.is_old() => "standard",
            None => return Err(Error::input("it does not say which `architecture` it has")),
        };
        let function = self
            .activation_fn_str
            .as_deref()
            .or(self.activation_fn.as_deref());
        match (architecture, function) {
            ("standard" | "transcoder" | "gated", None | Some("relu")) => Ok(ActFn::Relu),
            ("jumprelu" | "jumprelu_transcoder", None | Some("relu")) => Ok(ActFn::JumpRelu),
            ("topk", None | Some("topk")) | ("standard", Some("topk")) => Ok(ActFn::TopK),
            (known, Some(function)) if KNOWN.contains(&known) => Err(Error::input(format!(
                "the activation function \"{function}\" of architecture \"{known}\" has no counterpart here"
            ))
            .under("activation_fn")),
            (other, _) => Err(Error::unknown("architecture", other, &KNOWN)
                .hint(reason(other))
                .under("architecture")),
        }
    }

    /// Returns the number of active latents, which version 6 has as `k` and the versions before in
    /// `activation_fn_kwargs`.
    fn k(&self) -> Result<i64> {
        let kwargs = self.activation_fn_kwargs.iter().flatten();
        if let Some((other, value)) = kwargs.clone().find(|(name, _)| *name != "k") {
            return Err(
                Error::input(format!("`{other}` = {value} has no counterpart here"))
                    .under("activation_fn_kwargs"),
            );
        }
        let mut given = kwargs
            .map(|(_, value)| value)
            .chain(&self.k)
            .filter(|k| !k.is_null());
        let Some(k) = given.next() else {
            return Err(Error::input(
                "it is a topk dictionary, but does not say how many latents are active",
            )
            .hint("add the key `k`")
            .under("k"));
        };
        let number = k.as_i64().or_else(|| {
            let number = k.as_f64()?;
            (number.fract() == 0.0).then_some(number as i64)
        });
        match (number, given.next()) {
            (Some(number), None) => Ok(number),
            (Some(number), Some(other)) if other.as_f64() == Some(number as f64) => Ok(number),
            (_, Some(other)) => Err(Error::input(format!(
                "two numbers of active latents are given, {k} and {other}"
            ))
            .under("k")),
            (None, _) => Err(Error::input(format!(
                "the number of active latents is a whole number, not {k}"
            ))
            .under("k")),
        }
    }
}

/// Returns why an architecture that SAELens has is not read.
fn reason(architecture: &str) -> &'static str {
    match architecture {
        "batchtopk" | "matryoshka_batchtopk" => {
            "this is a training checkpoint: SAELens's `save_inference_model` writes such a dictionary as jumprelu"
        }
        "skip_transcoder" | "jumprelu_skip_transcoder" => {
            "a transcoder's linear path around the latents (`W_skip`) has no counterpart here"
        }
        _ => "sparse autoencoders and transcoders of these architectures can be read",
    }
}
