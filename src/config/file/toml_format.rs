//! TOML: values, and the byte range of every key and value.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::{Map, Value};
use super::parsed::{DEEPEST, Parsed};

/// Reads a whole document.
pub(super) fn read(text: &str) -> Result<Parsed, (Range<usize>, String)> {
    let table = DeTable::parse(text).map_err(|error| {
        let sentence = error.message().lines().collect::<Vec<_>>().join(", ");
        (error.span().unwrap_or(0..0), format!("invalid TOML: {sentence}"))
    })?;
    let mut spans = Vec::new();
    check_depth(table.get_ref())?;
    let value = table_value(table.get_ref(), &mut Vec::new(), &mut spans)?;
    Ok(Parsed { value, spans })
}

/// Reads a single value such as `3e-4` or `[1, 2]`, and where its parts stand.
pub(super) fn read_value(text: &str) -> Option<(Value, SpanList)> {
    let value = DeValue::parse(text).ok()?;
    let mut spans = Vec::new();
    let value = scalar_or_tree(&value, &mut Vec::new(), &mut spans).ok()?;
    Some((value, spans))
}

/// Dotted keys (`a.a.a = 1`) are tables within tables too, which the parser does not count.
fn check_depth(table: &DeTable<'_>) -> Result<(), (Range<usize>, String)> {
    let mut open: Vec<(&Spanned<DeValue<'_>>, usize)> = table.values().map(|value| (value, 1)).collect();
    while let Some((value, depth)) = open.pop() {
        if depth > DEEPEST {
            return Err((
                value.span(),
                format!("invalid TOML: nested more than {DEEPEST} deep"),
            ));
        }
        match value.get_ref() {
            DeValue::Table(table) => open.extend(table.values().map(|value| (value, depth + 1))),
            DeValue::Array(items) => open.extend(items.iter().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

pub(super) type SpanList = Vec<(Vec<String>, Range<usize>, Range<usize>)>;

fn table_value(
    table: &DeTable<'_>,
    path: &mut Vec<String>,
    spans: &mut SpanList,
) -> Result<Value, (Range<usize>, String)> {
    let mut map = Map::new();
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        spans.push((path.clone(), key.span(), value.span()));
        map.insert(key.get_ref().to_string(), scalar_or_tree(value, path, spans)?);
        path.pop();
    }
    Ok(Value::Object(map))
}

fn scalar_or_tree(
    value: &Spanned<DeValue<'_>>,
    path: &mut Vec<String>,
    spans: &mut SpanList,
) -> Result<Value, (Range<usize>, String)> {
    let refuse = |sentence: String| (value.span(), sentence);
    match value.get_ref() {
        DeValue::String(text) => Ok(Value::String(text.to_string())),
        DeValue::Boolean(flag) => Ok(Value::Bool(*flag)),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map(Value::from)
            .map_err(|_| {
                refuse(format!(
                    "`{}` does not fit into a 64-bit integer",
                    digits.as_str()
                ))
            }),
        DeValue::Float(digits) => digits
            .as_str()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from)
            .ok_or_else(|| refuse(format!("`{}` is not a finite number", digits.as_str()))),
        DeValue::Datetime(date) => Ok(Value::String(date.to_string())),
        DeValue::Table(table) => table_value(table, path, spans),
        DeValue::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(format!("[{index}]"));
                spans.push((path.clone(), item.span(), item.span()));
                list.push(scalar_or_tree(item, path, spans)?);
                path.pop();
            }
            Ok(Value::Array(list))
        }
    }
}
