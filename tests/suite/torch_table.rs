//! Every function under PyTorch's names on three shapes and two dtypes, against checksums of what PyTorch gives for the
//! same call, and what it says of shapes that do not go together.

use std::cell::RefCell;
use std::collections::BTreeSet;
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

/// The inputs of `scripts/torch_fixtures/table.py`, and results as it writes them.
const PRELUDE: &str = r#"
fn numbers(shape, seed) {
    let count = 1;
    for size in shape { count *= size; }
    let whole = (torch::arange(count) * 37 + seed * 11) % 18;
    ((whole - 9 + (whole >= 9).long()).double() / 4).reshape(shape)
}
fn symmetric(shape) {
    let own = numbers(shape, 9);
    own @ own.adjoint() + torch::eye(shape[-1], #{ dtype: "float64" }) * 2
}
fn show(r) {
    switch type_of(r) {
        "Tensor" if r.dtype == torch::bool && r.ndim == 0 => r.item().to_string(),
        "Tensor" => {
            let flat = r.detach().double().flatten().nan_to_num(0.5, 2.0, -2.0);
            let sum = (flat * torch::arange(flat.numel(), #{ dtype: "float64" }).cos()).sum().item();
            `["${r.dtype.to_string().sub_string(7)}", ${r.shape}, ${sum}]`
        }
        "array" => {
            let text = "";
            for item in r { text += (if text == "" { "" } else { ", " }) + show(item); }
            "[" + text + "]"
        }
        "map" => show(r.values()),
        _ => r.to_string()
    }
}
fn told(e) { "error: " + e.to_string() }
"#;

/// What each name stands for on a shape and a dtype: `x` … as `table.py` has them.
fn inputs(shape: &str, dtype: &str) -> String {
    let (size, square, beside) = match shape {
        "1" => ("[6]", "[2, 2]", "[2, 2]"),
        "2" => ("[2, 3]", "[3, 3]", "[3, 1]"),
        _ => ("[2, 2, 3]", "[2, 3, 3]", "[2, 3, 2]"),
    };
    let whole = dtype.starts_with("int");
    let scale = if whole { 4 } else { 1 };
    let of = |name: &str, size: &str, seed: u32| {
        format!("let {name} = (numbers({size}, {seed}) * {scale}).to(\"{dtype}\");")
    };
    let mut text: Vec<String> = [("x", 1), ("y", 2), ("z", 3), ("i", 4), ("j", 5)]
        .map(|(name, seed)| of(name, size, seed))
        .to_vec();
    if !whole {
        text.push(format!("let p = (numbers({size}, 6) / 8 + 0.5).to(\"{dtype}\");"));
        text.push(format!(
            "let q = (numbers({size}, 7).abs() + 0.25).to(\"{dtype}\");"
        ));
        text.push(of("s", square, 8));
        text.push(format!("let d = symmetric({square}).to(\"{dtype}\");"));
        text.push(of("b", beside, 10));
        text.extend([("v", "[3]", 11), ("w", "[4]", 12), ("a", "[4, 3]", 13)].map(|(n, s, k)| of(n, s, k)));
    }
    text.push("let count = x.numel();".into());
    text.push(format!("let n = (torch::arange(count) * 5 % 3).reshape({size});"));
    text.push(format!(
        "let m = (torch::arange(count) * 7 % 5 > 1).reshape({size});"
    ));
    text.join(" ")
}

/// What scripts that print one line for each call print.
fn printed(scripts: &[String]) -> Vec<String> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = lines.clone();
    let mut host = Host::builder()
        .output(move |line| sink.borrow_mut().push(line.to_string()))
        .build()
        .expect("a host");
    // One text for all would take the parser long.
    for script in scripts {
        let _ = host.eval("calls", script).expect("a script that runs");
    }
    lines.take()
}

/// The same result? Numbers within the rounding of the dtype; PyTorch's tuples are maps here, in the order of names.
fn agree(ours: &Value, theirs: &Value, dtype: &str) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            let is_same = |(own, value): (&Value, &Value)| agree(own, value, dtype);
            ours.len() == theirs.len()
                && (ours.iter().zip(theirs).all(is_same)
                    || theirs
                        .iter()
                        .all(|value| ours.iter().any(|own| agree(own, value, dtype))))
        }
        (Value::Number(ours), Value::Number(theirs)) => {
            let (ours, theirs) = (
                ours.as_f64().unwrap_or(f64::NAN),
                theirs.as_f64().unwrap_or(f64::NAN),
            );
            let within = if dtype == "float64" { 1e-6 } else { 2e-4 };
            (ours - theirs).abs() <= within * theirs.abs().max(1.0)
        }
        _ => ours == theirs,
    }
}

#[test]
fn every_function_gives_what_pytorch_gives_on_three_shapes_and_two_dtypes() {
    let groups = fixture("table.json");
    let (mut scripts, mut expected) = (Vec::new(), Vec::new());
    for group in groups.as_array().expect("groups") {
        let calls = group["calls"].as_array().expect("calls");
        for (place, results) in group["results"].as_object().expect("results") {
            let (shape, dtype) = place.split_once(' ').expect("a shape and a dtype");
            let inputs = inputs(shape, dtype);
            for (call, result) in calls.iter().zip(results.as_array().expect("results")) {
                let call = call.as_str().expect("a call");
                // What is changed in place is a copy in the call itself.
                expected.push((call, place.clone(), dtype.to_string(), result));
            }
            for part in calls.chunks(60) {
                let calls = part.iter().filter_map(Value::as_str);
                let calls: Vec<String> = calls
                    .map(|call| format!("try {{ print(show({call})); }} catch (e) {{ print(told(e)); }}"))
                    .collect();
                scripts.push(format!("{PRELUDE}{inputs}\n{}", calls.join("\n")));
            }
        }
    }
    assert!(expected.len() > 3000, "only {} calls", expected.len());
    let lines = printed(&scripts);
    assert_eq!(lines.len(), expected.len());
    let wrong: Vec<String> = expected
        .iter()
        .zip(&lines)
        .filter(|((_, _, dtype, result), line)| {
            let ours = serde_json::from_str(line).unwrap_or(Value::String(line.to_string()));
            !agree(&ours, result, dtype)
        })
        .map(|((call, place, _, result), line)| format!("{call} ({place}): {line} instead of {result}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Functions that are tested elsewhere: they draw by chance, need gradients or other devices, or give no
/// numbers; `var` is `variance` in the language of scripts, which keeps the word.
const ELSEWHERE: &str = "backward bernoulli bernoulli_ bfloat16 empty empty_like exponential_ get_num_threads
    grad int is_grad_enabled long manual_seed
    multinomial normal normal_ rand rand_like randint randint_like randn randn_like randperm
    set_num_threads uniform_ var";

#[test]
fn every_function_that_pytorch_has_is_in_the_table() {
    let mut called = BTreeSet::new();
    let mut note = |call: &str| {
        for (at, _) in call.match_indices('(') {
            let name = call[..at]
                .rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .next();
            called.insert(name.unwrap_or_default().to_string());
        }
    };
    for group in fixture("table.json").as_array().expect("groups") {
        group["calls"]
            .as_array()
            .expect("calls")
            .iter()
            .filter_map(Value::as_str)
            .for_each(&mut note);
    }
    let values = fixture("values.json");
    values["cases"]
        .as_array()
        .expect("calls")
        .iter()
        .filter_map(|case| case["call"].as_str())
        .for_each(&mut note);
    let signatures = fixture("signatures.json");
    let mut names = BTreeSet::new();
    for owner in ["Tensor", "torch", "torch::linalg", "torch::nn::functional"] {
        let own = signatures[owner].as_object().expect("functions");
        assert!(own.len() >= 20, "{owner} has only {}", own.len());
        names.extend(own.keys().cloned());
    }
    let without: Vec<&String> = names
        .iter()
        .filter(|name| !called.contains(*name) && !ELSEWHERE.split_whitespace().any(|known| known == *name))
        .collect();
    assert!(names.len() >= 250, "there are only {} functions", names.len());
    assert!(without.is_empty(), "these have no call in the table: {without:?}");
}

/// Tensors that hardly anything fits: of odd shapes, of the wrong kinds of numbers.
const MISFITS: &str = "let x = torch::ones([2, 3]); let y = torch::ones([5, 7, 4]); let z = torch::ones([2, 2]);
    let i = torch::ones([3, 5]).long(); let j = torch::ones([2]).long(); let p = torch::ones([2, 3]); let q = torch::ones([4, 9]);
    let s = torch::ones([2, 3]); let d = torch::ones([7]); let b = torch::ones([6, 5]); let v = torch::ones([8]);
    let w = torch::ones([2, 9]); let a = torch::ones([7, 8]); let n = torch::ones([9, 2, 5]).long() * 70; let m = torch::ones([4]) > 0;";

#[test]
fn shapes_that_do_not_go_together_are_told_in_words() {
    let groups = fixture("table.json");
    let mut calls = Vec::new();
    for group in groups.as_array().expect("groups") {
        calls.extend(
            group["calls"]
                .as_array()
                .expect("calls")
                .iter()
                .filter_map(Value::as_str),
        );
    }
    let tried: Vec<String> = calls
        .iter()
        .map(|call| format!("try {{ {call}; print(\"fits\"); }} catch (e) {{ print(told(e)); }}"))
        .collect();
    let scripts: Vec<String> = tried
        .chunks(60)
        .map(|tried| format!("{PRELUDE}{MISFITS}\n{}", tried.join("\n")))
        .collect();
    let lines = printed(&scripts);
    assert_eq!(lines.len(), calls.len());
    let mut failures = 0;
    let mut wrong = Vec::new();
    for (call, line) in calls.iter().zip(&lines) {
        let Some(error) = line.strip_prefix("error: ") else {
            continue;
        };
        failures += 1;
        let foreign = [
            "c10",
            "at::",
            ".cpp",
            "Exception",
            "#0",
            "panicked",
            "INTERNAL ASSERT",
            "defect",
        ];
        let has_shape = error.contains('[') || error.contains("(");
        if foreign.iter().any(|word| error.contains(word)) || !has_shape {
            wrong.push(format!("{call}: {error}"));
        }
    }
    assert!(failures > 200, "only {failures} calls failed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
