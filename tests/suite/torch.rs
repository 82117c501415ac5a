//! The tensors of scripts against PyTorch: signatures and results that `scripts/make-torch-fixtures` took from it.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use saescript::Host;
use saescript::config::Value;

use crate::fixtures::json;

fn fixture(name: &str) -> Value {
    json(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/torch")
            .join(name),
    )
}

/// Where scripts differ from PyTorch's signatures, and why. Everything else has to agree: in the names, the order, the
/// types and the defaults of all arguments. What PyTorch takes and scripts do not is an error that shows the signature.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "Tensor.copy_",
        "documented with `src`, in the stubs it is `other`; takes numbers and arrays as well",
    ),
    (
        "Tensor.requires_grad_",
        "documented with `requires_grad`, in the stubs it is `mode`",
    ),
    (
        "torch.split",
        "calls its argument `split_size`, as the method does, and not `split_size_or_sections`",
    ),
    (
        "Tensor.tensor_split",
        "documented with `indices_or_sections`, in the stubs it is `indices` or `sections`",
    ),
    (
        "torch.tensor_split",
        "documented with `indices_or_sections`, in the stubs it is `indices` or `sections`",
    ),
    (
        "torch.searchsorted",
        "documented with `values`, in the stubs it is `self` or `input`",
    ),
    (
        "Tensor.uniform_",
        "documented with `from`, in the stubs it is `from_`",
    ),
    (
        "torch.einsum",
        "documented with `equation, *operands`, defined with `*args`",
    ),
    (
        "torch::nn::functional.softmax",
        "has no `_stacklevel` before `dtype`",
    ),
    (
        "torch::nn::functional.log_softmax",
        "has no `_stacklevel` before `dtype`",
    ),
    // The same defaults, which an array is.
    ("Tensor.rot90", "turns in the plane of 0 and 1"),
    ("torch.rot90", "turns in the plane of 0 and 1"),
    ("torch::linalg.matrix_norm", "takes the last two dimensions"),
    // Numbers and arrays where PyTorch wants a tensor made of them.
    ("Tensor.quantile", "takes an array of quantiles"),
    ("torch.quantile", "takes an array of quantiles"),
    ("Tensor.nanquantile", "takes an array of quantiles"),
    ("torch.nanquantile", "takes an array of quantiles"),
    ("torch.isin", "takes a number and an array"),
    ("torch::nn::functional.normalize", "takes several dimensions"),
    ("Tensor.atan2", "takes a number"),
    ("torch.atan2", "takes a number"),
    ("Tensor.fmax", "takes a number"),
    ("torch.fmax", "takes a number"),
    ("Tensor.fmin", "takes a number"),
    ("torch.fmin", "takes a number"),
    ("Tensor.hypot", "takes a number"),
    ("torch.hypot", "takes a number"),
    ("Tensor.logaddexp", "takes a number"),
    ("torch.logaddexp", "takes a number"),
    ("Tensor.logaddexp2", "takes a number"),
    ("torch.logaddexp2", "takes a number"),
    ("Tensor.maximum", "takes a number"),
    ("torch.maximum", "takes a number"),
    ("Tensor.minimum", "takes a number"),
    ("torch.minimum", "takes a number"),
    ("Tensor.logical_and", "takes a number"),
    ("torch.logical_and", "takes a number"),
    ("Tensor.logical_or", "takes a number"),
    ("torch.logical_or", "takes a number"),
    ("Tensor.logical_xor", "takes a number"),
    ("torch.logical_xor", "takes a number"),
];

struct Parameter {
    name: String,
    kinds: Vec<String>,
    default: Option<String>,
    named: bool,
}

/// The parameters of a signature as the catalog writes it.
fn parameters(signature: &str) -> Vec<Parameter> {
    let inside = signature.split_once('(').expect("arguments").1;
    let inside = &inside[..inside.rfind(')').expect("arguments")];
    let inside = match inside.find(") -> ") {
        Some(end) => &inside[..end],
        None => inside,
    };
    let mut named = false;
    let mut found = Vec::new();
    for part in inside.split(", ").filter(|part| !part.is_empty()) {
        if part == "*" {
            named = true;
            continue;
        }
        let (declaration, default) = match part.split_once(" = ") {
            Some((declaration, default)) => (declaration, Some(default.to_string())),
            None => (part, None),
        };
        let (name, kind) = declaration.split_once(": ").expect("a type");
        found.push(Parameter {
            name: name.into(),
            kinds: kind
                .trim_end_matches('?')
                .split('|')
                .map(str::to_string)
                .collect(),
            default,
            named,
        });
    }
    found
}

/// Does PyTorch's type take one of ours?
fn takes(theirs: &str, ours: &str) -> bool {
    let words: &[&str] = match ours {
        "int" => &["int", "Number", "float"],
        "Tensor..." => &["Tensor", "*"],
        "int..." => &["int", "*", "size", "Sequence"],
        "array" => &["size", "Size", "Sequence", "tuple", "list", "*"],
        "number" => &["Number", "float", "number"],
        "bool" => &["bool", "Number"],
        "string" => &["str", "Device"],
        "dtype" => &["dtype", "DType"],
        "Tensor" => &["Tensor"],
        _ => &[""],
    };
    theirs == "any" || words.iter().any(|word| theirs.contains(word))
}

/// A default in one notation.
fn plain(default: &str) -> String {
    match default {
        "None" | "()" => "()".into(),
        "True" | "False" => default.to_lowercase(),
        text => match text.parse::<f64>() {
            Ok(number) => number.to_string(),
            Err(_) => text.trim_matches(['\'', '"']).to_string(),
        },
    }
}

/// What keeps `ours` from being one of PyTorch's signature `theirs`.
fn misfit(ours: &[Parameter], theirs: &Value) -> Option<String> {
    let positional = theirs["positional"].as_array().expect("a list");
    let named = theirs["named"].as_array().expect("a list");
    let has_input = ours.first().is_some_and(|first| first.name == "input");
    let own = |argument: &Value| {
        let is_first = has_input && positional.first() == Some(argument);
        let name = argument["name"].as_str();
        ours.iter()
            .find(|parameter| Some(parameter.name.as_str()) == name || is_first)
    };
    for (at, parameter) in ours.iter().enumerate() {
        // The tensor itself, which is always the first.
        if at == 0 && parameter.name == "input" && !positional.is_empty() {
            continue;
        }
        let same = |argument: &&Value| argument["name"] == parameter.name.as_str();
        let found = if !parameter.named {
            positional.get(at).filter(same)
        } else {
            positional.iter().chain(named).find(same)
        };
        let Some(argument) = found else {
            return Some(format!("`{}` is not in this place", parameter.name));
        };
        let kind = argument["type"].as_str().expect("a type");
        let Some(default) = argument["default"].as_str() else {
            // Overloads with and without one are one signature here.
            let is_optional = kind.starts_with('*') || kind.contains("Generator");
            if parameter.default.is_some() && !is_optional {
                return Some(format!("`{}` has to be given", parameter.name));
            }
            continue;
        };
        let fits = parameter
            .default
            .as_deref()
            .is_none_or(|own| plain(own) == plain(default));
        if !fits {
            return Some(format!("`{}` is {default} by default", parameter.name));
        }
    }
    let lacking = positional
        .iter()
        .chain(named)
        .find(|argument| own(argument).is_none() && argument.get("default").is_none());
    lacking.map(|argument| format!("{} is missing", argument["name"]))
}

/// Types that no signature of PyTorch's takes for an argument of that name.
fn foreign_types(ours: &[Parameter], all: &[Value]) -> Option<String> {
    for parameter in ours {
        let everywhere = all.iter().flat_map(|theirs| {
            let lists = [&theirs["positional"], &theirs["named"]];
            lists.map(|list| list.as_array().cloned().unwrap_or_default())
        });
        let types: Vec<String> = everywhere
            .flatten()
            .filter(|argument| argument["name"] == parameter.name.as_str() || parameter.name == "input")
            .filter_map(|argument| argument["type"].as_str().map(str::to_string))
            .collect();
        let foreign = |kind: &&String| !types.iter().any(|theirs| takes(theirs, kind));
        if let Some(kind) = parameter.kinds.iter().find(foreign) {
            return Some(format!("`{}` is no {kind}, but {types:?}", parameter.name));
        }
    }
    None
}

#[test]
fn functions_under_pytorchs_names_have_its_signatures() {
    let host = Host::builder().output(|_| ()).build().expect("a host");
    let catalog = host.catalog().expect("the catalog");
    let signatures = fixture("signatures.json");
    let mut compared = 0;
    let mut wrong = Vec::new();
    let mut excused = Vec::new();
    for owner in ["Tensor", "torch", "torch::linalg", "torch::nn::functional"] {
        for (name, theirs) in signatures[owner].as_object().expect("functions") {
            let theirs = theirs.as_array().expect("signatures");
            let path = format!("{owner}.{name}");
            let entries = catalog.entries().iter().filter(|entry| {
                entry.owner.as_deref() == Some(owner) && entry.name == *name && !entry.signatures.is_empty()
            });
            let ours: Vec<&String> = entries
                .filter(|entry| !entry.signatures[0].starts_with(&format!("{name} ->")))
                .flat_map(|entry| &entry.signatures)
                .collect();
            assert!(!ours.is_empty(), "scripts have no {path}: make the fixtures anew");
            for signature in ours {
                compared += 1;
                let parameters = parameters(signature);
                let misfits: Vec<Option<String>> =
                    theirs.iter().map(|theirs| misfit(&parameters, theirs)).collect();
                let problem = if misfits.iter().any(Option::is_none) {
                    foreign_types(&parameters, theirs)
                } else {
                    Some(format!("{misfits:?}"))
                };
                let Some(problem) = problem else { continue };
                match DIFFERENCES.iter().find(|(known, _)| *known == path) {
                    Some((known, _)) => excused.push(*known),
                    None => wrong.push(format!("{owner}: {signature}: {problem}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 500, "only {compared} signatures were compared");
    for (known, _) in DIFFERENCES {
        assert!(excused.contains(known), "{known} does not differ any more");
    }
}

/// A value as a script writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Makes JSON of a result, as the fixture writes it.
const SHOW: &str = r#"
fn show(r) {
    switch type_of(r) {
        "Tensor" => `{"dtype": "${r.dtype.to_string().sub_string(7)}", "values": ${show(r.tolist())}}`,
        "array" => {
            let text = "";
            for item in r { text += (if text == "" { "" } else { ", " }) + show(item); }
            "[" + text + "]"
        }
        "map" => `{"values": ${show(r.values)}, "indices": ${show(r.indices)}}`,
        "float" | "f64" => { let text = r.to_string(); if r - r == 0.0 { text } else { `"${text}"` } }
        _ => r.to_string()
    }
}
"#;

/// Are two results the same, within the rounding of float32?
fn agree(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && theirs
                    .iter()
                    .all(|(key, value)| ours.get(key).is_some_and(|own| agree(own, value)))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(own, value)| agree(own, value))
        }
        (Value::Number(ours), Value::Number(theirs)) => {
            let (ours, theirs) = (ours.as_f64(), theirs.as_f64());
            let apart = ours
                .zip(theirs)
                .map(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1.0));
            apart == Some(true)
        }
        (Value::String(ours), Value::String(theirs)) => ours.eq_ignore_ascii_case(theirs),
        _ => ours == theirs,
    }
}

#[test]
fn calls_give_what_pytorch_gives() {
    let values = fixture("values.json");
    let inputs = values["inputs"].as_object().expect("inputs");
    let inputs: Vec<String> = inputs
        .iter()
        .map(|(name, data)| format!("let {name} = torch::tensor({});", literal(data)))
        .collect();
    let cases = values["cases"].as_array().expect("calls");
    assert!(cases.len() >= 300);
    let printed = Rc::new(RefCell::new(Vec::new()));
    let sink = printed.clone();
    let mut host = Host::builder()
        .output(move |line| sink.borrow_mut().push(line.to_string()))
        .build()
        .expect("a host");
    let mut wrong = Vec::new();
    let mut script = SHOW.to_string();
    for case in cases {
        let call = case["call"].as_str().expect("a call");
        script += &format!(
            "{{ {} try {{ print(show({call})); }} catch (e) {{ print(e.to_string()); }} }}\n",
            inputs.join(" ")
        );
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("calls.rhai");
    std::fs::write(&file, script).expect("written");
    host.run_file(&file, &[]).expect("a script that runs");
    let printed = printed.borrow();
    assert_eq!(printed.len(), cases.len());
    for (case, line) in cases.iter().zip(printed.iter()) {
        let ours: Value = serde_json::from_str(line).unwrap_or(Value::String(line.clone()));
        if !agree(&ours, &case["result"]) {
            wrong.push(format!("{}: {line} instead of {}", case["call"], case["result"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
