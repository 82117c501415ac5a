//! As much of JSON Schema as the schemas of other programs' files need.

use std::path::Path;

use serde_json::Value;

/// A schema of the fixtures, and the part of it that is meant.
pub struct Schema {
    root: Value,
    part: Value,
}

impl Schema {
    /// The schema in `file`, or its definition `part`.
    pub fn read(file: &str, part: Option<&str>) -> Schema {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/schemas")
            .join(file);
        let root: Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("a schema")).expect("JSON");
        let part = part.map_or_else(|| root.clone(), |part| root["$defs"][part].clone());
        assert!(part.is_object(), "no such part");
        Schema { root, part }
    }

    /// What is wrong with `value`; nothing if it is as the schema says.
    pub fn faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.part, value, "$", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let part = name.strip_prefix("#/$defs/").expect("a definition");
            return self.check(&self.root["$defs"][part], value, at, faults);
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !kinds.iter().any(|kind| is_of(value, kind)) {
            faults.push(format!("{at} is {value}, not {kinds:?}"));
            return;
        }
        if let Some(object) = value.as_object() {
            let known = &schema["properties"];
            for name in schema["required"].as_array().into_iter().flatten() {
                if !object.contains_key(name.as_str().expect("a name")) {
                    faults.push(format!("{at} lacks {name}"));
                }
            }
            for (name, value) in object {
                match known.get(name) {
                    Some(schema) => self.check(schema, value, &format!("{at}.{name}"), faults),
                    None => faults.push(format!("{at}.{name} is not known")),
                }
            }
        }
        if let Some(list) = value.as_array() {
            if schema["maxItems"]
                .as_u64()
                .is_some_and(|most| list.len() as u64 > most)
            {
                faults.push(format!("{at} has {} entries", list.len()));
            }
            for (index, value) in list.iter().enumerate() {
                self.check(&schema["items"], value, &format!("{at}[{index}]"), faults);
            }
        }
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema speaks of {other}"),
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let schema = Schema::read("dashboard.json", None);
    let good = serde_json::json!({"model_id": "m", "layer": 1, "sae_set": "s", "sae_id_suffix": null, "features": []});
    assert_eq!(schema.faults(&good), [] as [String; 0]);
    for (key, value) in [
        ("layer", 1.5.into()),
        ("model_id", Value::Null),
        ("other", 1.into()),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert_eq!(schema.faults(&bad).len(), 1, "{key}");
    }
    let mut bad = good.clone();
    bad.as_object_mut().expect("an object").remove("layer");
    assert_eq!(schema.faults(&bad), ["$ lacks \"layer\""]);
}
