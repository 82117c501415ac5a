//! Every variant through its whole life, from a configuration file: trained, killed and resumed, evaluated, saved, loaded,
//! and told apart by its files.

use std::path::{Path, PathBuf};

use saescript::config::{Document, Value, from_value};
use saescript::dictionary::{SAEConfig, SparseAutoEncoder, VARIANTS};
use saescript::error::Result;
use saescript::event::RunContext;
use saescript::runner::{SaeChoice, TrainSAESettings};
use saescript::tensor::{Device, Kind, Tensor};
use saescript::train::{Initializer, InitializerConfig, InitializerInputs};
use serde_json::json;

use crate::program::run;
use crate::runner::write_config;
use crate::safety::{assert_same, results, train, wait_for};

const HOOK: &str = "blocks.1.hook_resid_post";
const OTHER: &str = "blocks.0.hook_resid_post";

/// What stands in `[sae]` for each variant, besides sizes, and in `[trainer]`.
const CASES: &[(&str, &str, &str)] = &[
    ("sae", "act_fn = \"topk\"\ntop_k = 6", ""),
    (
        "matryoshka",
        "act_fn = \"batchtopk\"\ntop_k = 6\nmatryoshka_widths = [24, 96]",
        "auxk_coefficient = 0.03\ndead_threshold = 500",
    ),
    (
        "gated",
        "gated_aux_frozen = false",
        "sparsity_loss_type = \"power\"\nl1_coefficient = 0.1",
    ),
    (
        "crosscoder",
        "act_fn = \"batchtopk\"\ntop_k = 6",
        "auxk_coefficient = 0.03\ndead_threshold = 500",
    ),
];

/// A configuration in `folder` that trains a dictionary of this variant.
fn config(folder: &Path, (name, own, trainer): (&str, &str, &str)) -> PathBuf {
    let path = write_config(folder);
    let text = std::fs::read_to_string(&path).expect("written");
    let (before, rest) = text.split_once("[sae]").expect("a dictionary");
    let (_, after) = rest.split_once("[initializer]").expect("an initialiser");
    let hooks = if name == "crosscoder" {
        format!("hook_points = [{OTHER:?}, {HOOK:?}]")
    } else {
        format!("hook_point_in = {HOOK:?}\nhook_point_out = {HOOK:?}")
    };
    let sae = format!("[sae]\nsae_type = {name:?}\n{hooks}\nd_model = 48\nd_sae = 192\n{own}\n\n");
    let after = after
        .replace("[trainer]", &format!("[trainer]\neval_frequency = 50\n{trainer}"))
        .replace(
            &format!("hook_points = [{HOOK:?}]"),
            &format!("hook_points = [{OTHER:?}, {HOOK:?}]"),
        );
    std::fs::write(&path, format!("eval = true\n{before}{sae}[initializer]{after}")).expect("written");
    path
}

#[test]
fn every_variant_has_a_case() {
    let cases: Vec<&str> = CASES.iter().map(|(name, _, _)| *name).collect();
    let rows: Vec<&str> = VARIANTS.iter().map(|row| row.name).collect();
    assert_eq!(cases, rows);
    for row in VARIANTS {
        assert!(row.summary().len() > 20, "{} says what it is", row.name);
    }
}

#[test]
fn what_processes_may_share_runs_over_the_latents() {
    let folder = tempfile::tempdir().expect("a folder");
    for case in CASES {
        let settings = Document::read(&config(folder.path(), *case)).expect("read");
        let settings: TrainSAESettings = settings.build().expect("valid");
        let SaeChoice::Fresh(cfg) = settings.sae else {
            panic!("a fresh one");
        };
        let layout = cfg.variant.layout(&cfg);
        assert!(
            layout.iter().filter(|spec| spec.placement.is_some()).count() >= 3,
            "{}",
            case.0
        );
        for spec in layout {
            let size = spec.placement.map(|dimension| spec.shape[dimension]);
            assert!(
                size.is_none_or(|size| size == cfg.d_sae()),
                "{}: {}",
                case.0,
                spec.name
            );
        }
    }
}

#[test]
fn every_variant_survives_being_killed_and_ends_with_the_same_bytes() {
    for case in CASES {
        let undisturbed = tempfile::tempdir().expect("a folder");
        let whole = config(undisturbed.path(), *case);
        let ran = run([
            "train".as_ref(),
            whole.as_os_str(),
            "--set".as_ref(),
            "trainer.log_frequency=2".as_ref(),
            "--set".as_ref(),
            "trainer.n_checkpoints=20".as_ref(),
        ]);
        assert_eq!(ran.code, Some(0), "{}: {}", case.0, ran.err);
        let killed = tempfile::tempdir().expect("a folder");
        let path = config(killed.path(), *case);
        for step in [24, 70] {
            let mut child = train(&path, &["--resume"]).spawn().expect("started");
            wait_for(step, killed.path(), &mut child);
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
        assert!(train(&path, &["--resume"]).status().expect("run").success());
        assert_same(results(killed.path()), results(undisturbed.path()), case.0);
        check_results(&undisturbed.path().join("results"), case.0);
    }
}

/// What a finished run leaves: evaluations in its metrics, and a dictionary of its kind.
fn check_results(folder: &Path, name: &str) {
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).expect("metrics");
    let evaluations = metrics.matches("metrics/cross_entropy_recovered").count();
    assert_eq!(evaluations, 2, "{name}: evaluated twice");
    let own = match name {
        "matryoshka" => Some("losses/inner_mse_loss_24"),
        "gated" => Some("losses/gate_loss"),
        "crosscoder" => Some("crosscoder_metrics/blocks.0.hook_resid_post/explained_variance"),
        _ => None,
    };
    assert!(
        own.is_none_or(|own| metrics.contains(own)),
        "{name}: {own:?} is logged"
    );
    let sae = SparseAutoEncoder::from_pretrained(folder, &Default::default()).expect("read");
    assert_eq!(sae.cfg.variant.name(), name);
    let heads = sae.cfg.hooks.heads();
    let shape = heads.map_or(vec![5, 48], |heads| vec![5, heads, 48]);
    let x = Tensor::ones(shape.as_slice(), (Kind::Float, Device::Cpu));
    assert_eq!(sae.forward(&x).expect("forward").size(), shape);
    let settings = std::fs::read_to_string(folder.join("config.json")).expect("settings");
    assert!(
        settings.contains(&format!("\"sae_type\": {name:?}")),
        "{settings}"
    );
}

#[test]
fn what_a_dictionary_cannot_is_refused() {
    let of =
        |settings| SparseAutoEncoder::new(from_value::<SAEConfig>(settings).expect("valid")).expect("made");
    let hooks = json!({"hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 8, "d_sae": 16});
    let with = |more: Value| {
        let mut settings = hooks.clone();
        let all = settings.as_object_mut().expect("a table");
        all.extend(more.as_object().expect("a table").clone());
        of(settings)
    };
    let refused = |result: Result<()>, expected: &str| {
        let error = result.expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut own = with(json!({"act_fn": "custom"}));
    refused(
        own.to_saelens(folder.path(), "tiny"),
        "an activation function of one's own",
    );
    own.set_dataset_average_activation_norm([(HOOK.to_string(), 2.0)].into())
        .expect("valid");
    refused(
        own.standardize_parameters_of_dataset_norm(),
        "other latents might be on",
    );
    let crosscoder = from_value::<SAEConfig>(json!({
        "sae_type": "crosscoder", "hook_points": [HOOK, OTHER], "d_model": 8, "d_sae": 16,
    }))
    .expect("valid");
    let made = SparseAutoEncoder::new(crosscoder.clone()).expect("a dictionary");
    refused(
        made.to_saelens(folder.path(), "tiny"),
        "SAELens has no place for a dictionary of sae_type \"crosscoder\"",
    );
    let initializer: InitializerConfig =
        from_value(json!({"initialize_W_D_with_active_subspace": true, "d_active_subspace": 4}))
            .expect("valid");
    refused(
        initializer.check_dictionary(&crosscoder),
        "no initialisation from the model",
    );
    let searching: InitializerConfig = from_value(json!({"grid_search_init_norm": true})).expect("valid");
    let searching = Initializer::new(searching).expect("an initialiser");
    let inputs = InitializerInputs::default();
    let begun = searching.initialize_sae_from_config(&own.cfg, inputs, &RunContext::default());
    refused(
        begun.map(drop),
        "the search for the decoder norm encodes activations",
    );
}

#[test]
fn settings_of_another_variant_are_refused_and_told_whose_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, own, expected) in [
        (
            "sae",
            "matryoshka_widths = [24]",
            "`matryoshka_widths` is a setting of sae_type \"matryoshka\"",
        ),
        (
            "matryoshka",
            "",
            "a Matryoshka dictionary needs at least one prefix",
        ),
        (
            "matryoshka",
            "matryoshka_widths = [24, 12]",
            "have to rise from at least 1 latent to all 192",
        ),
        (
            "matryoshka",
            "matryoshka_widths = [24]\nmatryoshka_weights = [1.0]",
            "there are 2 prefixes",
        ),
        (
            "gated",
            "act_fn = \"topk\"",
            "a gated dictionary has a gate of its own",
        ),
        (
            "crosscoder",
            "use_decoder_bias = false",
            "each head of a crosscoder has a decoder bias",
        ),
        (
            "crosscoder",
            "hook_point_in = \"blocks.0.hook_resid_post\"",
            "`hook_point_in` is a setting of sae_type \"sae\", \"matryoshka\" and \"gated\", and this is \"crosscoder\"",
        ),
        ("crosscodr", "", "did you mean `crosscoder`?"),
        ("sae", "act_fn = \"custom\"", "an activation function of its own"),
    ] {
        let path = config(folder.path(), (name, own, ""));
        let ran = run(["train".as_ref(), path.as_os_str(), "--dry-run".as_ref()]);
        assert_eq!(ran.code, Some(2), "{own}: {}", ran.err);
        let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(expected), "{expected}\n{}", ran.err);
    }
}
