//! Hooks and generation on language models: `run_with_cache`, `run_with_hooks`, `generate`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, Module};

use super::callbacks::Callbacks;
use super::model::{LanguageModelHandle, strings, tokens_of};
use super::tensor::TensorHandle;
use crate::error::{Error, Result};
use crate::model::{Edit, GenerationConfig};
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::state::State;
use crate::tensor::Tensor;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "model_hooks", functions);
}

/// The closures of `#{ "blocks.3.hook_resid_post": |x| x * 0.5 }`, one for each hook point.
fn edits<'a>(hooks: &'a Map, callbacks: &'a Callbacks<'a>) -> Result<Vec<(String, Edit<'a>)>> {
    hooks
        .iter()
        .map(|(name, closure)| {
            let Some(closure) = closure.clone().try_cast::<FnPtr>() else {
                let error = Error::input(format!(
                    "expected a closure `|x| …`, but was given a {}",
                    kind_of(closure)
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
                        "a hook returns a tensor, or () to leave the activation as it is, but returned a {}",
                        kind_of(&made)
                    ))),
                }
            });
            Ok((name.to_string(), edit))
        })
        .collect()
}

fn cache_map(logits: Tensor, cache: std::collections::BTreeMap<String, Tensor>) -> Map {
    let cache: Map = cache
        .into_iter()
        .map(|(name, x)| (name.into(), Dynamic::from(TensorHandle::new(x))))
        .collect();
    let mut result = Map::new();
    result.insert("logits".into(), Dynamic::from(TensorHandle::new(logits)));
    result.insert("cache".into(), cache.into());
    result
}

/// The new tokens after `prompt`, with the options of `GenerationConfig` and `hooks`.
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
    let config: GenerationConfig = Arguments::new("generate", options).into_config().raise()?;
    let callbacks = Callbacks::new(context);
    let state = State::of(context);
    let result = edits(&hooks, &callbacks)
        .and_then(|edits| model.model().generate(prompt, &config, edits, state.context()));
    callbacks.finish(result)
}

#[export_module]
mod functions {
    /// `#{ logits, cache }`: logits and the activations at all hook points for token ids `[batch, seq]`.
    #[rhai_fn(return_raw, pure)]
    pub fn run_with_cache(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<Map> {
        model
            .model()
            .run_with_cache(tokens.tensor(), None)
            .map(|(logits, cache)| cache_map(logits, cache))
            .raise()
    }

    /// `#{ logits, cache }` with the activations at the named hook points only; names may contain `*`.
    #[rhai_fn(name = "run_with_cache", return_raw, pure)]
    pub fn run_with_named_cache(
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        names: Array,
    ) -> RhaiResultOf<Map> {
        let names = strings(&names).raise()?;
        let result = model.model().run_with_cache(tokens.tensor(), Some(&names));
        result.map(|(logits, cache)| cache_map(logits, cache)).raise()
    }

    /// Logits with activations replaced: `#{ "blocks.3.hook_resid_post": |x| x * 0.5 }`. A closure that returns `()`
    /// only looks. Names may contain `*`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn run_with_hooks(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        hooks: Map,
    ) -> RhaiResultOf<TensorHandle> {
        let callbacks = Callbacks::new(&context);
        let result =
            edits(&hooks, &callbacks).and_then(|edits| model.model().run_with_hooks(tokens.tensor(), edits));
        callbacks.finish(result).map(TensorHandle::new)
    }

    /// Mean cross-entropy of the next token, in nats, with activations replaced as in `run_with_hooks`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn loss_with_hooks(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        tokens: TensorHandle,
        hooks: Map,
    ) -> RhaiResultOf<f64> {
        let callbacks = Callbacks::new(&context);
        let result = edits(&hooks, &callbacks)
            .and_then(|edits| model.model().loss_with_hooks(tokens.tensor(), edits))
            .and_then(|loss| Ok(loss.f_double_value(&[])?));
        callbacks.finish(result)
    }

    /// Continues a text: `model.generate("Once", #{ max_new_tokens: 20, temperature: 0.7, seed: 1 })`.
    #[rhai_fn(name = "generate", return_raw, pure, volatile)]
    pub fn generate_text(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        prompt: ImmutableString,
        options: Map,
    ) -> RhaiResultOf<String> {
        let tokens = tokens_of(model.model(), &[prompt.to_string()]).raise()?;
        let made = generate(&context, model, &tokens, options)?;
        let ids = made.f_flatten(0, -1).and_then(Vec::<i64>::try_from).raise()?;
        let bos = model.model().tokenizer().bos_token_id();
        let shown = ids.strip_prefix(bos.as_slice()).unwrap_or(&ids);
        model.model().tokenizer().decode(shown).raise()
    }

    /// Continues token ids `[batch, seq]`: prompt and new tokens. Options are those of `GenerationConfig`, and `hooks`
    /// as in `run_with_hooks`.
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
