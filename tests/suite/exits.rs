//! `exit(code)` ends the program with that code, wherever it is called.

use std::path::Path;

use crate::program::{run, script};

/// A stream whose batches go through a closure that ends the script.
const STREAM: &str = r#"
let model = TransformerLensLanguageModel(LanguageModelConfig(#{
    model_name: "tiny-pythia", model_from_pretrained_path: "MODEL", device: "cpu", dtype: torch::float32,
}));
let factory = ActivationFactory(ActivationFactoryConfig(#{
    sources: [ActivationFactoryDatasetSource(#{ name: "texts" })], target: ActivationFactoryTarget::ACTIVATIONS_1D,
    hook_points: ["blocks.0.hook_resid_post"], batch_size: 16, context_size: 16, model_batch_size: 2,
}));
let text = "";
for i in 0..20 { text += "Once upon a time there was a number. "; }
let records = datasets::from_list([#{ text: text }, #{ text: text }, #{ text: text }, #{ text: text }]);
let stream = factory.process(#{ model: model, model_name: "tiny-pythia", datasets: #{ texts: records } });
stream.map(|batch| { EXIT; batch });
"#;

/// Runs `text`, in which the word EXIT is `exit(code)`, and which must not come to its end.
#[track_caller]
fn exits(code: i32, text: &str) {
    let text = text.replace("EXIT", &format!("exit({code})"));
    let (_folder, path) = script(&format!("{text}\nprint(\"still running\");"));
    let ran = run(["run".as_ref(), path.as_os_str()]).ended_with(code);
    assert!(!ran.out.contains("still running"), "{}", ran.out);
}

#[test]
fn in_closures_of_arrays_and_maps() {
    for (code, call) in [
        "[3, 1, 2].sort(|a, b| { EXIT; 0 })",
        "[3, 1, 2].sort_by(|a, b| { EXIT; 0 })",
        "[3, 1, 2].filter(|x| { EXIT; true })",
        "[3, 1, 2].retain(|x| { EXIT; true })",
        "[3, 1, 2].dedup(|a, b| { EXIT; true })",
        "[3, 1, 2].reduce(|a, b| { EXIT; 0 })",
        "#{ a: 1 }.retain(|k, v| { EXIT; true })",
        "try { [3, 1, 2].some(|x| { EXIT; true }) } catch { }",
    ]
    .iter()
    .enumerate()
    {
        exits(code as i32 + 3, &format!("{call};"));
    }
}

#[test]
fn in_closures_that_a_stream_keeps() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-pythia");
    let stream = STREAM.replace("MODEL", &model.display().to_string());
    exits(9, &format!("{stream} stream.next();"));
    exits(
        0,
        &format!("{stream} for batch in stream {{ print(\"a batch\"); }}"),
    );
    exits(
        11,
        &format!("{stream} try {{ stream.next(); }} catch (error) {{ }}"),
    );
}

#[test]
fn in_texts_that_are_evaluated() {
    exits(5, "eval(\"EXIT\");");
    exits(6, "fn leave() { EXIT; } try { eval(\"leave()\") } catch { }");
}
