//! `SparseAutoEncoder`: encode, decode, losses, parameters and files.

use rhai::plugin::*;
use rhai::{Dynamic, FnPtr, ImmutableString, Map, Module};

use super::batch;
pub use super::sae_handle::SparseAutoEncoderHandle;
use super::sae_pass::{PassOptions, encoded, encoded_as_asked, reconstructed};
use super::tensor::TensorHandle;
use crate::dictionary::{HookPoints, LoadOptions, Pass, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::script::arguments::Arguments;
use crate::script::class::ConfigHandle;
use crate::script::closure::KeptClosure;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard;
use crate::script::state::State;
use crate::tensor::{DType, Device, DeviceSpec, no_grad_guard};

/// Puts the dictionary object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<SparseAutoEncoderHandle>(
        "SparseAutoEncoder",
        &["/// A dictionary: a sparse autoencoder, a transcoder where its two hook points differ, or another kind by \
           `sae_type`. Shapes: W_E (d_model, d_sae), b_E (d_sae), W_D (d_sae, d_model), b_D (d_model); a crosscoder \
           has a dimension for its heads before these, and one before the last in activations and latents."],
    );
    combine_with_exported_module!(module, "sae", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn load(call: &NativeCallContext, path: &str, options: Map) -> Result<SparseAutoEncoderHandle> {
    let mut arguments = Arguments::new("SparseAutoEncoder", "from_pretrained", options);
    let activation: Option<FnPtr> = arguments.optional("activation", "a closure `|h| …`")?;
    let defaults = LoadOptions::default();
    let options = LoadOptions {
        device: arguments.data::<DeviceSpec>("device")?.unwrap_or(defaults.device),
        dtype: arguments.data::<DType>("dtype")?,
        strict_loading: arguments
            .data("strict_loading")?
            .unwrap_or(defaults.strict_loading),
        fold_activation_scale: arguments
            .data("fold_activation_scale")?
            .unwrap_or(defaults.fold_activation_scale),
        context: State::of(call).context().clone(),
    };
    arguments.finish()?;
    let sae = SparseAutoEncoder::from_pretrained(path, &options)?;
    sae.cfg.act_fn.require_custom(
        activation.is_some(),
        "files do not hold it: `from_pretrained(path, #{ activation: |h| … })`",
    )?;
    let sae = SparseAutoEncoderHandle::new(sae);
    if let Some(closure) = activation {
        sae.keep_activation(KeptClosure::new(call, closure));
    }
    Ok(sae)
}

fn save(sae: &SparseAutoEncoderHandle, options: Map) -> Result<()> {
    let mut arguments = Arguments::new("SparseAutoEncoder", "save_pretrained", options);
    let path: String = arguments
        .data("save_path")?
        .ok_or_else(|| Error::input("`save_pretrained` needs the argument `save_path`: a folder"))?;
    let fold = arguments.data("fold_activation_scale")?.unwrap_or(false);
    arguments.finish()?;
    sae.get()?.save_pretrained(path, fold)
}

/// Returns the folder that `save_hyperparameters` was given, a method of the configuration, `sae.cfg`.
fn hyperparameters_folder(options: Map) -> Result<String> {
    let mut arguments = Arguments::new("SAEConfig", "save_hyperparameters", options);
    let folder = arguments.data::<String>("save_path")?;
    arguments.finish()?;
    folder.ok_or_else(|| Error::input("`save_hyperparameters` needs the argument `save_path`: a folder"))
}

#[export_module(manifest)]
mod functions {
    /// Makes a dictionary with fresh weights (decoder rows of norm 1 in random directions, the encoder their transpose,
    /// biases 0), or loads the trained one that `sae_pretrained_name_or_path` names.
    #[rhai_fn(name = "SparseAutoEncoder", return_raw)]
    pub fn new_sae(
        context: NativeCallContext,
        config: ConfigHandle<SAEConfig>,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        SparseAutoEncoder::from_config(config.get(), State::of(&context).context())
            .map(SparseAutoEncoderHandle::new)
            .raise()
    }

    /// Sets the activation function of a dictionary with `act_fn` "custom", from pre-activations `(…, d_sae)` to
    /// activations of the same shape. Its files do not hold it.
    #[rhai_fn(return_raw, volatile)]
    pub fn set_activation(
        context: NativeCallContext,
        sae: &mut SparseAutoEncoderHandle,
        closure: FnPtr,
    ) -> RhaiResultOf<()> {
        sae.get().raise()?.cfg.act_fn.require_custom(true, "").raise()?;
        sae.keep_activation(KeptClosure::new(&context, closure));
        Ok(())
    }

    /// Returns a copy of the architecture: a trained dictionary keeps its architecture.
    #[rhai_fn(get = "cfg", return_raw, pure)]
    pub fn cfg(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<ConfigHandle<SAEConfig>> {
        Ok(ConfigHandle::new(sae.get().raise()?.cfg.clone()))
    }

    /// Writes `config.json` into a folder, which is made where it is missing.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn save_hyperparameters(
        config: &mut ConfigHandle<SAEConfig>,
        folder: ImmutableString,
    ) -> RhaiResultOf<()> {
        config.get().save_hyperparameters(folder.as_str()).raise()
    }

    /// Writes `config.json` into the folder `#{ save_path: … }`.
    #[rhai_fn(name = "save_hyperparameters", return_raw, pure, volatile)]
    pub fn save_hyperparameters_named(
        config: &mut ConfigHandle<SAEConfig>,
        options: Map,
    ) -> RhaiResultOf<()> {
        let folder = hyperparameters_folder(options).raise()?;
        config.get().save_hyperparameters(folder).raise()
    }

    /// Writes `sae_weights.safetensors` and `config.json` into a folder, each whole or not at all, as the dictionary
    /// is. `#{ save_path, fold_activation_scale: true }` writes a copy with the dataset-wise normalisation folded into
    /// the weights.
    #[rhai_fn(name = "save_pretrained", return_raw, pure, volatile)]
    pub fn save_pretrained(
        sae: &mut SparseAutoEncoderHandle,
        save_path: ImmutableString,
    ) -> RhaiResultOf<()> {
        let mut options = Map::new();
        options.insert("save_path".into(), save_path.into());
        save(sae, options).raise()
    }

    /// Writes the dictionary: `#{ save_path: "results" }`. With `fold_activation_scale: true` what is written is a copy
    /// with the dataset-wise normalisation folded into the weights, which takes activations as the model has them.
    #[rhai_fn(name = "save_pretrained", return_raw, pure, volatile)]
    pub fn save_pretrained_named(sae: &mut SparseAutoEncoderHandle, options: Map) -> RhaiResultOf<()> {
        save(sae, options).raise()
    }

    /// Returns the activations of the latents `(…, d_sae)` for normalised activations `(…, d_model)`, which are brought
    /// to the dictionary's dtype and device. Records no gradients, as all passes here: `compute_loss` does.
    #[rhai_fn(return_raw, pure)]
    pub fn encode(sae: &mut SparseAutoEncoderHandle, x: TensorHandle) -> RhaiResultOf<TensorHandle> {
        encoded(sae, &x, &PassOptions::default()).raise()
    }

    /// Returns the activations of the latents where only the positions count whose `mask (…)` is not 0: the others take
    /// no part in batchtopk's selection, and are 0 there.
    #[rhai_fn(name = "encode", return_raw, pure)]
    pub fn encode_masked(
        sae: &mut SparseAutoEncoderHandle,
        x: TensorHandle,
        mask: TensorHandle,
    ) -> RhaiResultOf<TensorHandle> {
        encoded(sae, &x, &PassOptions::of_mask(mask)).raise()
    }

    /// Returns the activations of the latents with `#{ mask: batch.mask }`, or with another `k` than the dictionary's
    /// `top_k`. With `return_hidden_pre: true` it returns a map of them and the pre-activations, `(…, d_sae)` both:
    /// `feature_acts`, `hidden_pre`.
    #[rhai_fn(name = "encode", return_raw, pure)]
    pub fn encode_with(
        sae: &mut SparseAutoEncoderHandle,
        x: TensorHandle,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        PassOptions::new("encode", options)
            .and_then(|options| encoded_as_asked(sae, &x, &options))
            .raise()
    }

    /// Returns the reconstruction `(…, d_model)` from activations of the latents `(…, d_sae)`.
    #[rhai_fn(return_raw, pure)]
    pub fn decode(
        sae: &mut SparseAutoEncoderHandle,
        feature_acts: TensorHandle,
    ) -> RhaiResultOf<TensorHandle> {
        let _guard = no_grad_guard();
        sae.get()
            .and_then(|sae| sae.decode(feature_acts.tensor()))
            .map(TensorHandle::new)
            .raise()
    }

    /// Returns the reconstruction `(…, d_model)` of normalised activations: `decode(encode(x))`.
    #[rhai_fn(return_raw, pure)]
    pub fn forward(sae: &mut SparseAutoEncoderHandle, x: TensorHandle) -> RhaiResultOf<TensorHandle> {
        reconstructed(sae, &x, &PassOptions::default()).raise()
    }

    /// Returns the reconstruction of normalised activations where only the positions count whose `mask (…)` is not 0.
    #[rhai_fn(name = "forward", return_raw, pure)]
    pub fn forward_masked(
        sae: &mut SparseAutoEncoderHandle,
        x: TensorHandle,
        mask: TensorHandle,
    ) -> RhaiResultOf<TensorHandle> {
        reconstructed(sae, &x, &PassOptions::of_mask(mask)).raise()
    }

    /// Returns the reconstruction of normalised activations with `#{ mask: batch.mask }`, or with another `k` than the
    /// dictionary's `top_k`.
    #[rhai_fn(name = "forward", return_raw, pure)]
    pub fn forward_with(
        sae: &mut SparseAutoEncoderHandle,
        x: TensorHandle,
        options: Map,
    ) -> RhaiResultOf<TensorHandle> {
        PassOptions::new("forward", options)
            .and_then(|options| reconstructed(sae, &x, &options))
            .raise()
    }

    /// Returns a batch with its activations scaled as the dictionary wants them (`norm_activation`). Where the batch's
    /// mask is 0, nothing counts for batch-wise norms. Dataset-wise norms have to be known: a training, an initialiser
    /// or a file gives them.
    #[rhai_fn(return_raw, pure)]
    pub fn normalize_activations(sae: &mut SparseAutoEncoderHandle, batch: Map) -> RhaiResultOf<Map> {
        let mut batch = batch::from_map(&batch).raise()?;
        let _guard = no_grad_guard();
        batch.activations = sae
            .get()
            .and_then(|sae| {
                sae.normalize_activations(&batch.activations, &Pass::counting(batch.mask.as_ref()))
            })
            .raise()?;
        Ok(batch::to_map(batch))
    }

    /// Folds the dataset-wise normalisation into the weights, so that activations are taken as the model has them, and
    /// sets `norm_activation` to "inference". Refuses other normalisations, norms that are not known, and dictionaries
    /// in which other latents might be on afterwards.
    #[rhai_fn(return_raw, pure)]
    pub fn standardize_parameters_of_dataset_norm(sae: &mut SparseAutoEncoderHandle) -> RhaiResultOf<()> {
        sae.get_mut()
            .and_then(|mut sae| sae.standardize_parameters_of_dataset_norm())
            .raise()
    }

    /// Returns hook points, sizes, activation function and where it lives, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(sae: &mut SparseAutoEncoderHandle) -> String {
        let Ok(sae) = sae.get() else {
            return "SparseAutoEncoder(in use)".into();
        };
        let cfg = &sae.cfg;
        let device = match sae.device() {
            Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".into(),
        };
        let hooks = match &cfg.hooks {
            HookPoints::InOut(points) => format!(
                "hook_point_in: {:?}, hook_point_out: {:?}",
                points.hook_point_in, points.hook_point_out
            ),
            HookPoints::Heads(heads) => format!("hook_points: {:?}", heads.hook_points),
        };
        let kind = match cfg.variant.name() {
            "sae" => String::new(),
            other => format!("sae_type: {other:?}, "),
        };
        let (d_model, d_sae, act_fn) = (cfg.d_model, cfg.d_sae(), cfg.act_fn.name());
        format!(
            "SparseAutoEncoder({kind}{hooks}, d_model: {d_model}, d_sae: {d_sae}, act_fn: {act_fn:?}, device: {device:?})"
        )
    }
}

/// `SparseAutoEncoder::from_pretrained`.
#[export_module(manifest)]
pub mod statics {
    /// Loads a trained dictionary from a folder with `config.json` and weights, from a weights file beside one, or from
    /// the Hugging Face hub: `"org/repo:folder"`.
    #[rhai_fn(return_raw, volatile)]
    pub fn from_pretrained(
        context: NativeCallContext,
        path: ImmutableString,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        placed(&context, || load(&context, &path, Map::new()).raise())
    }

    /// Loads a folder that SAELens wrote (`cfg.json` and `sae_weights.safetensors`), also where a `config.json` lies
    /// beside it; `from_pretrained` reads such folders too. Architectures: standard, jumprelu, topk, gated, transcoder
    /// and jumprelu_transcoder; others, and activations that it normalises or reshapes, are refused with the reason.
    #[rhai_fn(return_raw, volatile)]
    pub fn from_saelens(
        context: NativeCallContext,
        path: ImmutableString,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        placed(&context, || {
            SparseAutoEncoder::from_saelens(path.as_str(), &LoadOptions::default())
                .map(SparseAutoEncoderHandle::new)
                .raise()
        })
    }

    /// Loads with `#{ device: "cuda", dtype: torch::float16, strict_loading: true, fold_activation_scale: true }`, and
    /// with `activation: |h| …` where `act_fn` is "custom". What is left out is the CPU, the dtype of the file, `true`
    /// (surplus tensors are refused; else each is named in a warning) and `false` (the measured norms stay beside the
    /// weights).
    #[rhai_fn(name = "from_pretrained", return_raw, volatile)]
    pub fn from_pretrained_with(
        context: NativeCallContext,
        path: ImmutableString,
        options: Map,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        placed(&context, || load(&context, &path, options).raise())
    }
}
