//! Language models: `TransformerLensLanguageModel(LanguageModelConfig(#{ … }))`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

use crate::activations::ActivationModel;
use crate::config::Checked;
use crate::error::{Error, Result};
use crate::model::{
    Backend, DecoderConfig, LanguageModel, LanguageModelConfig, Norm, PaddingSide, Placement, Position,
    Residual,
};
use crate::script::class::ConfigHandle;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;
use crate::tensor::DType;

/// A language model that scripts hold; copies of the handle mean the same one.
#[derive(Clone)]
pub struct LanguageModelHandle {
    model: LanguageModel,
    padding_side: Rc<Cell<PaddingSide>>,
}

impl LanguageModelHandle {
    fn new(model: LanguageModel) -> Self {
        LanguageModelHandle {
            model,
            padding_side: Rc::default(),
        }
    }

    /// Returns the model.
    pub fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// Returns on which side its texts are filled up.
    pub fn padding_side(&self) -> PaddingSide {
        self.padding_side.get()
    }

    /// Has its texts filled up on `side` from now on.
    pub fn pad_on(&self, side: PaddingSide) {
        self.padding_side.set(side);
    }

    /// Returns the model as an activation factory takes it.
    pub fn for_activations(&self) -> Arc<dyn ActivationModel> {
        Arc::new(self.model.clone())
    }
}

/// Puts the model object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<LanguageModelHandle>(
        "LanguageModel",
        &["/// A language model with its tokenizer, whose activations can be read at TransformerLens's hook points."],
    );
    combine_with_exported_module!(module, "model", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn load(
    context: &NativeCallContext,
    mut config: Checked<LanguageModelConfig>,
    backend: Option<Backend>,
) -> Result<LanguageModelHandle> {
    if let (Some(backend), Backend::Auto) = (backend, config.backend) {
        config.change(|config| config.backend = backend)?;
    }
    LanguageModel::load(config, State::of(context).context()).map(LanguageModelHandle::new)
}

/// Returns the strings of an array.
pub fn strings(texts: &[Dynamic]) -> Result<Vec<String>> {
    let one = |(index, text): (usize, &Dynamic)| {
        let wrong = |given: &str| {
            Error::input(format!("expected a string, but was given {given}")).under(format!("[{index}]"))
        };
        text.clone().into_string().map_err(wrong)
    };
    texts.iter().enumerate().map(one).collect()
}

/// The architecture under TransformerLens's names, as far as both have them.
fn cfg_map(cfg: &DecoderConfig, model: &LanguageModel) -> Map {
    let sizes = [
        ("d_model", cfg.d_model),
        ("n_layers", cfg.n_layers as i64),
        ("n_heads", cfg.n_heads),
        // Two names of the same: TransformerLens's, and that of the files.
        ("n_key_value_heads", cfg.n_kv_heads),
        ("n_kv_heads", cfg.n_kv_heads),
        ("d_head", cfg.d_head),
        ("d_mlp", cfg.d_mlp),
        ("d_vocab", cfg.d_vocab),
        ("n_ctx", cfg.n_ctx),
        ("n_params", cfg.n_parameters()),
    ];
    let (normalization, eps) = match cfg.norm {
        Norm::Layer { eps } => ("LN", eps),
        Norm::Rms { eps, .. } => ("RMS", eps),
    };
    let (positions, rotary_dim) = match &cfg.position {
        Position::Learned => ("standard", Dynamic::UNIT),
        Position::Rotary { dims, .. } => ("rotary", (*dims).into()),
    };
    let placement = match cfg.placement {
        Placement::Before => "before",
        Placement::BeforeAndAfter => "before_and_after",
        Placement::After => "after",
    };
    let cap = cfg.logit_soft_cap.map_or(Dynamic::UNIT, Dynamic::from);
    let others: [(&str, Dynamic); 13] = [
        ("model_name", model.name().into()),
        ("act_fn", cfg.mlp.activation.name().into()),
        ("gated_mlp", cfg.mlp.gated.into()),
        ("normalization_type", normalization.into()),
        ("norm_placement", placement.into()),
        ("eps", eps.into()),
        ("output_logits_soft_cap", cap),
        ("positional_embedding_type", positions.into()),
        ("rotary_dim", rotary_dim),
        ("parallel_attn_mlp", (cfg.residual == Residual::Parallel).into()),
        ("attn_scale", (1.0 / cfg.attention.scale).into()),
        ("default_prepend_bos", model.config().prepend_bos.into()),
        ("dtype", Dynamic::from(model.dtype())),
    ];
    let sizes = sizes.map(|(name, size)| (name.into(), size.into()));
    let others = others.map(|(name, value)| (name.into(), value));
    sizes.into_iter().chain(others).collect()
}

#[export_module(manifest)]
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

    /// Returns the model's name or folder, as given.
    #[rhai_fn(get = "name", pure)]
    pub fn name(model: &mut LanguageModelHandle) -> String {
        model.model.name().to_string()
    }

    /// Returns the architecture as a map with TransformerLens's names: `d_model`, `n_layers`, `n_heads`,
    /// `n_key_value_heads`, `d_head`, `d_mlp`, `d_vocab`, `n_ctx`, `n_params` (the embeddings among them), `act_fn`,
    /// `gated_mlp`, `normalization_type` ("LN" or "RMS"), `norm_placement` ("before", "before_and_after", "after"), `eps`,
    /// `positional_embedding_type` ("standard" or "rotary"), `rotary_dim`, `parallel_attn_mlp`, `attn_scale`,
    /// `output_logits_soft_cap`, `default_prepend_bos`, `model_name` and `dtype`; what a model lacks is `()`.
    #[rhai_fn(get = "cfg", return_raw, pure)]
    pub fn cfg(model: &mut LanguageModelHandle) -> RhaiResultOf<Map> {
        Ok(cfg_map(model.model.cfg().raise()?, &model.model))
    }

    /// Returns a copy of the configuration that it was loaded with.
    #[rhai_fn(get = "config", pure)]
    pub fn config(model: &mut LanguageModelHandle) -> ConfigHandle<LanguageModelConfig> {
        ConfigHandle::new(model.model.config().clone())
    }

    /// Returns the number format of weights and activations.
    #[rhai_fn(get = "dtype", pure)]
    pub fn dtype(model: &mut LanguageModelHandle) -> DType {
        model.model.dtype()
    }

    /// Returns name, size and where it runs, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(model: &mut LanguageModelHandle) -> String {
        let size = match model.model.cfg() {
            Ok(cfg) => format!("layers: {}, d_model: {}", cfg.n_layers, cfg.d_model),
            Err(_) => "tokenizer only".to_string(),
        };
        format!(
            "LanguageModel({:?}, {size}, dtype: torch::{})",
            model.model.name(),
            model.model.dtype()
        )
    }
}
