//! Language models: `TransformerLensLanguageModel(LanguageModelConfig(#{ … }))`.

use std::rc::Rc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, Module};

use super::tensor::TensorHandle;
use crate::activations::ActivationModel;
use crate::error::{Error, Result};
use crate::model::{Backend, DecoderConfig, LanguageModel, LanguageModelConfig};
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::state::State;
use crate::tensor::{DType, Tensor};

/// A language model that scripts hold.
#[derive(Clone)]
pub struct LanguageModelHandle(LanguageModel);

impl LanguageModelHandle {
    /// The model.
    pub fn model(&self) -> &LanguageModel {
        &self.0
    }

    /// The model as an activation factory takes it.
    pub fn for_activations(&self) -> Rc<dyn ActivationModel> {
        Rc::new(self.0.clone())
    }
}

/// Puts the model object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<LanguageModelHandle>(
        "LanguageModel",
        &["/// A language model with its tokenizer, whose activations can be read at TransformerLens's hook points."],
    );
    combine_with_exported_module!(module, "model", functions);
}

fn load(
    context: &NativeCallContext,
    mut config: LanguageModelConfig,
    backend: Option<Backend>,
) -> Result<LanguageModelHandle> {
    if let (Some(backend), Backend::Auto) = (backend, config.backend) {
        config.backend = backend;
    }
    LanguageModel::load(&config, State::of(context).context()).map(LanguageModelHandle)
}

/// Token ids `[batch, seq]` of a text or of several, padded on the right.
pub fn tokens_of(model: &LanguageModel, texts: &[String]) -> Result<Tensor> {
    let limit = Some(model.max_length());
    let ids: Vec<Vec<i64>> = texts
        .iter()
        .map(|text| model.tokenizer().encode(text, model.config().prepend_bos, limit))
        .collect::<Result<_>>()?;
    let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
    let pad = model
        .tokenizer()
        .pad_token_id()
        .or(model.tokenizer().eos_token_id());
    if ids.iter().any(|ids| ids.len() < longest) && pad.is_none() {
        return Err(Error::input(
            "texts of different lengths need padding, but the tokenizer has no PAD token",
        )
        .hint("set `pad_token_id` in the LanguageModelConfig"));
    }
    let padded: Vec<i64> = ids
        .iter()
        .flat_map(|ids| {
            ids.iter()
                .copied()
                .chain(std::iter::repeat_n(pad.unwrap_or(0), longest - ids.len()))
        })
        .collect();
    Ok(Tensor::f_from_slice(&padded)?.f_reshape([ids.len() as i64, longest as i64])?)
}

/// The strings of an array.
pub fn strings(texts: &Array) -> Result<Vec<String>> {
    let one = |(index, text): (usize, &Dynamic)| {
        let wrong = |given: &str| {
            Error::input(format!("expected a string, but was given {given}")).under(format!("[{index}]"))
        };
        text.clone().into_string().map_err(wrong)
    };
    texts.iter().enumerate().map(one).collect()
}

/// Token ids of a tensor `[seq]` or `[1, seq]`.
fn ids_of(tokens: &TensorHandle) -> Result<Vec<i64>> {
    Ok(Vec::<i64>::try_from(
        tokens
            .tensor()
            .f_flatten(0, -1)?
            .f_to_kind(crate::tensor::Kind::Int64)?,
    )?)
}

fn captured(model: &LanguageModel, tokens: &TensorHandle, names: &[String]) -> Result<Map> {
    let activations = model.capture(tokens.tensor(), names)?;
    Ok(activations
        .into_iter()
        .map(|(name, x)| (name.into(), Dynamic::from(TensorHandle::new(x))))
        .collect())
}

/// The sizes that people ask for.
fn sizes_of(cfg: &DecoderConfig) -> [(&'static str, i64); 8] {
    [
        ("d_model", cfg.d_model),
        ("n_layers", cfg.n_layers as i64),
        ("n_heads", cfg.n_heads),
        ("n_kv_heads", cfg.n_kv_heads),
        ("d_head", cfg.d_head),
        ("d_mlp", cfg.d_mlp),
        ("d_vocab", cfg.d_vocab),
        ("n_ctx", cfg.n_ctx),
    ]
}

#[export_module]
mod functions {
    /// Loads a model with TransformerLens's hook names, shapes and weight processing.
    #[rhai_fn(name = "TransformerLensLanguageModel", return_raw, volatile)]
    pub fn transformer_lens(
        context: NativeCallContext,
        config: ConfigHandle<LanguageModelConfig>,
    ) -> RhaiResultOf<LanguageModelHandle> {
        load(&context, config.get(), Some(Backend::TransformerLens)).raise()
    }

    /// Loads a model that gives the unprocessed model's numbers under the same hook names.
    #[rhai_fn(name = "HuggingFaceLanguageModel", return_raw, volatile)]
    pub fn hugging_face(
        context: NativeCallContext,
        config: ConfigHandle<LanguageModelConfig>,
    ) -> RhaiResultOf<LanguageModelHandle> {
        load(&context, config.get(), Some(Backend::Huggingface)).raise()
    }

    /// Loads a model with the backend that its configuration names.
    #[rhai_fn(name = "LanguageModel", return_raw, volatile)]
    pub fn any_backend(
        context: NativeCallContext,
        config: ConfigHandle<LanguageModelConfig>,
    ) -> RhaiResultOf<LanguageModelHandle> {
        load(&context, config.get(), None).raise()
    }

    /// The model's name or folder, as given.
    #[rhai_fn(get = "name", pure)]
    pub fn name(model: &mut LanguageModelHandle) -> String {
        model.0.name().to_string()
    }

    /// The architecture as a map: `d_model`, `n_layers`, `n_heads`, `d_head`, `d_mlp`, `d_vocab`, `n_ctx`.
    #[rhai_fn(get = "cfg", return_raw, pure)]
    pub fn cfg(model: &mut LanguageModelHandle) -> RhaiResultOf<Map> {
        let cfg = model.0.cfg().raise()?;
        Ok(sizes_of(cfg)
            .into_iter()
            .map(|(name, size)| (name.into(), size.into()))
            .collect())
    }

    /// What it was loaded with.
    #[rhai_fn(get = "config", pure)]
    pub fn config(model: &mut LanguageModelHandle) -> ConfigHandle<LanguageModelConfig> {
        ConfigHandle::new(model.0.config().clone())
    }

    /// Number format of weights and activations.
    #[rhai_fn(get = "dtype", pure)]
    pub fn dtype(model: &mut LanguageModelHandle) -> DType {
        model.0.dtype()
    }

    /// Names of all hook points, in the order of the forward pass.
    #[rhai_fn(get = "hook_points", return_raw, pure)]
    pub fn hook_points(model: &mut LanguageModelHandle) -> RhaiResultOf<Array> {
        let points = model.0.hook_points().raise()?;
        Ok(points.into_iter().map(|point| point.name.into()).collect())
    }

    /// Token ids `[1, seq]` of a text, with BOS in front where the configuration wants it.
    #[rhai_fn(return_raw, pure)]
    pub fn to_tokens(model: &mut LanguageModelHandle, text: ImmutableString) -> RhaiResultOf<TensorHandle> {
        tokens_of(&model.0, &[text.to_string()])
            .map(TensorHandle::new)
            .raise()
    }

    /// Token ids `[batch, seq]` of several texts, padded on the right.
    #[rhai_fn(name = "to_tokens", return_raw, pure)]
    pub fn to_tokens_batch(model: &mut LanguageModelHandle, texts: Array) -> RhaiResultOf<TensorHandle> {
        strings(&texts)
            .and_then(|texts| tokens_of(&model.0, &texts))
            .map(TensorHandle::new)
            .raise()
    }

    /// The text of token ids.
    #[rhai_fn(return_raw, pure)]
    pub fn to_string(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<String> {
        ids_of(&tokens)
            .and_then(|ids| model.0.tokenizer().decode(&ids))
            .raise()
    }

    /// The text of each token.
    #[rhai_fn(return_raw, pure)]
    pub fn to_str_tokens(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<Array> {
        let texts = ids_of(&tokens)
            .and_then(|ids| model.0.tokenizer().token_strings(&ids))
            .raise()?;
        Ok(texts.into_iter().map(Dynamic::from).collect())
    }

    /// Logits `[batch, seq, d_vocab]` for token ids `[batch, seq]`.
    #[rhai_fn(name = "forward", return_raw, pure)]
    pub fn forward(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<TensorHandle> {
        model.0.forward(tokens.tensor()).map(TensorHandle::new).raise()
    }

    /// Mean cross-entropy of the next token, in nats.
    #[rhai_fn(name = "loss", return_raw, pure)]
    pub fn loss(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<f64> {
        model
            .0
            .loss(tokens.tensor())
            .and_then(|loss| Ok(loss.f_double_value(&[])?))
            .raise()
    }

    /// Activations at the named hook points for token ids `[batch, seq]`. Stops after the last of them.
    #[rhai_fn(return_raw, pure)]
    pub fn to_activations(
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        names: Array,
    ) -> RhaiResultOf<Map> {
        strings(&names)
            .and_then(|names| captured(&model.0, &tokens, &names))
            .raise()
    }

    /// Name, size and where it runs.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(model: &mut LanguageModelHandle) -> String {
        let size = match model.0.cfg() {
            Ok(cfg) => format!("layers: {}, d_model: {}", cfg.n_layers, cfg.d_model),
            Err(_) => "tokenizer only".to_string(),
        };
        format!(
            "LanguageModel({:?}, {size}, dtype: torch::{})",
            model.0.name(),
            model.0.dtype()
        )
    }
}
