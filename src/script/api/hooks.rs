//! Passes of language models: `forward`, `loss`, `run_with_cache`, `run_with_hooks`, `hook_points`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, Module};

use super::cached::cached;
use super::callbacks::Callbacks;
use super::interventions::with_changes;
use super::model::{LanguageModelHandle, strings};
use super::prompts::{Reading, Wanted};
use super::tensor::TensorHandle;
use crate::error::{Error, Result, a};
use crate::model::{Dimension, Edit, HookPoint};
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
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
            let wants_place = callbacks.takes(&closure) == Some(2);
            let edit: Edit<'a> = Box::new(move |x: Tensor, at: &str| {
                let given = TensorHandle::new(x);
                let made = if wants_place {
                    callbacks.call(&closure, (given.clone(), place_map(at)))?
                } else {
                    callbacks.call(&closure, (given.clone(),))?
                };
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

/// What a hook of two arguments is told of its place: `#{ name, layer }`, the layer `()` outside of the blocks.
fn place_map(name: &str) -> Map {
    let block = name
        .strip_prefix("blocks.")
        .and_then(|rest| rest.split('.').next());
    let layer = block.and_then(|block| block.parse::<i64>().ok());
    Map::from_iter([
        ("name".into(), name.into()),
        ("layer".into(), layer.map_or(Dynamic::UNIT, Dynamic::from_int)),
    ])
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

/// Returns what `work` makes of a forward pass with a script's closures and, after them, changes of latents.
///
/// # Errors
/// What the closures throw, and what the pass refuses.
pub fn changed<T>(
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

/// What `reading` asks for, of a forward pass with a script's closures and, after them, changes of latents.
fn passed(
    context: &NativeCallContext,
    model: &LanguageModelHandle,
    input: &Dynamic,
    (hooks, changes): (&Map, &Array),
    reading: &Reading,
) -> RhaiResultOf<Dynamic> {
    let prompts = reading.prompts(model, input).raise()?;
    let run = |edits: Vec<(String, Edit<'_>)>| model.model().run_with_hooks(&prompts, edits);
    let logits = changed(context, hooks, changes, run)?;
    reading.answer(logits, &prompts).raise()
}

/// The closures of `[["blocks.3.hook_resid_post", |x| x * 0.5]]`, as TransformerLens pairs them.
fn paired(pairs: &[Dynamic]) -> Result<Map> {
    let mut hooks = Map::new();
    for (index, pair) in pairs.iter().enumerate() {
        let parts = pair
            .read_lock::<Array>()
            .map(|pair| pair.clone())
            .unwrap_or_default();
        let [name, closure] = parts.as_slice() else {
            return Err(Error::input("expected a pair `[name, |x| …]`").under(format!("[{index}]")));
        };
        let name = strings(std::slice::from_ref(name)).map_err(|error| error.under(format!("[{index}]")))?;
        if hooks.insert(name[0].as_str().into(), closure.clone()).is_some() {
            let sentence = format!("`{}` has two hooks", name[0]);
            return Err(Error::input(sentence)
                .hint("let one closure do what both do")
                .under(format!("[{index}]")));
        }
    }
    Ok(hooks)
}

/// The closures or the changes of latents that a call was given, the other empty.
fn hooks_or_changes(given: &Dynamic) -> Result<(Map, Array)> {
    if let Some(hooks) = given.read_lock::<Map>() {
        // As TransformerLens names its argument.
        if let Some(pairs) = hooks
            .get("fwd_hooks")
            .and_then(|pairs| pairs.read_lock::<Array>())
        {
            return Ok((paired(&pairs)?, Array::new()));
        }
        return Ok((hooks.clone(), Array::new()));
    }
    match given.read_lock::<Array>() {
        Some(pairs) if pairs.first().is_some_and(Dynamic::is_array) => Ok((paired(&pairs)?, Array::new())),
        Some(changes) => Ok((Map::new(), changes.clone())),
        None => Err(Error::input(format!(
            "expected a map of closures or an array of changes of latents, but was given {}",
            a(&kind_of(given))
        ))),
    }
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

    /// Returns the logits `[batch, seq, d_vocab]` for a text, an array of texts, or token ids `[batch, seq]`.
    #[rhai_fn(return_raw, pure)]
    pub fn forward(model: &mut LanguageModelHandle, input: Dynamic) -> RhaiResultOf<TensorHandle> {
        let prompts = Reading::of(model).prompts(model, &input).raise()?;
        model.model().forward(&prompts).map(TensorHandle::new).raise()
    }

    /// Returns what `#{ return_type: … }` asks for: `"logits"`, the `"loss"` of the next tokens, or `"both"`, a map of
    /// `logits` and `loss`. With `loss_per_token: true` the loss is a tensor `[batch, seq - 1]`, 0 where padding counts not;
    /// `prepend_bos` and `padding_side` are for this call, and `attention_mask: mask` says which tokens count.
    #[rhai_fn(name = "forward", return_raw, pure, volatile)]
    pub fn forward_with(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        let reading = Reading::all(model, "forward", options).raise()?;
        passed(&context, model, &input, (&Map::new(), &Array::new()), &reading)
    }

    /// Returns the mean cross-entropy of the next token, in nats, for a text, an array of texts, or token ids
    /// `[batch, seq]`. Padding of texts counts not; token ids are taken at their word.
    #[rhai_fn(return_raw, pure)]
    pub fn loss(model: &mut LanguageModelHandle, input: Dynamic) -> RhaiResultOf<f64> {
        let prompts = Reading::of(model).prompts(model, &input).raise()?;
        let loss = model.model().loss(&prompts).raise()?;
        loss.f_double_value(&[]).raise()
    }

    /// Returns the loss with the options of `forward`: with `#{ loss_per_token: true }` that of each next token,
    /// `[batch, seq - 1]`.
    #[rhai_fn(name = "loss", return_raw, pure, volatile)]
    pub fn loss_with(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        let reading = Reading::all(model, "loss", options).raise()?.or(Wanted::Loss);
        passed(&context, model, &input, (&Map::new(), &Array::new()), &reading)
    }

    /// Returns the activations for a text, an array of texts, or token ids `[batch, seq]`, as a map from hook point to
    /// tensor: at all that the pass comes by, which are all but `hook_attn_in`, `hook_q_input`, `hook_k_input`,
    /// `hook_v_input`, `hook_mlp_in` and `attn.hook_result`.
    #[rhai_fn(return_raw, pure)]
    pub fn run_with_cache(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
    ) -> RhaiResultOf<Map> {
        cached(&context, model, &input, Map::new())
    }

    /// Returns the activations at the named hook points, whose names may contain `*`. The pass stops after the last of
    /// them.
    #[rhai_fn(name = "run_with_cache", return_raw, pure)]
    pub fn run_with_named_cache(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        names: Array,
    ) -> RhaiResultOf<Map> {
        let options = Map::from_iter([("names_filter".into(), names.into())]);
        cached(&context, model, &input, options)
    }

    /// Returns the activations at a hook point, whose name may contain `*`.
    #[rhai_fn(name = "run_with_cache", return_raw, pure)]
    pub fn run_with_cache_of_one(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        name: ImmutableString,
    ) -> RhaiResultOf<Map> {
        let options = Map::from_iter([("names_filter".into(), name.into())]);
        cached(&context, model, &input, options)
    }

    /// Returns the activations at the hook points of whose names the closure says true.
    #[rhai_fn(name = "run_with_cache", return_raw, pure, volatile)]
    pub fn run_with_cache_where(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        wants: FnPtr,
    ) -> RhaiResultOf<Map> {
        let options = Map::from_iter([("names_filter".into(), wants.into())]);
        cached(&context, model, &input, options)
    }

    /// Returns the activations with `#{ names_filter: … }`, a name, an array of names or a closure. With `return_type` and the other
    /// options of `forward` it returns a map of `logits` or `loss`, or both, and the activations as `cache`.
    #[rhai_fn(name = "run_with_cache", return_raw, pure, volatile)]
    pub fn run_with_cache_and_options(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Map> {
        cached(&context, model, &input, options)
    }

    /// Returns logits with activations replaced by closures, `#{ "blocks.3.hook_resid_post": |x| x * 0.5 }`, or with latents
    /// changed at the hook points of their dictionaries, `[steer(sae, 17, 4.0), ablate(sae, [3, 9])]`. A closure that
    /// returns `()` only looks; one of two arguments, `|x, hook| …`, is told where: `hook.name`, `hook.layer`. Names may
    /// contain `*`. Pairs will do as well: `[["blocks.3.hook_resid_post", |x| x * 0.5]]`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn run_with_hooks(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        hooks: Dynamic,
    ) -> RhaiResultOf<Dynamic> {
        let (hooks, changes) = hooks_or_changes(&hooks).raise()?;
        passed(&context, model, &input, (&hooks, &changes), &Reading::of(model))
    }

    /// Returns logits with activations replaced by closures, and after them latents changed.
    #[rhai_fn(name = "run_with_hooks", return_raw, pure, volatile)]
    pub fn run_with_hooks_and_changes(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        hooks: Map,
        changes: Array,
    ) -> RhaiResultOf<Dynamic> {
        passed(&context, model, &input, (&hooks, &changes), &Reading::of(model))
    }

    /// Returns what the options of `forward` ask for, with activations or latents changed.
    #[rhai_fn(name = "run_with_hooks", return_raw, pure, volatile)]
    pub fn run_with_hooks_and_options(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        hooks: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        let (hooks, changes) = hooks_or_changes(&hooks).raise()?;
        let reading = Reading::all(model, "run_with_hooks", options).raise()?;
        passed(&context, model, &input, (&hooks, &changes), &reading)
    }

    /// Returns the mean cross-entropy of the next token, in nats, with activations or latents changed as in
    /// `run_with_hooks`.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn loss_with_hooks(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        hooks: Dynamic,
    ) -> RhaiResultOf<Dynamic> {
        let (hooks, changes) = hooks_or_changes(&hooks).raise()?;
        let reading = Reading::of(model).or(Wanted::Loss);
        passed(&context, model, &input, (&hooks, &changes), &reading)
    }

    /// Returns the same loss with activations replaced by closures, and after them latents changed.
    #[rhai_fn(name = "loss_with_hooks", return_raw, pure, volatile)]
    pub fn loss_with_hooks_and_changes(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        hooks: Map,
        changes: Array,
    ) -> RhaiResultOf<Dynamic> {
        let reading = Reading::of(model).or(Wanted::Loss);
        passed(&context, model, &input, (&hooks, &changes), &reading)
    }

    /// Returns the loss with the options of `forward`, with activations or latents changed.
    #[rhai_fn(name = "loss_with_hooks", return_raw, pure, volatile)]
    pub fn loss_with_hooks_and_options(
        context: NativeCallContext,
        model: &mut LanguageModelHandle,
        input: Dynamic,
        hooks: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        let (hooks, changes) = hooks_or_changes(&hooks).raise()?;
        let reading = Reading::all(model, "loss_with_hooks", options)
            .raise()?
            .or(Wanted::Loss);
        passed(&context, model, &input, (&hooks, &changes), &reading)
    }
}
