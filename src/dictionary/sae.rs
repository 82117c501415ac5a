//! The sparse autoencoder: parameters, encoder and decoder.

use std::collections::BTreeMap;

use super::activation::{ActFn, Gate};
use super::norm::norm_floor;
use super::{Pass, SAEConfig};
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{DType, Device, Kind, Tensor};

/// Name of the thresholds in weight files and in [`SparseAutoEncoder::parameters`].
pub const LOG_THRESHOLD: &str = "activation_function.log_jumprelu_threshold";

/// A sparse autoencoder, or a transcoder: `f = act(x W_E + b_E)`, `x̂ = f W_D + b_D`.
#[derive(Debug)]
pub struct SparseAutoEncoder {
    /// The architecture.
    pub cfg: SAEConfig,
    pub(super) w_e: Tensor,
    pub(super) b_e: Tensor,
    pub(super) w_d: Tensor,
    pub(super) b_d: Option<Tensor>,
    pub(super) glu: Option<GluEncoder>,
    pub(super) log_jumprelu_threshold: Option<Tensor>,
    pub(super) dataset_norms: BTreeMap<String, f64>,
}

/// The gate of a gated encoder.
#[derive(Debug)]
pub(super) struct GluEncoder {
    pub(super) w_e: Tensor,
    pub(super) b_e: Tensor,
}

/// What the encoder computes for activations `(…, d_model)`.
pub struct Encoded {
    /// Activations of the latents, `(…, d_sae)`.
    pub feature_acts: Tensor,
    /// Pre-activations `h`, `(…, d_sae)`.
    pub hidden_pre: Tensor,
    /// `‖W_D[i]‖₂` of each latent, `(d_sae)`.
    pub decoder_norm: Tensor,
}

impl SparseAutoEncoder {
    /// A fresh dictionary: decoder rows in random directions with norm 1, encoder their transpose, biases 0. Thresholds of
    /// `jumprelu` have no default; they are NaN, and training refuses them, until they are set.
    ///
    /// # Errors
    /// A configuration that makes no sense, a device that is not there, too little memory.
    pub fn new(cfg: SAEConfig) -> Result<Self> {
        let mut sae = Self::zeros(cfg)?;
        sae.draw_tied_unit_rows(f64::NAN)?;
        Ok(sae)
    }

    /// Another handle on the same parameters: no number is copied, and what changes one in place changes both. Norms and
    /// configuration are its own, so neither handle may be folded while there are two.
    pub(crate) fn share(&self) -> Self {
        SparseAutoEncoder {
            cfg: self.cfg.clone(),
            w_e: self.w_e.shallow_clone(),
            b_e: self.b_e.shallow_clone(),
            w_d: self.w_d.shallow_clone(),
            b_d: self.b_d.as_ref().map(Tensor::shallow_clone),
            glu: self.glu.as_ref().map(|glu| GluEncoder {
                w_e: glu.w_e.shallow_clone(),
                b_e: glu.b_e.shallow_clone(),
            }),
            log_jumprelu_threshold: self.log_jumprelu_threshold.as_ref().map(Tensor::shallow_clone),
            dataset_norms: self.dataset_norms.clone(),
        }
    }

    /// A dictionary whose parameters are all 0, to be filled.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn zeros(cfg: SAEConfig) -> Result<Self> {
        use crate::config::Config;
        cfg.validate()?;
        let (kind, device) = (cfg.dtype.kind(), cfg.device.resolve()?);
        let (d, n) = (cfg.d_model, cfg.d_sae());
        if device == Device::Cpu {
            let matrices = if cfg.use_glu_encoder { 3 } else { 2 };
            let numbers = (d as u64).saturating_mul(n as u64).saturating_mul(matrices);
            let bytes = numbers.saturating_mul(kind.elt_size_in_bytes() as u64);
            memory::admit(bytes, &format!("a dictionary of {n} latents for d_model {d}"))?;
        }
        let parameter_of = |shape: &[i64], kind: Kind| -> Result<Tensor> {
            Ok(Tensor::f_zeros(shape, (kind, device))?.f_set_requires_grad(true)?)
        };
        let parameter = |shape: &[i64]| parameter_of(shape, kind);
        let glu = if cfg.use_glu_encoder {
            Some(GluEncoder {
                w_e: parameter(&[d, n])?,
                b_e: parameter(&[n])?,
            })
        } else {
            None
        };
        Ok(Self {
            w_e: parameter(&[d, n])?,
            b_e: parameter(&[n])?,
            w_d: parameter(&[n, d])?,
            b_d: cfg.use_decoder_bias.then(|| parameter(&[d])).transpose()?,
            glu,
            log_jumprelu_threshold: (cfg.act_fn == ActFn::JumpRelu)
                .then(|| parameter_of(&[n], threshold_kind(kind)))
                .transpose()?,
            dataset_norms: BTreeMap::new(),
            cfg,
        })
    }

    /// Name and tensor of every trainable parameter, in a fixed order, under the names of weight files. The tensors
    /// share their storage with the dictionary.
    pub fn parameters(&self) -> Vec<(&'static str, &Tensor)> {
        let mut all = vec![("W_E", &self.w_e), ("b_E", &self.b_e), ("W_D", &self.w_d)];
        all.extend(self.b_d.as_ref().map(|b_d| ("b_D", b_d)));
        if let Some(glu) = &self.glu {
            all.push(("W_E_glu", &glu.w_e));
            all.push(("b_E_glu", &glu.b_e));
        }
        all.extend(self.log_jumprelu_threshold.as_ref().map(|t| (LOG_THRESHOLD, t)));
        all
    }

    /// One parameter by its name.
    ///
    /// # Errors
    /// There is no parameter of this name.
    pub fn parameter(&self, name: &str) -> Result<&Tensor> {
        let all = self.parameters();
        let found = all.iter().find(|(known, _)| *known == name);
        found.map(|(_, tensor)| *tensor).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            Error::unknown("parameter", name, &names)
        })
    }

    /// Overwrites a parameter with `values` of the same shape; dtype and device are converted.
    ///
    /// # Errors
    /// There is no such parameter, or the shape is another one.
    pub fn set_parameter(&mut self, name: &str, values: &Tensor) -> Result<()> {
        let mut parameter = self.parameter(name)?.shallow_clone();
        if parameter.size() != values.size() {
            return Err(Error::input(format!(
                "`{name}` has shape {:?}, but the values have shape {:?}",
                parameter.size(),
                values.size()
            )));
        }
        let _no_grad = tch::no_grad_guard();
        parameter.f_copy_(values)?;
        Ok(())
    }

    /// Puts the log-thresholds `(d_sae)` of a jumprelu dictionary in place, in float64 where they are given so: a
    /// threshold that was stored itself comes out of such a logarithm to its last bit.
    ///
    /// # Errors
    /// It is no jumprelu dictionary, or the shape is another one.
    pub(super) fn set_log_threshold(&mut self, values: &Tensor) -> Result<()> {
        let kind = match values.kind() {
            Kind::Double => Kind::Double,
            _ => threshold_kind(self.kind()),
        };
        let shape = self.parameter(LOG_THRESHOLD)?.size();
        let empty = Tensor::f_zeros(shape, (kind, self.device()))?;
        self.log_jumprelu_threshold = Some(empty.f_set_requires_grad(true)?);
        self.set_parameter(LOG_THRESHOLD, values)
    }

    /// Another dictionary with the same values.
    ///
    /// # Errors
    /// Too little memory.
    pub fn copy(&self) -> Result<Self> {
        let mut copy = Self::zeros(self.cfg.clone())?;
        for (name, values) in self.parameters() {
            if name == LOG_THRESHOLD {
                copy.set_log_threshold(values)?
            } else {
                copy.set_parameter(name, values)?
            }
        }
        copy.dataset_norms = self.dataset_norms.clone();
        Ok(copy)
    }

    /// Number of trainable numbers.
    pub fn parameter_count(&self) -> u64 {
        let count = |(_, tensor): &(&str, &Tensor)| tensor.numel() as u64;
        self.parameters().iter().map(count).sum()
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.w_e.device()
    }

    /// The number format of the parameters.
    pub fn kind(&self) -> Kind {
        self.w_e.kind()
    }

    /// Measured average norm of the activations at `hook`, for dataset-wise normalisation.
    pub fn dataset_norm(&self, hook: &str) -> Option<f64> {
        self.dataset_norms.get(hook).copied()
    }

    /// Average norms of the activations by hook point; empty until they are measured or loaded.
    pub fn dataset_average_activation_norm(&self) -> &BTreeMap<String, f64> {
        &self.dataset_norms
    }

    /// Sets the average norms of the activations by hook point. They are kept in float32, as in weight files, so that
    /// a saved dictionary computes the same numbers.
    ///
    /// # Errors
    /// A norm that is not a positive number.
    pub fn set_dataset_average_activation_norm(&mut self, norms: BTreeMap<String, f64>) -> Result<()> {
        for (hook, norm) in &norms {
            if !(*norm > 0.0 && norm.is_finite()) {
                return Err(Error::input(format!(
                    "the average activation norm at `{hook}` must be a positive number, but is {norm}"
                )));
            }
        }
        let rounded = norms
            .into_iter()
            .map(|(hook, norm)| (hook, f64::from(norm as f32)));
        self.dataset_norms = rounded.collect();
        Ok(())
    }

    /// `‖W_D[i]‖₂` of each latent, `(d_sae)`.
    pub fn decoder_norm(&self) -> Result<Tensor> {
        Ok(self.w_d.f_norm_scalaropt_dim(2.0, [1i64].as_slice(), false)?)
    }

    /// `‖W_E[:, i]‖₂` of each latent, `(d_sae)`.
    pub fn encoder_norm(&self) -> Result<Tensor> {
        Ok(self.w_e.f_norm_scalaropt_dim(2.0, [0i64].as_slice(), false)?)
    }

    /// Activations of the latents `(…, d_sae)` for normalised activations `x (…, d_model)`, all positions counted.
    ///
    /// # Errors
    /// The last dimension of `x` is not d_model.
    pub fn encode(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.encode_with(x, &Pass::default())?.feature_acts)
    }

    /// Like [`encode`](Self::encode) as `pass` says, with the pre-activations. Where a position does not count,
    /// batchtopk gives 0; relu, jumprelu and topk look at each token by itself and give what they would.
    ///
    /// # Errors
    /// As [`encode`](Self::encode); a `k` or a mask that does not fit.
    pub fn encode_with(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Encoded> {
        self.check_width(x, self.cfg.d_model, "activations", "d_model")?;
        pass.check_k(self.cfg.act_fn, self.cfg.d_sae())?;
        let x = x.f_to_device(self.device())?.f_to_kind(self.kind())?;
        let counted = pass.counted_of(&x)?;
        // Elsewhere it would make the device wait; there the trainer asks before the first step.
        if self.device() == Device::Cpu {
            self.require_thresholds()?;
        }
        let mut hidden_pre = product(&x, &self.w_e, pass.amp)?.f_add(&self.b_e)?;
        if let Some(glu) = &self.glu {
            let gate = product(&x, &glu.w_e, pass.amp)?.f_add(&glu.b_e)?.f_sigmoid()?;
            hidden_pre = hidden_pre.f_mul(&gate)?;
        }
        let decoder_norm = self.decoder_norm()?;
        let k = pass.k.unwrap_or(self.cfg.top_k);
        let feature_acts = self.activate(&hidden_pre, &decoder_norm, k, counted.as_ref())?;
        Ok(Encoded {
            feature_acts,
            hidden_pre,
            decoder_norm,
        })
    }

    /// Refuses a jumprelu dictionary whose thresholds nobody has set: with them it would give zeros.
    ///
    /// # Errors
    /// Thresholds that are NaN.
    pub fn require_thresholds(&self) -> Result<()> {
        let Some(threshold) = &self.log_jumprelu_threshold else {
            return Ok(());
        };
        match tch::no_grad(|| threshold.f_isnan()?.f_any()?.f_int64_value(&[]))? {
            0 => Ok(()),
            _ => Err(Error::input("the thresholds of this jumprelu dictionary have no initial value")
                .hint("give InitializerConfig `init_log_jumprelu_threshold_value`, e.g. -2.3 for thresholds of 0.1")),
        }
    }

    /// The activation function on pre-activations `h (…, d_sae)`, with the decoder norms where the configuration
    /// includes them: `act(h · n) / n`. A latent whose decoder row is 0 says nothing and is off.
    pub(super) fn activate(
        &self,
        hidden_pre: &Tensor,
        decoder_norm: &Tensor,
        k: i64,
        counted: Option<&Tensor>,
    ) -> Result<Tensor> {
        let gate = Gate {
            k,
            log_threshold: self.log_jumprelu_threshold.as_ref(),
            window: self.cfg.jumprelu_threshold_window,
            counted,
        };
        if !self.cfg.sparsity_include_decoder_norm {
            return self.cfg.act_fn.apply(hidden_pre, &gate);
        }
        // Under the floor neither the norm nor its reciprocal means anything: 0 there switches the latent off, and no
        // gradient passes.
        let floor = norm_floor(decoder_norm.f_kind()?);
        let seen = decoder_norm.f_mul(&decoder_norm.f_detach()?.f_gt(floor)?)?;
        let scaled = self.cfg.act_fn.apply(&hidden_pre.f_mul(&seen)?, &gate)?;
        Ok(scaled.f_div(&decoder_norm.f_clamp_min(floor)?)?)
    }

    /// Reconstruction `(…, d_model)` from activations of the latents `(…, d_sae)`.
    ///
    /// # Errors
    /// The last dimension of `feature_acts` is not d_sae.
    pub fn decode(&self, feature_acts: &Tensor) -> Result<Tensor> {
        self.decode_with(feature_acts, &Pass::default())
    }

    /// Like [`decode`](Self::decode) as `pass` says.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_with(&self, feature_acts: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.check_width(feature_acts, self.cfg.d_sae(), "latent activations", "d_sae")?;
        let feature_acts = feature_acts.f_to_device(self.device())?.f_to_kind(self.kind())?;
        let decoded = product(&feature_acts, &self.w_d, pass.amp)?;
        match &self.b_d {
            Some(b_d) => Ok(decoded.f_add(b_d)?),
            None => Ok(decoded),
        }
    }

    /// Reconstruction of normalised activations `x (…, d_model)`, all positions counted.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, &Pass::default())
    }

    /// Like [`forward`](Self::forward) as `pass` says.
    ///
    /// # Errors
    /// As [`encode_with`](Self::encode_with).
    pub fn forward_with(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.decode_with(&self.encode_with(x, pass)?.feature_acts, pass)
    }

    fn check_width(&self, x: &Tensor, width: i64, what: &str, name: &str) -> Result<()> {
        match x.size().last() {
            Some(last) if *last == width => Ok(()),
            _ => Err(Error::input(format!(
                "{what} of shape {:?} do not fit this dictionary, whose {name} is {width}",
                x.size()
            ))
            .hint(format!("the last dimension has to be {width}"))),
        }
    }
}

/// The dtype of log-thresholds in a dictionary of dtype `kind`. Half precision is too coarse for logarithms: rounding
/// one by half a unit moves a threshold of 100 by 1%.
fn threshold_kind(kind: Kind) -> Kind {
    match kind {
        Kind::Double => Kind::Double,
        _ => Kind::Float,
    }
}

/// `x W`, in `amp` where it is given: both sides are rounded to it, sums are kept wider, and the result returns in the
/// dtype of `weight`. As in PyTorch's autocast, float64 is left alone.
pub(super) fn product(x: &Tensor, weight: &Tensor, amp: Option<DType>) -> Result<Tensor> {
    let kind = weight.f_kind()?;
    match amp.map(DType::kind) {
        Some(amp) if amp != kind && kind != Kind::Double => {
            let rounded = crate::tensor::product::matmul(&x.f_to_kind(amp)?, &weight.f_to_kind(amp)?)?;
            Ok(rounded.f_to_kind(kind)?)
        }
        _ => Ok(crate::tensor::product::matmul(x, weight)?),
    }
}
