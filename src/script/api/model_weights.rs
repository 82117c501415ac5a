//! A language model's weights: `model.W_Q` over all layers, `model.blocks[3].attn.W_Q`, `model.weight("embed.W_E")`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, FuncRegistration, ImmutableString, Module};

use super::model::LanguageModelHandle;
use super::tensor::TensorHandle;
use crate::error::Result;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard::{self, SetGuarded};
use crate::tensor::Tensor;

/// A part of a language model, such as `blocks.3.attn`, whose weights are read by name.
#[derive(Clone)]
pub struct ModelPartHandle {
    model: LanguageModelHandle,
    path: String,
}

/// The weights that a model has as properties, with what they are.
const STACKED: &[(&str, &str, &str)] = &[
    (
        "W_Q",
        "attn.W_Q",
        "the weights from the normalised stream to queries, `[n_layers, n_heads, d_model, d_head]`",
    ),
    (
        "W_K",
        "attn.W_K",
        "the weights from the normalised stream to keys, `[n_layers, n_heads, d_model, d_head]`; keys that several heads share are repeated",
    ),
    (
        "W_V",
        "attn.W_V",
        "the weights from the normalised stream to values, `[n_layers, n_heads, d_model, d_head]`; values that several heads share are repeated",
    ),
    (
        "W_O",
        "attn.W_O",
        "the weights from heads to the residual stream, `[n_layers, n_heads, d_head, d_model]`",
    ),
    (
        "b_Q",
        "attn.b_Q",
        "the bias added to queries, `[n_layers, n_heads, d_head]`",
    ),
    (
        "b_K",
        "attn.b_K",
        "the bias added to keys, `[n_layers, n_heads, d_head]`",
    ),
    (
        "b_V",
        "attn.b_V",
        "the bias added to values, `[n_layers, n_heads, d_head]`",
    ),
    (
        "b_O",
        "attn.b_O",
        "the bias added to attention's output, `[n_layers, d_model]`",
    ),
    (
        "W_in",
        "mlp.W_in",
        "the weights from the normalised stream into the MLP, `[n_layers, d_model, d_mlp]`",
    ),
    (
        "W_gate",
        "mlp.W_gate",
        "the MLP's gate, `[n_layers, d_model, d_mlp]`, in models that have one",
    ),
    (
        "W_out",
        "mlp.W_out",
        "the weights from the MLP to the residual stream, `[n_layers, d_mlp, d_model]`",
    ),
    (
        "b_in",
        "mlp.b_in",
        "the bias added in the MLP's hidden layer, `[n_layers, d_mlp]`",
    ),
    (
        "b_out",
        "mlp.b_out",
        "the bias added to the MLP's output, `[n_layers, d_model]`",
    ),
];

/// The weights outside of the blocks, likewise.
const SINGLE: &[(&str, &str, &str)] = &[
    (
        "W_E",
        "embed.W_E",
        "the embedding, `[d_vocab, d_model]`: row t is what token t puts into the stream",
    ),
    (
        "W_pos",
        "pos_embed.W_pos",
        "the embedding of positions, `[n_ctx, d_model]`, in models that have one",
    ),
    (
        "W_U",
        "unembed.W_U",
        "the unembedding, `[d_model, d_vocab]`: column t is the direction that raises token t's logit",
    ),
    ("b_U", "unembed.b_U", "the bias added to the logits, `[d_vocab]`"),
];

/// Puts the properties and methods into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<ModelPartHandle>(
        "ModelPart",
        &["/// A part of a language model, whose weights are its properties: `model.blocks[3].attn.W_Q`."],
    );
    for (name, full, what) in STACKED {
        property(module, name, what, |model| model.model().stacked_weights(full));
    }
    for (name, full, what) in SINGLE {
        property(module, name, what, |model| model.model().weight(full));
    }
    for part in ["embed", "pos_embed", "ln_final", "unembed"] {
        FuncRegistration::new_getter(part)
            .with_params_info(["model: &mut LanguageModel", "ModelPart"])
            .with_comments([format!(
                "/// Returns the model's part `{part}`, whose weights are its properties."
            )])
            .set_guarded(module, move |model: &mut LanguageModelHandle| ModelPartHandle {
                model: model.clone(),
                path: part.to_string(),
            });
    }
    FuncRegistration::new_index_getter()
        .set_guarded(module, |part: &mut ModelPartHandle, name: ImmutableString| {
            part.member(&name).raise()
        });
    combine_with_exported_module!(module, "model_weights", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn property(
    module: &mut Module,
    name: &'static str,
    what: &str,
    read: impl Fn(&LanguageModelHandle) -> Result<Tensor> + Send + Sync + 'static,
) {
    FuncRegistration::new_getter(name)
        .with_params_info(["model: &mut LanguageModel", "Tensor"])
        .with_comments([format!("/// Returns a copy of {what}.")])
        .set_guarded(module, move |model: &mut LanguageModelHandle| {
            read(model).map(TensorHandle::new).raise()
        });
}

impl ModelPartHandle {
    /// The weight or the part of that name in this one.
    fn member(&self, name: &str) -> Result<Dynamic> {
        let model = self.model.model();
        let full = format!("{}.{name}", self.path);
        let names = model.weight_names()?;
        if names.iter().any(|known| {
            known
                .strip_prefix(full.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        }) {
            return Ok(Dynamic::from(ModelPartHandle {
                model: self.model.clone(),
                path: full,
            }));
        }
        match model.weight(&full) {
            Ok(weight) => Ok(Dynamic::from(TensorHandle::new(weight))),
            Err(error) => Err(error.hint(format!(
                "`{}` has: {}",
                self.path,
                self.members(&names).join(", ")
            ))),
        }
    }

    /// The names of what is directly in it, each once.
    fn members(&self, names: &[String]) -> Vec<String> {
        let inside = |name: &String| {
            let rest = name.strip_prefix(self.path.as_str())?.strip_prefix('.')?;
            rest.split('.').next().map(str::to_string)
        };
        let mut members: Vec<String> = names.iter().filter_map(inside).collect();
        members.dedup();
        members
    }
}

#[export_module(manifest)]
mod functions {
    /// Returns the blocks, an array of their parts: `model.blocks[3].attn.W_Q`, `model.blocks[0].ln1.w`.
    #[rhai_fn(get = "blocks", return_raw, pure)]
    pub fn blocks(model: &mut LanguageModelHandle) -> RhaiResultOf<Array> {
        let layers = model.model().cfg().raise()?.n_layers;
        let block = |layer| ModelPartHandle {
            model: model.clone(),
            path: format!("blocks.{layer}"),
        };
        Ok((0..layers).map(|layer| Dynamic::from(block(layer))).collect())
    }

    /// Returns a copy of a weight by its name in TransformerLens's `state_dict`, in its layout: `embed.W_E`,
    /// `blocks.0.attn.W_Q`, `blocks.0.ln1.w`, …; keys and values that heads share, unrepeated, as `_W_K` and `_W_V`.
    #[rhai_fn(return_raw, pure)]
    pub fn weight(model: &mut LanguageModelHandle, name: ImmutableString) -> RhaiResultOf<TensorHandle> {
        model.model().weight(&name).map(TensorHandle::new).raise()
    }

    /// Returns the names of all weights, for `weight`.
    #[rhai_fn(return_raw, pure)]
    pub fn weight_names(model: &mut LanguageModelHandle) -> RhaiResultOf<Array> {
        let names = model.model().weight_names().raise()?;
        Ok(names.into_iter().map(Dynamic::from).collect())
    }

    /// Returns the names of the parts and weights in this part.
    #[rhai_fn(return_raw, pure)]
    pub fn keys(part: &mut ModelPartHandle) -> RhaiResultOf<Array> {
        let names = part.model.model().weight_names().raise()?;
        Ok(part.members(&names).into_iter().map(Dynamic::from).collect())
    }

    /// Returns its name and what is in it, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(part: &mut ModelPartHandle) -> String {
        let names = part.model.model().weight_names().unwrap_or_default();
        format!("{}({})", part.path, part.members(&names).join(", "))
    }
}
