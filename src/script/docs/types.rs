//! Types in the words of scripts: of bound functions, and of the fields of configurations.

use crate::config::Value;

/// Returns whether it is a number type of the engine that no script can make a value of.
pub(super) fn is_unmade(kind: &str) -> bool {
    const SUCH: [&str; 11] = [
        "i8", "u8", "i16", "u16", "i32", "u32", "u64", "i128", "u128", "f32", "f16",
    ];
    SUCH.contains(&kind.trim_start_matches("&mut ").trim())
}

/// Returns a Rust type in a signature as scripts name it.
pub fn script_type(rust: &str) -> String {
    let text: String = rust.trim().trim_start_matches("&mut ").trim().replace(' ', "");
    for (open, close) in [
        ("RhaiResultOf<", ">"),
        ("Result<", ",Box<EvalAltResult>>"),
        ("ConfigHandle<", ">"),
    ] {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            return script_type(inner);
        }
    }
    let bare = text.rsplit("::").next().unwrap_or(&text);
    match bare {
        "" | "()" => "()",
        "INT" | "i64" => "int",
        "FLOAT" | "f64" => "float",
        "ImmutableString" | "String" | "&str" | "str" => "string",
        "Array" => "array",
        "Map" => "map",
        "Dynamic" => "any",
        "FnPtr" => "Fn",
        "DType" => "dtype",
        "Blob" => "blob",
        "Instant" => "timestamp",
        range
            if ["Range<", "RangeInclusive<", "StepRange<"]
                .iter()
                .any(|kind| range.starts_with(kind)) =>
        {
            "range"
        }
        "ExclusiveRange" | "InclusiveRange" => "range",
        other => other.strip_suffix("Handle").unwrap_or(other),
    }
    .to_string()
}

/// Returns the type of a configuration field in words.
pub(super) fn schema_type(field: &Value, definitions: &Value) -> String {
    if let Some(title) = field["title"].as_str() {
        return title.to_string();
    }
    if let Some(values) = field["enum"].as_array() {
        return values
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(" | ");
    }
    if let Some(value) = field.get("const") {
        return value.to_string();
    }
    if let Some(name) = field["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        // A class has a name that scripts know; anything else is written out.
        return match &definitions[name] {
            Value::Null => name.to_string(),
            class if class["type"] == "object" => name.to_string(),
            written => schema_type(written, definitions),
        };
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(options) = field[several].as_array() {
            let options = options.iter().map(|option| schema_type(option, definitions));
            let mut types: Vec<String> = options.collect();
            types.dedup();
            return types.join(" | ");
        }
    }
    let one = |name: &str| match name {
        "integer" => "int".to_string(),
        "number" => "float".to_string(),
        "boolean" => "bool".to_string(),
        "null" => "()".to_string(),
        "object" => "map".to_string(),
        "array" => format!("[{}]", schema_type(&field["items"], definitions)),
        other => other.to_string(),
    };
    match &field["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(one)
            .collect::<Vec<_>>()
            .join(" | "),
        _ => "any".to_string(),
    }
}
