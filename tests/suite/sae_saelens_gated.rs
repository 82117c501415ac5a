//! Gated dictionaries of SAELens: read, computed by its formula, and written back.

use std::path::Path;

use saescript::config::{Value, from_value};
use saescript::dictionary::{LoadOptions, SAEConfig, SparseAutoEncoder};
use saescript::tensor::{DType, Device, Kind, Tensor, manual_seed, safetensors};
use serde_json::json;

use crate::fixtures::{distance, json as read_json, roots, tensor, tensors};

const HOOK: &str = "blocks.0.hook_resid_post";

/// What SAELens has of a gated dictionary of 6 dimensions and 20 latents.
fn weights() -> Vec<(&'static str, Tensor)> {
    manual_seed(0);
    let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
    vec![
        ("W_enc", draw(&[6, 20])),
        ("b_gate", draw(&[20])),
        ("r_mag", draw(&[20]) * 0.5),
        ("b_mag", draw(&[20])),
        ("W_dec", draw(&[20, 6])),
        ("b_dec", draw(&[6])),
    ]
}

/// Writes a folder of it with the settings changed, and loads that.
fn loaded(weights: &[(&str, Tensor)], changes: Value) -> saescript::Result<SparseAutoEncoder> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut cfg = json!({"architecture": "gated", "d_in": 6, "d_sae": 20, "metadata": {"hook_name": HOOK}});
    for (key, value) in changes.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    std::fs::write(folder.path().join("cfg.json"), cfg.to_string()).expect("written");
    let named: Vec<(&str, &Tensor)> = weights.iter().map(|(name, x)| (*name, x)).collect();
    safetensors::write(
        folder.path().join("sae_weights.safetensors"),
        &named,
        &Default::default(),
    )
    .expect("written");
    load(folder.path())
}

fn load(folder: &Path) -> saescript::Result<SparseAutoEncoder> {
    SparseAutoEncoder::from_pretrained(folder, &LoadOptions::default())
}

fn rows() -> Tensor {
    Tensor::randn([64, 6], (Kind::Double, Device::Cpu))
}

#[test]
fn the_fixture_gives_its_numbers() {
    for root in roots("sae") {
        let folder = root.join("interop/saelens/gated");
        if !folder.exists() {
            continue;
        }
        let sae = load(&folder).expect("loaded");
        let settings = saescript::config::to_value(&sae.cfg).expect("plain data");
        assert_eq!(settings["sae_type"], "gated");
        assert_eq!(
            settings["gated_aux_frozen"], false,
            "SAELens moves the decoder by the gate"
        );
        let io = tensors(folder.join("io.safetensors"));
        let acts = sae.encode(&tensor(&io, "x")).expect("encoded");
        assert!(distance(&acts, &tensor(&io, "feature_acts")) < 1e-5);
        let reconstructed = sae.decode(&acts).expect("decoded");
        assert!(distance(&reconstructed, &tensor(&io, "reconstructed")) < 1e-5);
    }
}

#[test]
fn latents_are_those_of_the_formula_with_and_without_the_bias_in_the_input() {
    let weights = weights();
    let of = |name: &str| {
        let found = weights.iter().find(|(known, _)| *known == name);
        &found.expect("there").1
    };
    let x = rows();
    for (changes, subtracts) in [
        (json!({}), true),
        (json!({"apply_b_dec_to_input": true}), true),
        (json!({"apply_b_dec_to_input": false}), false),
        (
            json!({"sae_lens_version": "3.22.0", "activation_fn_str": "relu"}),
            true,
        ),
    ] {
        let read = if subtracts {
            &x - of("b_dec")
        } else {
            x.shallow_clone()
        };
        let gate = read.matmul(of("W_enc")) + of("b_gate");
        let magnitude = read.matmul(&(of("W_enc") * of("r_mag").exp())) + of("b_mag");
        let acts = magnitude.relu() * gate.gt(0.0).to_kind(Kind::Double);
        let sae = loaded(&weights, changes.clone()).expect("loaded");
        let ours = sae.encode(&x).expect("encoded");
        assert!(distance(&ours, &acts) < 1e-12, "{changes}");
        let reconstructed = acts.matmul(of("W_dec")) + of("b_dec");
        assert!(
            distance(&sae.decode(&ours).expect("decoded"), &reconstructed) < 1e-12,
            "{changes}"
        );
    }
}

#[test]
fn what_a_gated_dictionary_cannot_be_is_refused() {
    let weights = weights();
    let refused = |weights: &[(&str, Tensor)], changes: Value| match loaded(weights, changes.clone()) {
        Ok(_) => panic!("{changes} was read"),
        Err(error) => error.to_string(),
    };
    for (changes, reason) in [
        (
            json!({"activation_fn_str": "topk"}),
            "\"topk\" of architecture \"gated\"",
        ),
        (
            json!({"rescale_acts_by_decoder_norm": true}),
            "does not see the decoder norms",
        ),
        (
            json!({"normalize_activations": "layer_norm"}),
            "no counterpart here",
        ),
    ] {
        let error = refused(&weights, changes);
        assert!(error.contains(reason), "{error}");
    }
    for index in [1, 2, 3] {
        let mut fewer = self::weights();
        let (name, _) = fewer.remove(index);
        let error = refused(&fewer, json!({}));
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
    let mut more = self::weights();
    more.push(("b_enc", Tensor::zeros([20], (Kind::Double, Device::Cpu))));
    let error = refused(&more, json!({}));
    assert!(
        error.contains("a tensor `b_enc` that this configuration has no place for"),
        "{error}"
    );
}

#[test]
fn ours_survives_the_way_there_and_back() {
    for (use_decoder_bias, norm) in [
        (true, "inference"),
        (true, "dataset-wise"),
        (false, "dataset-wise"),
    ] {
        let cfg = json!({
            "sae_type": "gated", "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 6, "d_sae": 20,
            "norm_activation": norm, "use_decoder_bias": use_decoder_bias,
        });
        let mut cfg: SAEConfig = from_value(cfg).expect("valid");
        cfg.dtype = DType::from(Kind::Double);
        let mut sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
        for (theirs, values) in weights() {
            let ours = match theirs {
                "W_enc" => "W_E",
                "W_dec" => "W_D",
                "b_dec" if !use_decoder_bias => continue,
                "b_dec" => "b_D",
                other => other,
            };
            sae.set_parameter(ours, &values).expect("set");
        }
        if norm == "dataset-wise" {
            sae.set_dataset_average_activation_norm([(HOOK.to_string(), 2.5)].into())
                .expect("set");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        sae.to_saelens(folder.path(), "tiny").expect("written");
        let written = read_json(folder.path().join("cfg.json"));
        assert_eq!(written["architecture"], "gated");
        assert_eq!(written.get("k"), None);
        let mut names = tensors(folder.path().join("sae_weights.safetensors")).names();
        names.sort();
        assert_eq!(names, ["W_dec", "W_enc", "b_dec", "b_gate", "b_mag", "r_mag"]);
        let back = load(folder.path()).expect("read");
        let x = rows();
        let factor = sae.norm_factor(&x, HOOK).expect("a factor").double_value(&[]);
        let ours = sae
            .forward(&sae.normalize(&x, HOOK).expect("normalised"))
            .expect("a reconstruction")
            / factor;
        let theirs = back.forward(&x).expect("a reconstruction");
        assert!(distance(&theirs, &ours) < 1e-12, "{norm}");
    }
}

#[test]
fn a_gated_transcoder_has_no_place_there() {
    let cfg = json!({
        "sae_type": "gated", "hook_point_in": HOOK, "hook_point_out": "blocks.0.hook_mlp_out", "d_model": 6,
        "d_sae": 20, "norm_activation": "inference",
    });
    let sae = SparseAutoEncoder::new(from_value::<SAEConfig>(cfg).expect("valid")).expect("a dictionary");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = sae
        .to_saelens(folder.path(), "tiny")
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("gated autoencoders, but no gated transcoders"),
        "{error}"
    );
    let written = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(written, 0, "nothing was written");
}
