//! Keys that stand in another table of the same settings.

use super::Value;
use crate::error::Error;

/// Tables within tables, as deep as they are looked through.
const DEEPEST: usize = 4;

/// Says of an unknown key where in the settings of `schema` there is one of that name.
pub(super) fn advise(error: Error, schema: &Value) -> Error {
    if !error.is_about_key() {
        return error;
    }
    let key = error.key().to_vec();
    let Some((name, table)) = key.split_last() else {
        return error;
    };
    let mut found = Vec::new();
    search(schema, schema, name, &mut Vec::new(), &mut found);
    found.retain(|path| path != table);
    found.sort_by_key(Vec::len);
    match found.first() {
        Some(path) if path.is_empty() => error.hint(format!("`{name}` stands outside of all tables")),
        Some(path) => {
            let table = path.join(".").replace(".[", "[");
            error.hint(format!("`{name}` belongs into `{table}`"))
        }
        None => error,
    }
}

/// Collects the paths of the tables of `part` that have a key `name`.
fn search(part: &Value, whole: &Value, name: &str, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if path.len() > DEEPEST {
        return;
    }
    let referred = part["$ref"]
        .as_str()
        .and_then(|at| whole.pointer(at.trim_start_matches('#')));
    let alternatives = ["anyOf", "oneOf", "allOf"].into_iter();
    let alternatives = alternatives.flat_map(|kind| part[kind].as_array().into_iter().flatten());
    for choice in referred.into_iter().chain(alternatives) {
        search(choice, whole, name, path, found);
    }
    for (key, field) in part["properties"].as_object().into_iter().flatten() {
        if key == name && !found.contains(path) {
            found.push(path.clone());
        }
        path.push(key.clone());
        search(field, whole, name, path, found);
        path.pop();
    }
    if part["items"].is_object() {
        path.push("[0]".into());
        search(&part["items"], whole, name, path, found);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_of_another_table_is_shown_its_place() {
        let schema = json!({
            "properties": {"a": {"$ref": "#/$defs/A"}, "top": {"type": "integer"}},
            "$defs": {"A": {"properties": {"inner": {}, "list": {"items": {"properties": {"deep": {}}}}}}},
        });
        let hints = |path: &[&str]| {
            let name = path.last().expect("a name");
            let error = path
                .iter()
                .rev()
                .fold(Error::unknown_key("key", name, &["a"]), |error, name| {
                    error.under(*name)
                });
            let first = error.hints().len();
            advise(error, &schema).hints()[first..].to_vec()
        };
        assert_eq!(hints(&["inner"]), ["`inner` belongs into `a`"]);
        assert_eq!(hints(&["a", "deep"]), ["`deep` belongs into `a.list[0]`"]);
        assert_eq!(hints(&["a", "top"]), ["`top` stands outside of all tables"]);
        assert!(hints(&["a", "nowhere"]).is_empty());
    }
}
