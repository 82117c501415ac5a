//! One forward and backward pass of the dictionary against the reference's numbers.

#![allow(clippy::print_stderr)] // says how many numbers were compared

use std::path::Path;

use saescript::config::{Map, Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, LossInput, LossSettings, Pass, SAEConfig, SparseAutoEncoder};
use saescript::tensor::{Kind, Tensor};
use serde_json::json;

use crate::fixtures::{distance, json as read_json, roots, tensor, tensors};

const IN: &str = "blocks.0.hook_resid_post";
const OUT: &str = "blocks.0.hook_mlp_out";

/// What one fixture case asks for.
struct Case<'a> {
    act_fn: &'a str,
    cfg: &'a Map<String, Value>,
    loss: &'a Map<String, Value>,
    uses_is_dead: bool,
}

/// What came out, under the fixture's names.
type Outcome = Vec<(String, Tensor)>;

fn dictionary(folder: &Path, case: &Case<'_>, kind: Kind) -> SparseAutoEncoder {
    let meta = read_json(folder.join("inputs.json"));
    let inputs = tensors(folder.join("inputs.safetensors"));
    let mut cfg = json!({
        "hook_point_in": IN, "hook_point_out": IN, "act_fn": case.act_fn, "d_model": meta["d_model"],
        "expansion_factor": meta["expansion_factor"], "top_k": meta["top_k"],
        "jumprelu_threshold_window": meta["jumprelu_threshold_window"],
    });
    if kind == Kind::Double {
        cfg["dtype"] = json!("float64");
    }
    for (key, value) in case.cfg {
        match key.as_str() {
            "transcoder" => cfg["hook_point_out"] = json!(OUT),
            "with_mask" | "three_d" => {}
            key => cfg[key] = value.clone(),
        }
    }
    let cfg: SAEConfig = from_value(cfg).expect("a valid configuration");
    let mut sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
    let names: Vec<&str> = sae.named_parameters().iter().map(|(name, _)| *name).collect();
    for name in names {
        let stored = name.strip_prefix("activation_function.").unwrap_or(name);
        sae.set_parameter(name, &tensor(&inputs, stored))
            .expect("the shape fits");
    }
    let norm = |which: &str| {
        meta[format!("dataset_average_activation_norm_{which}")]
            .as_f64()
            .expect("a norm")
    };
    sae.set_dataset_average_activation_norm([(IN.into(), norm("in")), (OUT.into(), norm("out"))].into())
        .expect("valid norms");
    sae
}

fn settings(loss: &Map<String, Value>) -> LossSettings {
    let mut settings = LossSettings::default();
    for (key, value) in loss {
        let number = value.as_f64().unwrap_or_default();
        match key.as_str() {
            "sparsity_loss_type" => {
                settings.sparsity_loss_type = serde_json::from_value(value.clone()).expect("a known penalty");
            }
            "p" => settings.p = number as i64,
            "k_aux" => settings.k_aux = number as i64,
            "l1_coefficient" => settings.l1_coefficient = number,
            "tanh_stretch_coefficient" => settings.tanh_stretch_coefficient = number,
            "frequency_scale" => settings.frequency_scale = number,
            "lp_coefficient" => settings.lp_coefficient = number,
            "auxk_coefficient" => settings.auxk_coefficient = number,
            other => panic!("the fixture sets `{other}`"),
        }
    }
    settings
}

fn run(folder: &Path, case: &Case<'_>, kind: Kind) -> Outcome {
    let sae = dictionary(folder, case, kind);
    let inputs = tensors(folder.join("inputs.safetensors"));
    let has = |key: &str| case.cfg.get(key).and_then(Value::as_bool).unwrap_or(false);
    let shaped = |x: Tensor| {
        if has("three_d") {
            x.reshape([&[8, 8], &x.size()[1..]].concat())
        } else {
            x
        }
    };
    let x = sae
        .normalize(&shaped(tensor(&inputs, "x")), IN)
        .expect("normalised");
    let label = if sae.cfg.is_transcoder() {
        sae.normalize(&shaped(tensor(&inputs, "x_out")), OUT)
            .expect("normalised")
    } else {
        x.shallow_clone()
    };
    let mask = has("with_mask").then(|| shaped(tensor(&inputs, "mask")));
    let is_dead = if case.uses_is_dead {
        tensor(&inputs, "is_dead")
    } else {
        tensor(&inputs, "is_dead").zeros_like()
    };
    let mut dead = |_: &Tensor| Ok(is_dead.shallow_clone());
    let input = LossInput { x: &x, label: &label };
    let pass = Pass::counting(mask.as_ref());
    let terms = sae
        .compute_loss(&input, &settings(case.loss), &pass, Some(&mut dead))
        .expect("a loss");
    terms.loss.backward();
    let optional = ["l_rec", "l_s", "l_p", "l_aux"].map(|name| {
        let term = terms.term(name).map(Tensor::shallow_clone);
        (name.to_string(), term)
    });
    let mut outcome: Outcome = vec![
        ("normalized_input".into(), x),
        ("normalized_label".into(), label.shallow_clone()),
        ("feature_acts".into(), terms.feature_acts),
        ("hidden_pre".into(), terms.hidden_pre),
        ("reconstructed".into(), terms.reconstructed),
        ("loss".into(), terms.loss),
    ];
    outcome.extend(
        optional
            .into_iter()
            .filter_map(|(name, term)| Some((name, term?))),
    );
    outcome.extend(
        sae.named_parameters()
            .into_iter()
            .map(|(name, value)| (format!("grad.{name}"), value.grad())),
    );
    outcome
}

/// Compares one case in float32 with every tensor the fixture has, and its loss in float64; returns the number of
/// tensors compared.
fn compare(folder: &Path, name: &str, case: &Case<'_>, stored: &[(String, Tensor)], loss_f64: f64) -> usize {
    let outcome = run(folder, case, Kind::Float);
    let mut compared = 0;
    for (what, theirs) in stored {
        let (_, ours) = outcome
            .iter()
            .find(|(ours, _)| ours == what)
            .unwrap_or_else(|| panic!("{name}: nothing here is called {what}"));
        let apart = distance(ours, theirs);
        assert!(apart < 1e-5, "{name}: {what} is {apart:.1e} off");
        compared += 1;
    }
    let double = run(folder, case, Kind::Double);
    let loss = double
        .iter()
        .find(|(name, _)| name == "loss")
        .expect("a loss")
        .1
        .double_value(&[]);
    let apart = ((loss - loss_f64) / loss_f64).abs();
    // The norms are kept in float32, as files have them.
    assert!(apart < 2e-7, "{name}: in float64 the loss is {apart:.1e} off");
    compared
}

#[test]
fn every_activation_and_penalty_matches_the_reference() {
    let (mut cases, mut compared) = (0, 0);
    for root in roots("sae") {
        let folder = root.join("sae_step");
        let losses = read_json(folder.join("inputs.json"))["losses"].clone();
        for act_fn in ["relu", "jumprelu", "topk", "batchtopk"] {
            let file = tensors(folder.join(format!("{act_fn}.safetensors")));
            let facts = read_json(folder.join(format!("{act_fn}.json")));
            for (loss, kwargs) in losses.as_object().expect("a table") {
                let prefix = format!("{loss}/");
                let stored: Vec<(String, Tensor)> = file
                    .names()
                    .into_iter()
                    .filter_map(|full| match full.strip_prefix(&prefix) {
                        Some(bare) => Some((bare.to_string(), tensor(&file, &full))),
                        None => (!full.contains('/')).then(|| (full.clone(), tensor(&file, &full))),
                    })
                    .collect();
                let case = Case {
                    act_fn,
                    cfg: &Map::new(),
                    loss: kwargs.as_object().expect("a table"),
                    uses_is_dead: false,
                };
                let loss_f64 = facts[loss]["loss_f64"].as_f64().expect("a loss");
                compared += compare(&folder, &format!("{act_fn}/{loss}"), &case, &stored, loss_f64);
                cases += 1;
            }
        }
    }
    assert!(
        cases >= 20 && compared >= 150,
        "{cases} cases, {compared} tensors"
    );
    eprintln!("{cases} cases, {compared} tensors compared");
}

#[test]
fn options_of_the_dictionary_and_auxiliary_losses_match_the_reference() {
    let (mut cases, mut compared) = (0, 0);
    for root in roots("sae") {
        let folder = root.join("sae_step");
        for extras in ["extras0", "extras1"] {
            if !folder.join(format!("{extras}.safetensors")).exists() {
                continue;
            }
            let file = tensors(folder.join(format!("{extras}.safetensors")));
            let facts = read_json(folder.join(format!("{extras}.json")));
            for (name, fact) in facts.as_object().expect("a table") {
                let prefix = format!("{name}/");
                let stored: Vec<(String, Tensor)> = file
                    .names()
                    .into_iter()
                    .filter_map(|full| Some((full.strip_prefix(&prefix)?.to_string(), tensor(&file, &full))))
                    .collect();
                let Some(loss) = fact["loss_kwargs"].as_object() else {
                    continue;
                };
                if stored.is_empty() {
                    continue;
                }
                let case = Case {
                    act_fn: fact["act_fn"].as_str().expect("a name"),
                    cfg: fact["cfg"].as_object().expect("a table"),
                    loss,
                    uses_is_dead: fact["uses_is_dead"].as_bool().unwrap_or(false) && !name.contains("nodead"),
                };
                let loss_f64 = fact["loss_f64"].as_f64().expect("a loss");
                compared += compare(&folder, name, &case, &stored, loss_f64);
                cases += 1;
            }
        }
    }
    assert!(cases >= 4, "{cases} cases, {compared} tensors");
    eprintln!("{cases} cases, {compared} tensors compared");
}

#[test]
fn a_threshold_outside_its_window_receives_no_gradient() {
    let cfg: SAEConfig = from_value(json!({
        "hook_point_in": IN, "hook_point_out": IN, "act_fn": "jumprelu", "d_model": 1, "expansion_factor": 1.0,
        "sparsity_include_decoder_norm": false, "jumprelu_threshold_window": 0.5,
    }))
    .expect("a valid configuration");
    let mut sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
    for (name, value) in [("W_E", 1.0f32), ("W_D", 1.0)] {
        sae.set_parameter(name, &Tensor::from_slice(&[value]).view([1, 1]))
            .expect("set");
    }
    sae.set_parameter(LOG_THRESHOLD, &Tensor::from_slice(&[0.0f32]))
        .expect("set");
    let gradient = |input: f32| {
        let mut threshold = sae.parameter(LOG_THRESHOLD).expect("there").shallow_clone();
        threshold.zero_grad();
        let x = Tensor::from_slice(&[input]).view([1, 1]);
        sae.forward(&x)
            .expect("a reconstruction")
            .sum(Kind::Float)
            .backward();
        threshold.grad().double_value(&[0])
    };
    assert_eq!(gradient(1.5), 0.0, "above the window");
    assert_eq!(gradient(0.5), 0.0, "below the window");
    assert_eq!(gradient(1.1), -2.0, "inside: −θ/w");
}
