//! Lists where a table of settings belongs. Deserialising takes them for the table's values in the order of its fields,
//! so that `trainer = []` would stand for all of its defaults.

use super::Value;
use crate::error::{Error, Result, Subject, Wanted};

/// Refuses a list in `value` where `schema`, which is `root` or a part of it, has a table and no list.
///
/// # Errors
/// Such a list, with its key path.
pub(super) fn refuse_lists(schema: &Value, root: &Value, value: &Value) -> Result<()> {
    let mut choices = Vec::new();
    gather(schema, root, &mut choices);
    match value {
        Value::Array(items) => {
            if let Some(list) = choices.iter().find(|choice| is_list(choice)) {
                let mut each = items.iter().enumerate();
                return each.try_for_each(|(at, item)| {
                    refuse_lists(&list["items"], root, item).map_err(|error| error.under(format!("[{at}]")))
                });
            }
            if choices.iter().any(|choice| choice["properties"].is_object()) {
                Err(Error::input("expected a table of settings, but was given a list")
                    .about(Subject::WrongType(Wanted::Table))
                    .hint("in TOML a table is `[name]`, and `[[name]]` is a list of tables"))
            } else {
                Ok(())
            }
        }
        Value::Object(fields) => fields.iter().try_for_each(|(key, field)| {
            let of_field = |choice: &&Value| !choice["properties"][key].is_null();
            let schema = match choices.iter().copied().find(of_field) {
                Some(choice) => &choice["properties"][key],
                None => choices
                    .iter()
                    .map(|choice| &choice["additionalProperties"])
                    .find(|any| any.is_object())
                    .unwrap_or(&Value::Null),
            };
            refuse_lists(schema, root, field).map_err(|error| error.under(key))
        }),
        _ => Ok(()),
    }
}

/// What `schema` allows, its references followed and its alternatives apart.
fn gather<'s>(schema: &'s Value, root: &'s Value, choices: &mut Vec<&'s Value>) {
    let referred = schema["$ref"]
        .as_str()
        .and_then(|at| root.pointer(at.trim_start_matches('#')));
    if let Some(referred) = referred {
        gather(referred, root, choices);
    }
    for alternatives in ["anyOf", "oneOf", "allOf"] {
        for choice in schema[alternatives].as_array().into_iter().flatten() {
            gather(choice, root, choices);
        }
    }
    choices.push(schema);
}

fn is_list(schema: &Value) -> bool {
    match &schema["type"] {
        Value::String(name) => name == "array",
        Value::Array(names) => names.iter().any(|name| name == "array"),
        _ => false,
    }
}
