//! Signatures as text, in PyTorch's order and names, and which arguments they take.
//!
//! `dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()` reads as in Python: what has a default may be
//! left out, what stands after `*` is given by name only. Names are given in one map at the end of the call:
//! `x.sum(#{ dim: 0, keepdim: true })`. A type with `?` may be `()`. What comes out stands after `->`, unless it is a tensor.

use std::fmt;

use rhai::{Dynamic, Map};

use super::TensorHandle;
use super::generator::GeneratorHandle;
use crate::error::{Error, Result};
use crate::script::bridge::kind_of;
use crate::tensor::DType;

/// Stands for an argument whose value is not known yet; it fits everywhere.
#[derive(Clone)]
pub struct Pending;

/// One argument.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    kind: &'static str,
    default: Option<Literal>,
    keyword_only: bool,
}

/// The arguments of one way to call a function.
pub struct Signature {
    text: &'static str,
    returns: &'static str,
    parameters: Vec<Parameter>,
}

/// Why a call does not fit, and how nearly it did.
pub struct Mismatch {
    /// What is wrong.
    pub error: Error,
    /// Arguments that fit.
    pub fitting: usize,
    /// Are there as many arguments as it takes?
    pub counted: bool,
}

impl Parameter {
    fn parse(text: &'static str, keyword_only: bool) -> Parameter {
        let (declaration, default) = match text.split_once(" = ") {
            Some((declaration, default)) => (declaration, Some(Literal::parse(default))),
            None => (text, None),
        };
        let (name, kind) = declaration.split_once(": ").unwrap_or((declaration, "any"));
        Parameter {
            name,
            kind,
            default,
            keyword_only,
        }
    }

    /// Does it take all remaining integers or tensors, as `x.reshape(2, 3)`?
    fn is_variadic(&self) -> bool {
        self.kind.contains("...")
    }

    fn fits(&self, value: &Dynamic) -> bool {
        if value.is::<Pending>() {
            return true;
        }
        if value.is_unit() {
            return self.kind.ends_with('?');
        }
        let kinds = self.kind.trim_end_matches('?').split('|');
        kinds.into_iter().any(|kind| match kind {
            "int" | "int..." => value.is_int(),
            "number" => value.is_int() || value.is_float(),
            "bool" => value.is_bool(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "dtype" => value.is::<DType>() || value.is_string(),
            "Tensor" | "Tensor..." => value.read_lock::<TensorHandle>().is_some(),
            "Generator" => value.is::<GeneratorHandle>(),
            _ => true,
        })
    }

    fn check(&self, value: &Dynamic) -> Result<()> {
        if self.fits(value) {
            return Ok(());
        }
        let kinds = self
            .kind
            .trim_end_matches('?')
            .replace("int...", "ints")
            .replace("Tensor...", "Tensors")
            .replace('|', " or ");
        let sentence = format!("expected {kinds}, but was given {}", kind_of(value));
        Err(Error::input(sentence).under(self.name))
    }
}

/// A default as it is written in a signature.
enum Literal {
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'static str),
}

impl Literal {
    fn parse(text: &'static str) -> Literal {
        match text {
            "true" | "false" => Literal::Bool(text == "true"),
            _ if text.starts_with('"') => Literal::Text(text.trim_matches('"')),
            _ => match (text.parse(), text.parse()) {
                (Ok(number), _) => Literal::Int(number),
                (_, Ok(number)) => Literal::Float(number),
                _ => Literal::Unit,
            },
        }
    }

    fn value(&self) -> Dynamic {
        match self {
            Literal::Unit => Dynamic::UNIT,
            Literal::Bool(flag) => (*flag).into(),
            Literal::Int(number) => (*number).into(),
            Literal::Float(number) => (*number).into(),
            Literal::Text(text) => (*text).into(),
        }
    }
}

impl Signature {
    /// Reads a signature as it is described above.
    pub fn parse(text: &'static str) -> Signature {
        let (text, returns) = text.split_once("-> ").unwrap_or((text, "Tensor"));
        let text = text.trim_end();
        let mut keyword_only = false;
        let mut parameters = Vec::new();
        for part in text.split(", ").filter(|part| !part.is_empty()) {
            match part {
                "*" => keyword_only = true,
                _ => parameters.push(Parameter::parse(part, keyword_only)),
            }
        }
        Signature {
            text,
            returns,
            parameters,
        }
    }

    /// Returns the type of what comes out, in the words of scripts.
    pub fn returns(&self) -> &'static str {
        self.returns
    }

    /// Returns where the argument called `name` stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.parameters
            .iter()
            .position(|parameter| parameter.name == name)
    }

    /// Returns the most arguments that a call can have, a map of named ones included.
    pub fn most_arguments(&self) -> usize {
        const VARIADIC: usize = 6;
        match self.positional().last() {
            Some(last) if last.is_variadic() => VARIADIC,
            _ if self.parameters.is_empty() => 0,
            _ => self.positional().count() + 1,
        }
    }

    /// Returns the names of its parameters.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.parameters.iter().map(|parameter| parameter.name)
    }

    fn positional(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| !parameter.keyword_only)
    }

    /// Returns one value for each parameter, from what was given by position and by name.
    pub fn bind(&self, positional: &[Dynamic], named: &Map) -> Result<Vec<Dynamic>, Mismatch> {
        let gathered = self.gathered(positional);
        let positional = gathered.as_deref().unwrap_or(positional);
        let mut fitting = 0;
        self.bind_counting(positional, named, &mut fitting)
            .map_err(|error| Mismatch {
                error,
                fitting,
                counted: self.takes(positional.len(), named),
            })
    }

    /// May so many arguments be given by position beside those given by name?
    fn takes(&self, count: usize, named: &Map) -> bool {
        let needed = self
            .positional()
            .filter(|parameter| parameter.default.is_none() && !named.contains_key(parameter.name))
            .count();
        (needed..=self.positional().count()).contains(&count)
    }

    fn bind_counting(
        &self,
        positional: &[Dynamic],
        named: &Map,
        fitting: &mut usize,
    ) -> Result<Vec<Dynamic>> {
        let most = self.positional().count();
        if let Some(name) = named.keys().find(|name| self.position(name).is_none()) {
            let names: Vec<&str> = self.names().collect();
            return Err(Error::unknown_key("argument", name, &names));
        }
        let mut values = Vec::new();
        for (at, parameter) in self.parameters.iter().enumerate() {
            let by_position = positional.get(at).filter(|_| at < most);
            let by_name = named.get(parameter.name);
            let value = match (by_position, by_name, &parameter.default) {
                (Some(_), Some(_), _) => {
                    return Err(Error::input(format!("`{}` was given twice", parameter.name)));
                }
                (Some(value), ..) | (None, Some(value), _) => {
                    parameter.check(value)?;
                    *fitting += 1;
                    value.clone()
                }
                (None, None, Some(default)) => default.value(),
                (None, None, None) => {
                    let sentence =
                        format!("the argument `{}` is missing: {}", parameter.name, parameter.kind);
                    return Err(Error::input(sentence));
                }
            };
            values.push(value);
        }
        if positional.len() <= most {
            Ok(values)
        } else {
            Err(Error::input(format!(
                "{} given by position, but there are {}",
                match most {
                    0 => "no arguments are".to_string(),
                    1 => "at most 1 argument is".to_string(),
                    _ => format!("at most {most} arguments are"),
                },
                positional.len()
            )))
        }
    }

    /// `(2, 3)` as `([2, 3])` where the last positional parameter takes all.
    fn gathered(&self, positional: &[Dynamic]) -> Option<Vec<Dynamic>> {
        let last = self.positional().last().filter(|last| last.is_variadic())?;
        let before = self.positional().count() - 1;
        let rest = positional.get(before..)?;
        let all = rest.len() > 1 && rest.iter().all(|value| last.fits(value) && !value.is_array());
        all.then(|| {
            let mut gathered = positional[..before].to_vec();
            gathered.push(Dynamic::from_array(rest.to_vec()));
            gathered
        })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(signature: &'static str, positional: &[Dynamic], named: &Map) -> String {
        match Signature::parse(signature).bind(positional, named) {
            Ok(values) => values
                .iter()
                .map(|value| format!("{value:?}"))
                .collect::<Vec<_>>()
                .join(" "),
            Err(mismatch) => mismatch.error.headline(),
        }
    }

    #[test]
    fn arguments_find_their_parameters() {
        let signature = "dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()";
        let named = |name: &str, value: Dynamic| Map::from([(name.into(), value)]);
        assert_eq!(bound(signature, &[], &Map::new()), "() false ()");
        assert_eq!(
            bound(signature, &[1.into(), true.into()], &Map::new()),
            "1 true ()"
        );
        assert_eq!(
            bound(signature, &[], &named("keepdim", true.into())),
            "() true ()"
        );
        assert_eq!(
            bound(signature, &[1.into(), 2.into()], &Map::new()),
            "`keepdim`: expected bool, but was given int"
        );
        assert_eq!(
            bound(signature, &[1.into()], &named("dim", 0.into())),
            "`dim` was given twice"
        );
        assert!(bound(signature, &[], &named("keepdims", true.into())).contains("unknown argument"));
        assert!(bound(signature, &[1.into(), true.into(), 5.into()], &Map::new()).contains("at most 2"));
        assert!(bound("dim: int", &[], &Map::new()).contains("`dim` is missing"));
    }

    #[test]
    fn several_integers_make_one_shape() {
        let signature = "size: int...|array, *, dtype: dtype? = ()";
        assert_eq!(bound(signature, &[2.into(), 3.into()], &Map::new()), "[2, 3] ()");
        assert_eq!(bound(signature, &[2.into()], &Map::new()), "2 ()");
        assert!(bound(signature, &[2.into(), 0.5.into()], &Map::new()).contains("at most 1"));
    }
}
