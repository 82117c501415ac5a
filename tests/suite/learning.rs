//! The examples that compare what they find with something else: with a built-in counterpart, with the model's own logits;
//! and those of the standard modules.

use std::path::Path;

use saescript::Host;

#[test]
fn what_scripts_learn_by_hand_is_what_is_built_in() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    // The results of the examples lie where they run; nextest runs each test in a process of its own.
    std::env::set_current_dir(folder.path()).expect("the folder");
    for example in [
        "probe.rhai",
        "matryoshka_by_hand.rhai",
        "custom_pieces.rhai",
        "logit_lens.rhai",
        "activation_patching.rhai",
    ] {
        let mut host = Host::builder().output(|_| ()).build().expect("a host");
        let outcome = host.run_file(examples.join(example), &[]);
        assert!(
            outcome.is_ok(),
            "{example}: {}",
            outcome.err().map_or_else(String::new, |e| e.to_string())
        );
    }
}

#[test]
fn the_examples_of_the_standard_modules_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    std::env::set_current_dir(folder.path()).expect("the folder");
    let rows: [(&str, &[&str], &[&str]); 4] = [
        (
            "recipes.rhai",
            &["--tokens", "512", "--recipes", "topk_gao2024"],
            &["results/recipes/report.html", "results/recipes/topk_gao2024.html"],
        ),
        (
            "sweep.rhai",
            &["--steps", "5", "--points", "2"],
            &["results/sweep/results.jsonl", "results/sweep/front.svg"],
        ),
        (
            "latents.rhai",
            &["--tokens", "512"],
            &["results/latents/sae_weights.safetensors"],
        ),
        ("steering.rhai", &[], &[]),
    ];
    for (example, arguments, written) in rows {
        let mut host = Host::builder().output(|_| ()).build().expect("a host");
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_string()).collect();
        let outcome = host.run_file(examples.join(example), &arguments);
        assert!(
            outcome.is_ok(),
            "{example}: {}",
            outcome.err().map_or_else(String::new, |e| e.to_string())
        );
        for path in written {
            assert!(Path::new(path).is_file(), "{example} writes {path}");
        }
    }
}
