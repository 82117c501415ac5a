//! Script values ↔ plain data.
//!
//! Whatever cannot be written into a configuration file, closures and infinities above all, is refused here with
//! the path of the key it stands under. `classes` are the configurations that count as plain data; see the bridge.

use rhai::{Array, Dynamic, Map};

use super::class::Class;
use crate::config::{self, Value};
use crate::error::{Context, Error, Result, a};
use crate::tensor::DType;

/// The deepest that arrays and maps are nested in plain data, as in JSON.
const DEEPEST: usize = 100;

/// Returns plain data from a script value: numbers, strings, `()`, arrays, maps, configurations and dtypes.
///
/// # Errors
/// Closures, tensors, other objects, numbers that are not finite, and values nested too deeply; the error carries the
/// key path.
pub fn to_value(value: &Dynamic, classes: &[Class]) -> Result<Value> {
    convert(value, classes, DEEPEST)
}

/// Returns plain data from a script map.
pub fn map_to_value(map: &Map, classes: &[Class]) -> Result<Value> {
    convert_map(map, classes, DEEPEST)
}

fn convert(value: &Dynamic, classes: &[Class], levels: usize) -> Result<Value> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Ok(number) = value.as_int() {
        return Ok(Value::from(number));
    }
    if let Ok(number) = value.as_float() {
        return serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| Error::input(format!("expected a finite number, but was given {number}")));
    }
    if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
        return Ok(Value::String(text.to_string()));
    }
    if let Ok(letter) = value.as_char() {
        return Ok(Value::String(letter.to_string()));
    }
    if let Some(items) = value.read_lock::<Array>() {
        let levels = deeper(levels)?;
        let item = |(index, item)| convert(item, classes, levels).under(format!("[{index}]"));
        let items = items.iter().enumerate().map(item).collect::<Result<Vec<Value>>>();
        return items.map(Value::Array);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return convert_map(&map, classes, levels);
    }
    if let Some(dtype) = value.read_lock::<DType>() {
        return config::to_value(&*dtype);
    }
    if let Some(result) = classes.iter().find_map(|class| class.unwrap(value)) {
        return result;
    }
    Err(Error::input(format!(
        "expected a number, a string, true or false, an array, a map or (), but was given {}",
        a(&kind_of(value, classes))
    )))
}

fn convert_map(map: &Map, classes: &[Class], levels: usize) -> Result<Value> {
    let levels = deeper(levels)?;
    map.iter()
        .map(|(key, item)| {
            Ok((
                key.to_string(),
                convert(item, classes, levels).under(key.as_str())?,
            ))
        })
        .collect::<Result<config::Map<String, Value>>>()
        .map(Value::Object)
}

fn deeper(levels: usize) -> Result<usize> {
    levels.checked_sub(1).ok_or_else(|| {
        Error::input(format!(
            "arrays and maps are nested deeper than the {DEEPEST} levels that data may have"
        ))
    })
}

/// Returns a script value from plain data.
pub fn from_value(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(items) => items.iter().map(from_value).collect::<Array>().into(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| (key.as_str().into(), from_value(item)))
            .collect::<Map>()
            .into(),
    }
}

/// Returns whether `value` is made of the language's own kinds only, with no configuration or dtype that stands for
/// plain data.
pub fn is_plain(value: &Dynamic, classes: &[Class]) -> bool {
    if let Some(items) = value.read_lock::<Array>() {
        return items.iter().all(|item| is_plain(item, classes));
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.values().all(|item| is_plain(item, classes));
    }
    classes.iter().all(|class| !class.holds(value)) && !value.is::<DType>()
}

/// Returns what a value is, for messages, where no engine is at hand to ask.
pub fn kind_of(value: &Dynamic, classes: &[Class]) -> String {
    if let Some(class) = classes.iter().find(|class| class.holds(value)) {
        return class.name.to_string();
    }
    let name = value.type_name();
    let name = name.split('<').next().unwrap_or(name);
    let name = name.rsplit("::").next().unwrap_or(name);
    match name.strip_suffix("Handle").unwrap_or(name) {
        "i64" => "int",
        "f64" => "float",
        "DType" => "dtype",
        "FnPtr" | "Fn" => "closure",
        "Range" | "RangeInclusive" => "range",
        "Instant" => "timestamp",
        "ImmutableString" => "string",
        other => other,
    }
    .to_string()
}
