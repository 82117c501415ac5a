//! A dictionary: its parameters as data, and what is done with them by whichever variant it is.

use std::collections::BTreeMap;

use super::activation::{Gate, LOG_THRESHOLD};
use super::parameters::{Parameter, Parameters};
use super::pass::Pass;
use super::scale::norm_floor;
use super::variant::{Encoded, SAEConfig, SparseAutoEncoder};
use crate::config::IntoChecked;
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{Device, Kind, Tensor, Workspace, no_grad_guard};

impl SparseAutoEncoder {
    /// Returns a fresh dictionary: decoder rows in random directions with norm 1, encoder their transpose, biases 0.
    /// Thresholds of `jumprelu` have no default; they are NaN, and training refuses them, until they are set.
    ///
    /// # Errors
    /// A configuration that makes no sense, a device that is not there, too little memory.
    pub fn new(cfg: impl IntoChecked<SAEConfig>) -> Result<Self> {
        let mut sae = Self::zeros(cfg)?;
        sae.draw_tied_unit_rows(f64::NAN)?;
        Ok(sae)
    }

    /// Returns another handle on the same parameters: no number is copied, and what changes one in place changes both.
    /// Norms and configuration are its own, so neither handle may be folded while there are two.
    pub(crate) fn share(&self) -> Self {
        SparseAutoEncoder {
            cfg: self.cfg.clone(),
            parameters: self.parameters.share(),
            dataset_norms: self.dataset_norms.clone(),
            kind: self.kind,
            device: self.device,
        }
    }

    /// Returns a dictionary whose parameters are all 0, to be filled.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn zeros(cfg: impl IntoChecked<SAEConfig>) -> Result<Self> {
        let cfg = cfg.into_checked()?;
        let (kind, device) = (cfg.dtype.kind(), cfg.device.resolve()?);
        if device == Device::Cpu {
            let (d, n) = (cfg.d_model, cfg.d_sae());
            let width = kind.elt_size_in_bytes() as u64;
            let bytes = cfg.parameter_count().saturating_mul(width);
            memory::admit(bytes, &format!("a dictionary of {n} latents for d_model {d}"))?;
        }
        Ok(Self {
            parameters: Parameters::zeros(cfg.variant.layout(&cfg), kind, device)?,
            dataset_norms: BTreeMap::new(),
            kind,
            device,
            cfg,
        })
    }

    /// Returns all trainable parameters, in a fixed order. The tensors share their storage with the dictionary.
    pub fn parameters(&self) -> &[Parameter] {
        self.parameters.all()
    }

    /// Returns the names and tensors of [`parameters`](Self::parameters).
    pub fn named_parameters(&self) -> Vec<(&'static str, &Tensor)> {
        let all = self.parameters().iter();
        all.map(|parameter| (parameter.name, &parameter.tensor)).collect()
    }

    /// Returns one parameter by its name.
    ///
    /// # Errors
    /// There is no parameter of this name.
    pub fn parameter(&self, name: &str) -> Result<&Tensor> {
        self.parameters.get(name)
    }

    /// Returns a handle on a parameter by which its numbers can be changed in place, where gradients are off.
    pub(super) fn writable(&self, name: &str) -> Result<Tensor> {
        Ok(self.parameter(name)?.shallow_clone())
    }

    /// Overwrites a parameter with `values` of the same shape; dtype and device are converted.
    ///
    /// # Errors
    /// There is no such parameter, or the shape is another one.
    pub fn set_parameter(&mut self, name: &str, values: &Tensor) -> Result<()> {
        let mut parameter = self.writable(name)?;
        if parameter.size() != values.size() {
            return Err(Error::input(format!(
                "`{name}` has shape {:?}, but the values have shape {:?}",
                parameter.size(),
                values.size()
            )));
        }
        let _no_grad = no_grad_guard();
        parameter.f_copy_(values)?;
        Ok(())
    }

    /// Puts the log-thresholds of a jumprelu dictionary in place, `(d_sae)` or `(heads, d_sae)`, in float64 where they
    /// are given so: a threshold that was stored itself comes out of such a logarithm to its last bit.
    ///
    /// # Errors
    /// It is no jumprelu dictionary, or the shape is another one.
    pub(super) fn set_log_threshold(&mut self, values: &Tensor) -> Result<()> {
        let there = self.parameter(LOG_THRESHOLD)?;
        let kind = match values.kind() {
            Kind::Double => Kind::Double,
            _ => there.f_kind()?,
        };
        let shape = if self.fits(LOG_THRESHOLD, &values.size()) {
            values.size()
        } else {
            there.size()
        };
        let empty = Tensor::f_zeros(shape, (kind, self.device))?;
        self.parameters
            .replace(LOG_THRESHOLD, empty.f_set_requires_grad(true)?);
        self.set_parameter(LOG_THRESHOLD, values)
    }

    /// Returns whether the parameter of that name can have this shape.
    pub(super) fn fits(&self, name: &str, shape: &[i64]) -> bool {
        let layout = self.cfg.variant.layout(&self.cfg);
        let spec = layout.iter().find(|spec| spec.name == name);
        spec.is_some_and(|spec| self.cfg.variant.fits(&self.cfg, spec, shape))
    }

    /// Returns another dictionary with the same values.
    ///
    /// # Errors
    /// Too little memory.
    pub fn copy(&self) -> Result<Self> {
        let mut copy = Self::zeros(self.cfg.clone())?;
        for parameter in self.parameters() {
            if parameter.name == LOG_THRESHOLD {
                copy.set_log_threshold(&parameter.tensor)?;
            } else {
                copy.set_parameter(parameter.name, &parameter.tensor)?;
            }
        }
        copy.dataset_norms = self.dataset_norms.clone();
        Ok(copy)
    }

    /// Returns the number of trainable numbers.
    pub fn parameter_count(&self) -> u64 {
        let numbers = self
            .parameters()
            .iter()
            .map(|parameter| parameter.tensor.numel() as u64);
        numbers.sum()
    }

    /// Returns the device of the parameters.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Returns the number format of the parameters.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the measured average norm of the activations at `hook`, for dataset-wise normalisation.
    pub fn dataset_norm(&self, hook: &str) -> Option<f64> {
        self.dataset_norms.get(hook).copied()
    }

    /// Returns the average norms of the activations by hook point; empty until they are measured or loaded.
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
        let rounded = |(hook, norm): (String, f64)| (hook, f64::from(norm as f32));
        self.dataset_norms = norms.into_iter().map(rounded).collect();
        Ok(())
    }

    /// Returns the thresholds of its activation function, `(d_sae)` or `(heads, d_sae)` in the dictionary's format;
    /// `None` where that has none. In a workspace they are without their graph.
    ///
    /// # Errors
    /// Too little memory.
    pub fn threshold(&self, workspace: Option<&Workspace>) -> Result<Option<Tensor>> {
        let act_fn = self.cfg.act_fn;
        act_fn.threshold(&self.parameters, self.kind, workspace)
    }

    /// Returns `‖W_D[i]‖₂` of each latent, `(d_sae)`; `(heads, d_sae)` for a dictionary with heads.
    ///
    /// # Errors
    /// Too little memory.
    pub fn decoder_norm(&self) -> Result<Tensor> {
        let w_d = self.parameter("W_D")?;
        Ok(w_d.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), false)?)
    }

    /// Returns `‖W_E[:, i]‖₂` of each latent, in the shape of [`decoder_norm`](Self::decoder_norm).
    ///
    /// # Errors
    /// Too little memory.
    pub fn encoder_norm(&self) -> Result<Tensor> {
        let w_e = self.parameter("W_E")?;
        Ok(w_e.f_norm_scalaropt_dim(2.0, [-2i64].as_slice(), false)?)
    }

    /// Returns `‖b_D‖₂`, 0-d; of each head `(heads)` for a dictionary with heads.
    ///
    /// # Errors
    /// It has no decoder bias.
    pub fn decoder_bias_norm(&self) -> Result<Tensor> {
        let b_d = self.parameter("b_D")?;
        Ok(b_d.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), false)?)
    }

    /// Returns activations of the latents `(…, d_sae)` for normalised activations `x (…, d_model)`, all positions
    /// counted.
    ///
    /// # Errors
    /// `x` has another shape.
    pub fn encode(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.encode_with(x, &Pass::default())?.feature_acts)
    }

    /// Encodes like [`encode`](Self::encode), but as `pass` says, and returns the pre-activations too. Where a position
    /// does not count, batchtopk gives 0; relu, jumprelu and topk look at each token by itself and give what they
    /// would.
    ///
    /// # Errors
    /// As [`encode`](Self::encode); a `k` or a mask that does not fit.
    pub fn encode_with(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Encoded> {
        self.check_shape(x, self.cfg.d_model, "activations", "d_model")?;
        pass.check_k(self.cfg.act_fn, self.cfg.d_sae())?;
        let x = x.f_to_device(self.device)?.f_to_kind(self.kind)?;
        let counted = self.counted_of(&x, pass)?;
        // Elsewhere it would make the device wait; there the trainer asks before the first step.
        if self.device == Device::Cpu {
            self.require_thresholds()?;
        }
        self.cfg.variant.encode(self, &x, pass, counted.as_ref())
    }

    /// Returns which positions of `x (…, d)` count: bool `(…)` on its device, also over the heads of a dictionary that
    /// has any; `None` for all.
    pub(super) fn counted_of(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Option<Tensor>> {
        let Some(heads) = self.cfg.hooks.heads() else {
            return pass.counted_of(x);
        };
        let Some(counted) = pass.counted_of(&x.f_select(-2, 0)?)? else {
            return Ok(None);
        };
        let mut shape = counted.size();
        shape.push(heads);
        Ok(Some(counted.f_unsqueeze(-1)?.f_expand(shape, false)?))
    }

    /// Refuses a dictionary whose activation function has parameters that nobody has set: with them it would give
    /// zeros.
    ///
    /// # Errors
    /// Thresholds that are NaN.
    pub fn require_thresholds(&self) -> Result<()> {
        self.cfg.act_fn.require_parameters(&self.parameters)
    }

    /// Returns what the activation function makes of pre-activations.
    pub(super) fn activated(
        &self,
        hidden_pre: Tensor,
        pass: &Pass<'_>,
        counted: Option<&Tensor>,
    ) -> Result<Encoded> {
        let decoder_norm = self.decoder_norm()?;
        let k = pass.k.unwrap_or(self.cfg.top_k);
        let feature_acts = self.activate(&hidden_pre, &decoder_norm, k, pass, counted)?;
        Ok(Encoded {
            feature_acts,
            hidden_pre,
            decoder_norm,
            penalised: None,
        })
    }

    /// Applies the activation function to pre-activations `h (…, d_sae)`, with the decoder norms where the
    /// configuration includes them: `act(h · n) / n`. A latent whose decoder row is 0 says nothing and is off.
    pub(super) fn activate(
        &self,
        hidden_pre: &Tensor,
        decoder_norm: &Tensor,
        k: i64,
        pass: &Pass<'_>,
        counted: Option<&Tensor>,
    ) -> Result<Tensor> {
        let gate = Gate {
            k,
            threshold: self
                .cfg
                .act_fn
                .threshold(&self.parameters, hidden_pre.kind(), None)?,
            window: self.cfg.jumprelu_threshold_window,
            counted,
            custom: pass.custom.activation,
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

    /// Returns the reconstruction `(…, d_model)` from activations of the latents `(…, d_sae)`.
    ///
    /// # Errors
    /// `feature_acts` has another shape.
    pub fn decode(&self, feature_acts: &Tensor) -> Result<Tensor> {
        self.decode_with(feature_acts, &Pass::default())
    }

    /// Decodes like [`decode`](Self::decode), but as `pass` says.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_with(&self, feature_acts: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.check_shape(feature_acts, self.cfg.d_sae(), "latent activations", "d_sae")?;
        let feature_acts = feature_acts.f_to_device(self.device)?.f_to_kind(self.kind)?;
        self.add_decoder_bias(self.cfg.variant.decode(self, &feature_acts, pass)?)
    }

    /// Returns `decoded (…, d_model)` with the decoder's bias, if there is any.
    pub(super) fn add_decoder_bias(&self, decoded: Tensor) -> Result<Tensor> {
        match self.parameters.find("b_D") {
            Some(b_d) => Ok(decoded.f_add(b_d)?),
            None => Ok(decoded),
        }
    }

    /// Returns the reconstruction of normalised activations `x (…, d_model)`, all positions counted.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, &Pass::default())
    }

    /// Returns the reconstruction like [`forward`](Self::forward), but as `pass` says.
    ///
    /// # Errors
    /// As [`encode_with`](Self::encode_with).
    pub fn forward_with(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.decode_with(&self.encode_with(x, pass)?.feature_acts, pass)
    }

    fn check_shape(&self, x: &Tensor, width: i64, what: &str, name: &str) -> Result<()> {
        let size = x.size();
        let refused = |reason: String, hint: String| {
            Err(Error::input(format!(
                "{what} of shape {size:?} do not fit this dictionary, {reason}"
            ))
            .hint(hint))
        };
        if size.last() != Some(&width) {
            return refused(
                format!("whose {name} is {width}"),
                format!("the last dimension has to be {width}"),
            );
        }
        match self.cfg.hooks.heads() {
            Some(heads) if size.len() < 3 || size[size.len() - 2] != heads => refused(
                format!("which has {heads} heads"),
                format!(
                    "the last two dimensions have to be [{heads}, {width}]: a head for each of its hook points"
                ),
            ),
            _ => Ok(()),
        }
    }
}
