//! YAML and JSON: values, and the byte range of every key and value. JSON's places are read as YAML's are.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use saphyr_parser::{Event, Parser};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::{Map, Value};
use super::parsed::{DEEPEST, Parsed};

type SpanList = Vec<(Vec<String>, Range<usize>, Range<usize>)>;
type Refusal = (Range<usize>, String);

/// Reads a YAML document.
pub(super) fn read_yaml(text: &str) -> Result<Parsed, Refusal> {
    let offsets = Offsets::new(text);
    check_depth(text, &offsets)?;
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let at = offsets.byte(error.marker().index());
        (at..at, format!("invalid YAML: {}", error.info()))
    })?;
    let Some(root) = documents.first() else {
        return Ok(Parsed {
            value: Value::Object(Map::new()),
            spans: Vec::new(),
        });
    };
    let mut spans = Vec::new();
    let value = node_value(root, &offsets, &mut Vec::new(), &mut spans)?;
    Ok(Parsed { value, spans })
}

/// Building a tree and dropping it go as deep as it does, so its depth is found from the parser's events before.
fn check_depth(text: &str, offsets: &Offsets) -> Result<(), Refusal> {
    let mut depth = 0;
    for event in Parser::new_from_str(text) {
        // The loader, which reads all of it again, has the words for what is wrong.
        let Ok((event, span)) = event else { return Ok(()) };
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            _ => {}
        }
        if depth > DEEPEST {
            let at = offsets.byte(span.start.index());
            return Err((at..at, format!("invalid YAML: nested more than {DEEPEST} deep")));
        }
    }
    Ok(())
}

/// Reads a JSON document; its syntax is judged by serde_json.
pub(super) fn read_json(text: &str) -> Result<Parsed, Refusal> {
    let value: Value = serde_json::from_str::<OneKeyEach>(text)
        .and_then(|_| serde_json::from_str(text))
        .map_err(|error| {
            let line_start: usize = text
                .split_inclusive('\n')
                .take(error.line().saturating_sub(1))
                .map(str::len)
                .sum();
            // serde_json counts bytes, and may stop in the middle of a character.
            let at = text.floor_char_boundary(line_start + error.column().saturating_sub(1));
            let full = error.to_string();
            let sentence = full.split(" at line ").next().unwrap_or(&full);
            (at..at, format!("invalid JSON: {sentence}"))
        })?;
    // JSON that YAML cannot read (tabs) merely has no places.
    let spans = read_yaml(text).map(|parsed| parsed.spans).unwrap_or_default();
    Ok(Parsed { value, spans })
}

/// JSON in which no object has a key twice: one of the two values would be dropped in silence.
struct OneKeyEach;

impl<'de> Deserialize<'de> for OneKeyEach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneKeyEach)
    }
}

impl<'de> Visitor<'de> for OneKeyEach {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(de::Error::custom(format!("the key `{key}` is given twice")));
            }
            keys.insert(key);
            entries.next_value::<Self>()?;
        }
        Ok(self)
    }
}

/// Character index → byte index.
struct Offsets(Vec<usize>);

impl Offsets {
    fn new(text: &str) -> Self {
        Offsets(
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .collect(),
        )
    }

    fn byte(&self, index: usize) -> usize {
        self.0[index.min(self.0.len() - 1)]
    }

    fn range(&self, node: &MarkedYaml<'_>) -> Range<usize> {
        self.byte(node.span.start.index())..self.byte(node.span.end.index())
    }
}

fn node_value(
    node: &MarkedYaml<'_>,
    offsets: &Offsets,
    path: &mut Vec<String>,
    spans: &mut SpanList,
) -> Result<Value, Refusal> {
    let refuse = |sentence: &str| (offsets.range(node), sentence.to_string());
    match &node.data {
        YamlData::Value(scalar) => scalar_value(scalar).ok_or_else(|| refuse("this is not a finite number")),
        YamlData::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(format!("[{index}]"));
                spans.push((path.clone(), offsets.range(item), offsets.range(item)));
                list.push(node_value(item, offsets, path, spans)?);
                path.pop();
            }
            Ok(Value::Array(list))
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let Some(name) = key.data.as_str() else {
                    return Err((offsets.range(key), "a key must be a string".into()));
                };
                path.push(name.to_string());
                spans.push((path.clone(), offsets.range(key), offsets.range(value)));
                map.insert(name.to_string(), node_value(value, offsets, path, spans)?);
                path.pop();
            }
            Ok(Value::Object(map))
        }
        YamlData::Tagged(_, inner) => node_value(inner, offsets, path, spans),
        _ => Err(refuse("this cannot be read as a value")),
    }
}

/// `None` for infinities and not-a-number.
fn scalar_value(scalar: &Scalar<'_>) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::Bool(*flag),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::FloatingPoint(number) => Value::Number(serde_json::Number::from_f64(number.into_inner())?),
        Scalar::String(text) => Value::String(text.to_string()),
    })
}
