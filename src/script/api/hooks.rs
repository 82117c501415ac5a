//! Hooks and generation on language models: `hook_points`, `run_with_cache`, `run_with_hooks`, `generate`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, Module};

use super::callbacks::Callbacks;
use super::interventions::with_changes;
use super::model::{LanguageModelHandle, strings};
use super::tensor::TensorHandle;
use super::tokens::tokens_of;
use crate::error::{Error, Result, a};
use crate::model::{Dimension, Edit, GenerationConfig, HookPoint};
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;
use crate::tensor::Tensor;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "model_hooks", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// The closures of `#{ "blocks.3.hook_resid_post": |x| x * 0.5 }`, one for each hook point.
fn edits<'a>(hooks: &'a Map, callbacks: &'a Callbacks<'a>) -> Result<Vec<(String, Edit<'a>)>> {
    hooks
        .iter()
        .map(|(name, closure)| {
            let Some(closure) = closure.clone().try_cast::<FnPtr>() else {
                let error = Error::input(format!(
                    "expected a closure `|x| …`, but was given {}",
                    a(&kind_of(closure))
                ));
                return Err(error.under(name.as_str()));
            };
            let edit: Edit<'a> = Box::new(move |x: Tensor, _: &str| {
                let given = TensorHandle::new(x);
                let made = callbacks.call(&closure, (given.clone(),))?;
                match made.clone().try_cast::<TensorHandle>() {
                    Some(tensor) => Ok(tensor.tensor().shallow_clone()),
                    None if made.is_unit() => Ok(given.tensor().shallow_clone()),
                    None => Err(Error::input(format!(
                        "a hook returns a tensor, or () to leave the activation as it is, but returned {}",
                        a(&kind_of(&made))
                    ))),
                }
            });
            Ok((name.to_string(), edit))
        })
        .collect()
}

fn cache_map(cache: std::collections::BTreeMap<String, Tensor>) -> Map {
    let tensor = |(name, x): (String, Tensor)| (name.into(), Dynamic::from(TensorHandle::new(x)));
    cache.into_iter().map(tensor).collect()
}

/// The name and shape of a hook point.
fn hook_point_map(point: &HookPoint) -> Map {
    let size = |dimension: &Dimension| match dimension {
        Dimension::Size(size) => Dynamic::from_int(*size),
        named => named.to_string().into(),
    };
    let mut map = Map::new();
    map.insert("name".into(), point.name.clone().into());
    map.insert(
        "shape".into(),
        point.shape.iter().map(size).collect::<Array>().into(),
    );
    map
}

/// What `work` makes of a forward pass with a script's closures and, after them, changes of latents.
fn changed<T>(
    context: &NativeCallContext,
    hooks: &Map,
    changes: &Array,
    work: impl FnOnce(Vec<(String, Edit<'_>)>) -> Result<T>,
) -> RhaiResultOf<T> {
    let callbacks = Callbacks::new(context);
    let result = edits(hooks, &callbacks).and_then(|closures| {
        with_changes(changes, |changes| {
            work(closures.into_iter().chain(changes).collect())
        })
    });
    callbacks.finish(result)
}

/// The new tokens after `prompt`, with the options of `GenerationConfig`, `hooks` and `changes`.
fn generate(
    context: &NativeCallContext,
    model: &LanguageModelHandle,
    prompt: &Tensor,
    mut options: Map,
) -> RhaiResultOf<Tensor> {
    let hooks = match options.remove("hooks") {
        Some(hooks) => hooks
            .try_cast::<Map>()
            .ok_or_else(|| Error::input("expected a map of closures").under("hooks"))
            .raise()?,
        None => Map::new(),
    };
    let changes = match options.remove("changes") {
        Some(changes) => changes
            .try_cast::<Array>()
            .ok_or_else(|| Error::input("expected a list of changes of latents").under("changes"))
            .raise()?,
        None => Array::new(),
    };
    let config: GenerationConfig = Arguments::new("LanguageModel", "generate", options)
        .into_config()
        .raise()?;
    let state = State::of(context);
    changed(context, &hooks, &changes, |edits| {
        model.model().generate(prompt, &config, edits, state.context())
    })
}

fn logits(
    context: &NativeCallContext,
    model: &LanguageModelHandle,
    tokens: &TensorHandle,
    hooks: &Map,
    changes: &Array,
) -> RhaiResultOf<TensorHandle> {
    let run = |edits: Vec<(String, Edit<'_>)>| model.model().run_with_hooks(tokens.tensor(), edits);
    changed(context, hooks, changes, run).map(TensorHandle::new)
}

fn loss(
    context: &NativeCallContext,
    model: &LanguageModelHandle,
    tokens: &TensorHandle,
    hooks: &Map,
    changes: &Array,
) -> RhaiResultOf<f64> {
    let run = |edits: Vec<(String, Edit<'_>)>| -> Result<f64> {
        let loss = model.model().loss_with_hooks(tokens.tensor(), edits)?;
        Ok(loss.f_double_value(&[])?)
    };
    changed(context, hooks, changes, run)
}

/// `prompt` with what the model writes after it, without the BOS.
fn continued(
    context: &NativeCallContext,
    model: &LanguageModelHandle,
    prompt: String,
    options: Map,
) -> RhaiResultOf<String> {
    let tokens = tokens_of(model.model(), &[prompt]).raise()?;
    let made = generate(context, model, &tokens, options)?;
    let ids = made.f_flatten(0, -1).and_then(Vec::<i64>::try_from).raise()?;
    let bos = model.model().tokenizer().bos_token_id();
    let shown = ids.strip_prefix(bos.as_slice()).unwrap_or(&ids);
    model.model().tokenizer().decode(shown).raise()
}

#[export_module(manifest)]
mod functions {
    /// Returns all hook points in the order of the forward pass: an array of `#{ name, shape }`. Sizes that the model
    /// fixes are numbers, the others names: `["batch", "seq", 768]`.
    #[rhai_fn(return_raw, pure)]
    pub fn hook_points(model: &mut LanguageModelHandle) -> RhaiResultOf<Array> {
        let points = model.model().hook_points().raise()?;
        Ok(points.iter().map(|point| hook_point_map(point).into()).collect())
    }

    /// Returns the activations for token ids `[batch, seq]` as a map from hook point to tensor: at all that the pass
    /// comes by, which are all but `hook_attn_in`, `hook_mlp_in` and `attn.hook_result`.
    #[rhai_fn(return_raw, pure)]
    pub fn run_with_cache(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<Map> {
        let result = model.model().run_with_cache(tokens.tensor(), None);
        result.map(|(_, cache)| cache_map(cache)).raise()
    }

    /// Returns the activations at the named hook points, whose names may contain `*`. The pass stops after the last of
    /// them.
    #[rhai_fn(name = "run_with_cache", return_raw, pure)]
    pub fn run_with_named_cache(
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        names: Array,
    ) -> RhaiResultOf<Map> {
        let names = strings(&names).raise()?;
        model
            .model()
            .capture(tokens.tensor(), &names)
            .map(cache_map)
            .raise()
    }

    /// Returns logits with activations replaced: `#{ "blocks.3.hook_resid_post": |x| x * 0.5 }`. A closure that returns
    /// `()` only looks. Names may contain `*`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn run_with_hooks(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        hooks: Map,
    ) -> RhaiResultOf<TensorHandle> {
        logits(&context, model, &tokens, &hooks, &Array::new())
    }

    /// Returns logits with latents changed, at the hook points of their dictionaries:
    /// `model.run_with_hooks(tokens, [steer(sae, 17, 4.0), ablate(sae, [3, 9])])`.
    #[rhai_fn(name = "run_with_hooks", return_raw, pure, volatile)]
    pub fn run_with_changes(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        changes: Array,
    ) -> RhaiResultOf<TensorHandle> {
        logits(&context, model, &tokens, &Map::new(), &changes)
    }

    /// Returns logits with activations replaced by closures, and after them latents changed.
    #[rhai_fn(name = "run_with_hooks", return_raw, pure, volatile)]
    pub fn run_with_hooks_and_changes(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        hooks: Map,
        changes: Array,
    ) -> RhaiResultOf<TensorHandle> {
        logits(&context, model, &tokens, &hooks, &changes)
    }

    /// Returns the mean cross-entropy of the next token, in nats, with activations replaced as in `run_with_hooks`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn loss_with_hooks(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        hooks: Map,
    ) -> RhaiResultOf<f64> {
        loss(&context, model, &tokens, &hooks, &Array::new())
    }

    /// Returns the same loss with latents changed, as in `run_with_hooks`.
    #[rhai_fn(name = "loss_with_hooks", return_raw, pure, volatile)]
    pub fn loss_with_changes(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        changes: Array,
    ) -> RhaiResultOf<f64> {
        loss(&context, model, &tokens, &Map::new(), &changes)
    }

    /// Returns the same loss with activations replaced by closures, and after them latents changed.
    #[rhai_fn(name = "loss_with_hooks", return_raw, pure, volatile)]
    pub fn loss_with_hooks_and_changes(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        hooks: Map,
        changes: Array,
    ) -> RhaiResultOf<f64> {
        loss(&context, model, &tokens, &hooks, &changes)
    }

    /// Continues a text, and returns it with what the model writes after it:
    /// `model.generate("Once", #{ max_new_tokens: 20, temperature: 0.7, seed: 1 })`.
    #[rhai_fn(name = "generate", return_raw, pure, volatile)]
    pub fn generate_text(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        prompt: ImmutableString,
        options: Map,
    ) -> RhaiResultOf<String> {
        continued(&context, model, prompt.to_string(), options)
    }

    /// Continues several texts, each by itself, so that the lengths of the others change nothing, and returns them with
    /// what the model writes after each.
    #[rhai_fn(name = "generate", return_raw, pure, volatile)]
    pub fn generate_texts(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        prompts: Array,
        options: Map,
    ) -> RhaiResultOf<Array> {
        let prompts = strings(&prompts).raise()?.into_iter();
        prompts
            .map(|prompt| continued(&context, model, prompt, options.clone()).map(Dynamic::from))
            .collect()
    }

    /// Continues token ids `[batch, seq]`, and returns prompt and new tokens. Options are those of `GenerationConfig`,
    /// and `hooks` and `changes` as in `run_with_hooks`.
    #[rhai_fn(name = "generate", return_raw, pure, volatile)]
    pub fn generate_tokens(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        prompt: TensorHandle,
        options: Map,
    ) -> RhaiResultOf<TensorHandle> {
        generate(&context, model, prompt.tensor(), options).map(TensorHandle::new)
    }
}
