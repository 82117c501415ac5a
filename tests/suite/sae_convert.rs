//! Conversions: top-k dictionaries to jumprelu, and the format of SAELens both ways.

use saescript::activations::{Batch, BatchStream};
use saescript::config::from_value;
use saescript::dictionary::{LOG_THRESHOLD, LoadOptions, SAEConfig, SparseAutoEncoder};
use saescript::error::Result;
use saescript::event::RunContext;
use saescript::tensor::{Device, Kind, Tensor};
use saescript::train::convert_to_jumprelu;
use serde_json::{Value, json};

use crate::fixtures::{distance, roots, tensor, tensors};

const HOOK: &str = "blocks.0.hook_resid_post";
const OUT: &str = "blocks.0.hook_mlp_out";

fn waves(rows: i64, columns: i64, speed: f64) -> Tensor {
    let places = Tensor::arange(rows * columns, (Kind::Double, Device::Cpu));
    ((places * speed).sin() * 43758.5453)
        .frac()
        .view([rows, columns])
        .to_kind(Kind::Float)
}

fn dictionary(more: Value) -> SparseAutoEncoder {
    let mut cfg = json!({"hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 16, "expansion_factor": 4, "top_k": 4});
    for (key, value) in more.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    let mut sae = SparseAutoEncoder::new(from_value::<SAEConfig>(cfg).expect("valid")).expect("a dictionary");
    for (name, values) in [
        ("W_D", waves(64, 16, 0.7)),
        ("W_E", waves(16, 64, 0.9)),
        ("b_E", waves(1, 64, 0.3).squeeze() * 0.1),
        ("b_D", waves(1, 16, 0.5).squeeze() * 0.1),
    ] {
        sae.set_parameter(name, &values).expect("set");
    }
    sae.set_dataset_average_activation_norm([(HOOK.to_string(), 2.5)].into())
        .expect("set");
    sae
}

struct Rows(Tensor, i64);

impl BatchStream for Rows {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.1 == self.0.size()[0] {
            return Ok(None);
        }
        self.1 += 1;
        Ok(Some(Batch {
            activations: [(HOOK.to_string(), self.0.get(self.1 - 1))].into(),
            ..Batch::default()
        }))
    }
}

#[test]
fn top_k_dictionaries_become_jumprelu_with_the_average_least_activation() {
    for (act_fn, with_norm) in [("batchtopk", true), ("batchtopk", false), ("topk", true)] {
        let sae = dictionary(json!({"act_fn": act_fn, "sparsity_include_decoder_norm": with_norm}));
        let x = waves(4 * 32, 16, 1.3).view([4, 32, 16]);
        let converted =
            convert_to_jumprelu(&sae, &mut Rows(x.shallow_clone(), 0), 10, &RunContext::default())
                .expect("converted");
        let mut sum = 0.0;
        for index in 0..4 {
            let acts = sae
                .encode(&sae.normalize(&x.get(index), HOOK).expect("normalised"))
                .expect("encoded");
            let seen = if with_norm {
                acts * sae.decoder_norm().expect("norms")
            } else {
                acts
            };
            sum += seen.masked_select(&seen.gt(0.0)).min().double_value(&[]);
        }
        let thresholds = converted.parameter(LOG_THRESHOLD).expect("there").exp();
        let expected = thresholds.ones_like() * (sum / 4.0);
        assert!(distance(&thresholds, &expected) < 1e-6, "{act_fn}");
        // Each token by itself now: one row alone gives what it gives in the batch.
        let rows = converted.normalize(&x.get(0), HOOK).expect("normalised");
        let (all, one) = (
            converted.encode(&rows).expect("encoded"),
            converted.encode(&rows.narrow(0, 3, 1)).expect("encoded"),
        );
        assert!(distance(&one, &all.narrow(0, 3, 1)) < 1e-6);
        let l0 = |sae: &SparseAutoEncoder| {
            sae.encode(&rows)
                .expect("encoded")
                .gt(0.0)
                .sum(Kind::Float)
                .double_value(&[])
                / 32.0
        };
        // The least of a batch is where batchtopk cuts it, but below where topk cuts most of its tokens.
        let expected = if act_fn == "batchtopk" {
            2.0..6.0
        } else {
            4.0..32.0
        };
        assert!(
            expected.contains(&l0(&converted)),
            "{act_fn}: L0 {}",
            l0(&converted)
        );
    }
}

#[test]
fn what_cannot_be_converted_is_refused_before_data_is_read() {
    let mut untouched = Rows(waves(4, 16, 1.0).view([1, 4, 16]), 0);
    let sae = dictionary(json!({"act_fn": "relu"}));
    let error = convert_to_jumprelu(&sae, &mut untouched, 10, &RunContext::default()).expect_err("refused");
    assert!(error.to_string().contains("only topk and batchtopk"), "{error}");
    assert_eq!(untouched.1, 0);
    let sae = dictionary(json!({"act_fn": "topk"}));
    let mut nothing = Rows(Tensor::zeros([1, 4, 16], (Kind::Float, Device::Cpu)) - 1e6, 1);
    let error = convert_to_jumprelu(&sae, &mut nothing, 10, &RunContext::default()).expect_err("refused");
    assert!(error.to_string().contains("no latent is on"), "{error}");
}

#[test]
fn folders_that_saelens_wrote_give_its_numbers() {
    let mut compared = 0;
    for root in roots("sae") {
        for name in ["relu", "topk", "jumprelu"] {
            let folder = root.join("sae_saelens").join(name);
            if !folder.exists() {
                continue;
            }
            let sae = SparseAutoEncoder::from_pretrained(&folder, &LoadOptions::default()).expect("loaded");
            let io = tensors(root.join(format!("sae_saelens/{name}_io.safetensors")));
            let mut acts = sae.encode(&tensor(&io, "x")).expect("encoded");
            let reconstructed = sae.decode(&acts).expect("decoded");
            if sae.cfg.sparsity_include_decoder_norm {
                // SAELens leaves the decoder norm in the activations and takes it out of the decoder.
                acts *= sae.decoder_norm().expect("norms");
            }
            assert!(distance(&acts, &tensor(&io, "feature_acts")) < 1e-5, "{name}");
            assert!(
                distance(&reconstructed, &tensor(&io, "reconstructed")) < 1e-5,
                "{name}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 1);
}

#[test]
fn a_dictionary_survives_the_way_to_saelens_and_back() {
    for act_fn in ["relu", "jumprelu", "topk"] {
        for with_norm in [true, false] {
            let mut sae = dictionary(json!({"act_fn": act_fn, "sparsity_include_decoder_norm": with_norm}));
            if act_fn == "jumprelu" {
                sae.set_parameter(LOG_THRESHOLD, &waves(1, 64, 0.2).squeeze())
                    .expect("set");
            }
            let folder = tempfile::tempdir().expect("a temporary folder");
            sae.to_saelens(folder.path(), "tiny").expect("written");
            let back = SparseAutoEncoder::from_saelens(folder.path(), &LoadOptions::default()).expect("read");
            let x = waves(32, 16, 1.7);
            let factor = sae.norm_factor(&x, HOOK).expect("a factor").double_value(&[]);
            let ours = sae
                .forward(&sae.normalize(&x, HOOK).expect("normalised"))
                .expect("a reconstruction")
                / factor;
            let theirs = back.forward(&x).expect("a reconstruction");
            assert!(distance(&theirs, &ours) < 1e-5, "{act_fn}, norms {with_norm}");
        }
    }
}

#[test]
fn a_transcoder_survives_the_way_to_saelens_and_back() {
    for (act_fn, architecture) in [("relu", "transcoder"), ("jumprelu", "jumprelu_transcoder")] {
        for (with_norm, with_bias) in [(true, true), (false, true), (true, false)] {
            let mut cfg = json!({"hook_point_out": OUT, "act_fn": act_fn});
            cfg["sparsity_include_decoder_norm"] = with_norm.into();
            let mut sae = dictionary(cfg);
            sae.set_dataset_average_activation_norm([(HOOK.to_string(), 2.5), (OUT.to_string(), 7.0)].into())
                .expect("set");
            if act_fn == "jumprelu" {
                sae.set_parameter(LOG_THRESHOLD, &waves(1, 64, 0.2).squeeze())
                    .expect("set");
            }
            if !with_bias {
                sae.set_parameter("b_D", &Tensor::zeros([16], (Kind::Float, Device::Cpu)))
                    .expect("set");
            }
            let folder = tempfile::tempdir().expect("a temporary folder");
            sae.to_saelens(folder.path(), "tiny").expect("written");
            let text = std::fs::read_to_string(folder.path().join("cfg.json")).expect("settings");
            let written: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(written["architecture"], architecture);
            assert_eq!((&written["d_in"], &written["d_out"]), (&json!(16), &json!(16)));
            assert_eq!(written["apply_b_dec_to_input"], false);
            let metadata = &written["metadata"];
            assert_eq!(
                (&metadata["hook_name"], &metadata["hook_name_out"]),
                (&json!(HOOK), &json!(OUT))
            );
            let back = SparseAutoEncoder::from_saelens(folder.path(), &LoadOptions::default()).expect("read");
            assert_eq!(back.cfg.hook_points(), [HOOK, OUT]);
            let x = waves(32, 16, 1.7);
            // In the scale of the model: the input times its factor, the output divided by its own.
            let factor = |hook: &str| sae.norm_factor(&x, hook).expect("a factor").double_value(&[]);
            let ours = sae
                .forward(&sae.normalize(&x, HOOK).expect("normalised"))
                .expect("a reconstruction")
                / factor(OUT);
            let theirs = back.forward(&x).expect("a reconstruction");
            assert!(distance(&theirs, &ours) < 1e-5, "{act_fn}, norms {with_norm}");
        }
    }
}

#[test]
fn what_saelens_does_not_have_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (more, expected) in [
        (json!({"act_fn": "batchtopk"}), "convert it to jumprelu first"),
        (json!({"norm_activation": "token-wise"}), "cannot be folded"),
        (json!({"use_glu_encoder": true}), "gated encoder"),
        (
            json!({"hook_point_out": OUT, "act_fn": "topk"}),
            "transcoders with relu and jumprelu, but none with topk",
        ),
        (
            json!({"hook_point_out": OUT, "act_fn": "batchtopk"}),
            "convert it to jumprelu first",
        ),
        (
            json!({"hook_point_out": OUT, "use_glu_encoder": true}),
            "gated encoder",
        ),
    ] {
        let error = dictionary(more)
            .to_saelens(folder.path(), "tiny")
            .expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a folder").count(),
        0,
        "nothing was written"
    );
}

#[test]
fn a_dictionary_is_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let sae = dictionary(json!({}));
    sae.save_pretrained(folder.path(), false).expect("saved");
    let weights = folder.path().join("sae_weights.safetensors");
    let before = std::fs::read(&weights).expect("read");
    let refused = sae
        .to_saelens(folder.path(), "model")
        .expect_err("its weights lie there");
    assert!(refused.to_string().contains("choose another folder"), "{refused}");
    assert_eq!(std::fs::read(&weights).expect("read"), before);
}
