//! All faults of plain data at once, where building a configuration stops at the first.
//!
//! Each fault that [`read`] or the class's own check finds is mended, by leaving the key out or by a value
//! that fits, and the rest is looked at again. What a mended value or one that nobody knows yet (a *hole*) may have caused
//! is no fault: nothing is said of it.

use schemars::JsonSchema;

use super::{Checked, Config, Map, Value, read};
use crate::error::{Error, Role, Subject};

/// The most trials for one configuration, so that every search ends.
const MOST_TRIALS: usize = 2000;

/// Segments of a key path, indices as `[0]`.
pub type KeyPath = Vec<String>;

/// Returns everything that is wrong with `value` as a configuration `C`, in the words of
/// [`from_value`](super::from_value).
///
/// `unknown` are the key paths of values that will be known later only, such as a script's variables: what depends on
/// them is left out.
pub fn faults<C: Config>(value: Value, unknown: &[KeyPath]) -> Vec<Error> {
    let mut search = Search::new::<C>(value, unknown);
    let mut found = Vec::new();
    while let Some(fault) = search.trial::<C>() {
        let is_caused = search.is_caused_by_a_hole::<C>(&fault);
        if !search.mend(&fault) {
            if !is_caused {
                found.push(fault.error);
            }
            break;
        }
        if !is_caused {
            found.push(fault.error);
        }
    }
    found
}

/// What a trial found.
struct Fault {
    error: Error,
    /// The key that it is about, which may be absent.
    path: KeyPath,
    /// Was it found by the class's own check, which looks at several keys together?
    by_check: bool,
}

impl Fault {
    fn new(error: Error, by_check: bool) -> Self {
        let mut path = error.key().to_vec();
        if let Subject::MissingKey(name) = error.subject() {
            path.push(name.clone());
        }
        Fault {
            error,
            path,
            by_check,
        }
    }

    fn is_same(&self, other: &Fault) -> bool {
        self.path == other.path && self.error.message() == other.error.message()
    }

    fn is_about_missing_key(&self) -> bool {
        matches!(self.error.subject(), Subject::MissingKey(_))
    }
}

/// A value that is not known, with the place in [`Search::candidates`] of what stands for it now.
#[derive(Clone)]
struct Hole {
    path: KeyPath,
    stand_in: usize,
    /// How many stand-ins did not fit.
    tried: usize,
}

struct Search {
    schema: Value,
    value: Value,
    holes: Vec<Hole>,
    /// What may stand for a value; `None` is to leave its key out.
    candidates: Vec<Option<Value>>,
    trials: usize,
}

impl Search {
    fn new<C: JsonSchema>(value: Value, unknown: &[KeyPath]) -> Self {
        let schema = schemars::schema_for!(C).to_value();
        let mut search = Search {
            candidates: candidates(&value, &schema),
            schema,
            value,
            holes: Vec::new(),
            trials: 0,
        };
        for path in unknown {
            search.replace(path.clone());
        }
        search
    }

    /// The first fault of the value as it is now.
    fn trial<C: Config>(&mut self) -> Option<Fault> {
        self.trials += 1;
        if self.trials > MOST_TRIALS {
            return None;
        }
        match read::<C>(&self.schema, self.value.clone()) {
            Err(error) => Some(Fault::new(error, false)),
            Ok(config) => Checked::new(config).err().map(|error| Fault::new(error, true)),
        }
    }

    /// Is the fault in a hole, or might it be another if a hole's value were?
    fn is_caused_by_a_hole<C: Config>(&mut self, fault: &Fault) -> bool {
        if self.is_in_a_hole(&fault.path, fault.error.is_about_key()) {
            return true;
        }
        if !fault.by_check {
            return self.may_be_of_another_kind::<C>(fault);
        }
        self.holes.clone().iter().any(|hole| {
            let name = hole.path.last().map_or("", String::as_str);
            fault.error.speaks_of(name) || self.varies::<C>(hole, fault, |_| true)
        })
    }

    /// Which keys a table has may depend on the value of one of them, as `type`.
    fn may_be_of_another_kind<C: Config>(&mut self, fault: &Fault) -> bool {
        let is_about_keys = fault.error.is_about_key() || fault.is_about_missing_key();
        let table = fault.path.split_last().map(|(_, table)| table.to_vec());
        let (true, Some(table)) = (is_about_keys, table) else {
            // Tables that are read as a whole do not say which of their values does not fit.
            return self.holes.iter().any(|hole| hole.path.starts_with(&fault.path));
        };
        let is_beside = |hole: &&Hole| {
            hole.path
                .split_last()
                .is_some_and(|(_, parents)| parents == table)
        };
        let beside: Vec<Hole> = self.holes.iter().filter(is_beside).cloned().collect();
        beside
            .iter()
            .any(|hole| self.varies::<C>(hole, fault, |stand_in| stand_in.is_some_and(Value::is_string)))
    }

    /// Is the path that of a hole or below one? Of an unknown key the value does not matter.
    fn is_in_a_hole(&self, path: &KeyPath, is_of_key: bool) -> bool {
        self.holes.iter().any(|hole| {
            if is_of_key {
                path.starts_with(&hole.path) && *path != hole.path
            } else {
                path.starts_with(&hole.path)
            }
        })
    }

    /// Does the fault go away or change with the value of the hole?
    fn varies<C: Config>(
        &mut self,
        hole: &Hole,
        fault: &Fault,
        is_tried: fn(Option<&Value>) -> bool,
    ) -> bool {
        let before = self.value.clone();
        let mut varies = false;
        let candidates = self.candidates.clone().into_iter();
        for stand_in in candidates.filter(|candidate| is_tried(candidate.as_ref())) {
            put(&mut self.value, &hole.path, stand_in);
            let other = self.trial::<C>();
            self.value.clone_from(&before);
            let is_other = match other {
                None => true,
                // All of it can be read then.
                Some(other) if other.by_check && !fault.by_check => true,
                // What does not fit into the hole tells nothing.
                Some(other) if self.is_in_a_hole(&other.path, false) => false,
                Some(other) if !other.by_check && fault.by_check => false,
                Some(other) => !other.is_same(fault),
            };
            if is_other {
                varies = true;
                break;
            }
        }
        varies
    }

    /// Makes the fault go away; false if it cannot be.
    fn mend(&mut self, fault: &Fault) -> bool {
        if fault.path.is_empty() || self.trials > MOST_TRIALS {
            return false;
        }
        match fault.error.unknown_name() {
            Some(unknown) if unknown.role == Role::Key => {
                put(&mut self.value, &fault.path, None);
                // The value was most likely meant for the key of that name.
                let parent = &fault.path[..fault.path.len() - 1];
                let mut meant = parent.to_vec();
                meant.extend(unknown.nearest.clone());
                if meant.len() > parent.len() && at(&self.value, &meant).is_none() {
                    self.open(meant);
                }
                return true;
            }
            Some(unknown) => self.add_candidates(&unknown.allowed),
            None => (),
        }
        let Some(index) = self.holes.iter().position(|hole| hole.path == fault.path) else {
            self.replace(fault.path.clone());
            return true;
        };
        let hole = &mut self.holes[index];
        hole.tried += 1;
        hole.stand_in = (hole.stand_in + 1) % self.candidates.len();
        put(
            &mut self.value,
            &hole.path,
            self.candidates[hole.stand_in].clone(),
        );
        hole.tried < self.candidates.len()
    }

    fn add_candidates(&mut self, names: &[String]) {
        for name in names {
            let candidate = Some(Value::String(name.clone()));
            if !self.candidates.contains(&candidate) {
                self.candidates.push(candidate);
            }
        }
    }

    /// Makes a hole where a value stands. Its key stays, for it may tell what the keys beside it mean.
    fn replace(&mut self, path: KeyPath) {
        if at(&self.value, &path).is_none() {
            return self.open(path);
        }
        put(&mut self.value, &path, Some(Value::Null));
        self.holes.push(Hole {
            path,
            stand_in: NULL,
            tried: 0,
        });
    }

    /// Makes a hole where nothing stands.
    fn open(&mut self, path: KeyPath) {
        put(&mut self.value, &path, None);
        self.holes.push(Hole {
            path,
            stand_in: 0,
            tried: 0,
        });
    }
}

/// The place of null among the candidates: a value that is not known is there, whatever it is.
const NULL: usize = 1;

/// Values of every kind, the names that the configuration itself speaks of, and those that its schema lists.
fn candidates(value: &Value, schema: &Value) -> Vec<Option<Value>> {
    use serde_json::json;
    let mut names = Vec::new();
    gather_names(value, &mut names);
    names.truncate(40);
    gather_choices(schema, &mut names);
    let mut all: Vec<Option<Value>> = vec![None];
    let plain = [
        json!(null),
        json!(1),
        json!("cpu"),
        json!(true),
        json!(0.5),
        json!({}),
        json!([]),
        json!(["a"]),
        json!(1_000_000_000),
        json!(0),
        json!(8),
        json!(1e-9),
    ];
    all.extend(plain.into_iter().map(Some));
    if !names.is_empty() {
        all.push(Some(json!(names)));
    }
    all.extend(names.into_iter().map(|name| Some(Value::String(name))));
    all
}

fn gather_names(value: &Value, names: &mut Vec<String>) {
    let mut add = |name: &String| {
        if !names.contains(name) {
            names.push(name.clone());
        }
    };
    match value {
        Value::String(text) => add(text),
        Value::Array(items) => items.iter().for_each(|item| gather_names(item, names)),
        Value::Object(map) => {
            map.keys().for_each(&mut add);
            map.values().for_each(|item| gather_names(item, names));
        }
        _ => (),
    }
}

/// The values of the schema's choices.
fn gather_choices(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Array(parts) => parts.iter().for_each(|part| gather_choices(part, names)),
        Value::Object(map) => {
            gather_names(&schema["enum"], names);
            gather_names(&schema["const"], names);
            map.values().for_each(|part| gather_choices(part, names));
        }
        _ => (),
    }
}

/// The index that a segment `[0]` stands for.
fn index_of(segment: &str) -> Option<usize> {
    segment.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter()
        .try_fold(value, |value, segment| match index_of(segment) {
            Some(index) => value.get(index),
            None => value.get(segment),
        })
}

/// Puts `new` at `path`, or leaves the key out; an item of a list becomes null then, so that the others keep their
/// places.
fn put(value: &mut Value, path: &[String], new: Option<Value>) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut here = value;
    for segment in parents {
        let next = match index_of(segment) {
            Some(index) => here.get_mut(index),
            None => here.get_mut(segment),
        };
        let Some(next) = next else { return };
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        here = next;
    }
    match (index_of(last), here, new) {
        (Some(index), Value::Array(items), new) if index < items.len() => {
            items[index] = new.unwrap_or(Value::Null);
        }
        (None, Value::Object(map), Some(new)) => drop(map.insert(last.clone(), new)),
        (None, Value::Object(map), None) => drop(map.shift_remove(last)),
        _ => (),
    }
}

#[cfg(test)]
mod tests;
