//! What `run_with_cache` keeps: the activations that a filter of names asks for.

use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::model::{LanguageModelHandle, strings};
use super::prompts::{Reading, Wanted};
use super::tensor::TensorHandle;
use crate::error::{Error, Result, a};
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::tensor::Tensor;

fn cache_map(cache: std::collections::BTreeMap<String, Tensor>) -> Map {
    let tensor = |(name, x): (String, Tensor)| (name.into(), Dynamic::from(TensorHandle::new(x)));
    cache.into_iter().map(tensor).collect()
}

/// The names of hook points that a filter stands for: a name, an array of names, which may contain `*`, or a closure that
/// says true of those that are wanted.
fn filtered(
    context: &NativeCallContext,
    model: &LanguageModelHandle,
    filter: &Dynamic,
) -> RhaiResultOf<Vec<String>> {
    if filter.is_string() {
        return strings(std::slice::from_ref(filter)).raise();
    }
    if let Some(names) = filter.read_lock::<Array>() {
        return strings(&names)
            .map_err(|error| error.under("names_filter"))
            .raise();
    }
    let Some(wants) = filter.clone().try_cast::<FnPtr>() else {
        let sentence = format!(
            "expected a name, an array of names or a closure, but was given {}",
            a(&kind_of(filter))
        );
        let error = Error::input(sentence).under("names_filter");
        return Err(error.hint("names may contain `*`; a closure says true of the names that are wanted"))
            .raise();
    };
    let mut names = Vec::new();
    for point in model.model().hook_points().raise()? {
        let answer: Dynamic = wants.call_within_context(context, (point.name.clone(),))?;
        match answer.as_bool() {
            Ok(true) => names.push(point.name),
            Ok(false) => (),
            Err(_) => {
                let sentence = format!(
                    "the closure must say true or false of a name, but gave {}",
                    a(&kind_of(&answer))
                );
                return Err(Error::input(sentence).under("names_filter")).raise();
            }
        }
    }
    if names.is_empty() {
        let error = Error::input("the closure says true of no hook point").under("names_filter");
        return Err(error.hint("`model.hook_points()` lists their names")).raise();
    }
    Ok(names)
}

/// Returns the activations of a forward pass, and what else its options ask for.
///
/// # Errors
/// The filter names nothing, and what the pass refuses.
pub(super) fn cached(
    context: &NativeCallContext,
    model: &LanguageModelHandle,
    input: &Dynamic,
    options: Map,
) -> RhaiResultOf<Map> {
    let mut arguments = Arguments::new("LanguageModel", "run_with_cache", options);
    let filter = arguments.take("names_filter");
    let names = filter
        .map(|filter| filtered(context, model, &filter))
        .transpose()?;
    cached_at(model, input, names, arguments).raise()
}

fn cached_at(
    model: &LanguageModelHandle,
    input: &Dynamic,
    names: Option<Vec<String>>,
    mut arguments: Arguments,
) -> Result<Map> {
    let reading = Reading::take(model, &mut arguments)?;
    arguments.finish()?;
    let prompts = reading.prompts(model, input)?;
    let Some(wanted) = reading.wanted() else {
        return Ok(cache_map(match names {
            Some(names) => model.model().capture(&prompts, &names)?,
            None => model.model().run_with_cache(&prompts, None)?.1,
        }));
    };
    let (logits, cache) = model.model().run_with_cache(&prompts, names.as_deref())?;
    let answer = reading.answer(logits, &prompts)?;
    let mut map = match (wanted, answer.read_lock::<Map>()) {
        (_, Some(both)) => both.clone(),
        (Wanted::Loss, None) => Map::from_iter([("loss".into(), answer.clone())]),
        (_, None) => Map::from_iter([("logits".into(), answer.clone())]),
    };
    map.insert("cache".into(), cache_map(cache).into());
    Ok(map)
}
