//! Taking entries out of maps.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Identifier, ImmutableString, Map};

use super::truth;
use crate::script::api::tensor::TensorHandle;
use crate::script::failure::RhaiResultOf;

/// What `predicate` says of an entry: it gets the key and the value, or the key with the value as `this`.
fn says(
    context: &NativeCallContext,
    name: &str,
    predicate: &FnPtr,
    key: &Identifier,
    value: &mut Dynamic,
) -> RhaiResultOf<bool> {
    let key = Dynamic::from(key.to_string());
    let answer = predicate.call_raw_with_extra_args(name, context, Some(value), [key], [], Some(1))?;
    truth(context, name, &answer)
}

/// Removes and returns the entries of which `predicate` says `out`. It is asked about all of them first.
fn take_out(
    context: &NativeCallContext,
    name: &str,
    map: &mut Map,
    predicate: &FnPtr,
    out: bool,
) -> RhaiResultOf<Map> {
    let mut answers = Vec::with_capacity(map.len());
    for (key, value) in map.iter_mut() {
        answers.push(says(context, name, predicate, key, value)? == out);
    }
    let mut answers = answers.into_iter();
    Ok(map
        .extract_if(.., |_, _| answers.next().unwrap_or(false))
        .collect())
}

/// The map as text: on one line, or one entry a line where there are tensors in it.
fn text_of(context: &NativeCallContext, map: &mut Map) -> RhaiResultOf<String> {
    let lines = map.len() > 1 && map.values().any(|value| value.is::<TensorHandle>());
    let mut text = String::from("#{");
    for (index, (key, value)) in map.iter_mut().enumerate() {
        text.push_str(if index > 0 { "," } else { "" });
        text.push_str(if lines {
            "\n    "
        } else if index > 0 {
            " "
        } else {
            ""
        });
        let value: ImmutableString = context.call_native_fn("to_debug", (value.clone(),))?;
        let value = if lines {
            value.replace('\n', "\n    ")
        } else {
            value.to_string()
        };
        text.push_str(&format!("{:?}: {value}", key.as_str()));
    }
    text.push_str(if lines { "\n}" } else { "}" });
    Ok(text)
}

/// Functions of maps.
#[export_module(manifest)]
pub mod functions {
    /// Returns the map as text; tensors in it are named by their shapes.
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        return_raw,
        pure
    )]
    pub fn map_text(context: NativeCallContext, map: &mut Map) -> RhaiResultOf<String> {
        text_of(&context, map)
    }

    /// Returns the entries as pairs of key and value, sorted by their keys: `for pair in m.items() { pair[0]; }`.
    #[rhai_fn(name = "items", pure)]
    pub fn items(map: &mut Map) -> Array {
        let pairs = map
            .iter()
            .map(|(key, value)| vec![key.as_str().into(), value.clone()].into());
        pairs.collect()
    }

    /// Returns the value under the key, or `otherwise` where there is none.
    #[rhai_fn(name = "get", pure)]
    pub fn get_or(map: &mut Map, key: &str, otherwise: Dynamic) -> Dynamic {
        map.get(key).cloned().unwrap_or(otherwise)
    }

    /// Returns the entries of which the function, given key and value, says true.
    #[rhai_fn(name = "filter", return_raw, pure)]
    pub fn filter(context: NativeCallContext, map: &mut Map, predicate: FnPtr) -> RhaiResultOf<Map> {
        let mut found = Map::new();
        for (key, value) in map.iter_mut() {
            if says(&context, "filter", &predicate, key, value)? {
                found.insert(key.clone(), value.clone());
            }
        }
        Ok(found)
    }

    /// Removes the entries of which the function, given key and value, says true, and returns them.
    #[rhai_fn(name = "drain", return_raw)]
    pub fn drain(context: NativeCallContext, map: &mut Map, predicate: FnPtr) -> RhaiResultOf<Map> {
        take_out(&context, "drain", map, &predicate, true)
    }

    /// Keeps the entries of which the function, given key and value, says true, and returns the others.
    #[rhai_fn(name = "retain", return_raw)]
    pub fn retain(context: NativeCallContext, map: &mut Map, predicate: FnPtr) -> RhaiResultOf<Map> {
        take_out(&context, "retain", map, &predicate, false)
    }
}
