//! The initialiser and folding against the reference's numbers.

#![allow(clippy::print_stderr)] // says how many numbers were compared

use std::path::Path;

use saescript::activations::{Batch, BatchStream};
use saescript::config::{Value, checked, from_value};
use saescript::dictionary::{LossInput, LossSettings, Pass, SAEConfig, SparseAutoEncoder};
use saescript::error::Result;
use saescript::event::RunContext;
use saescript::tensor::Tensor;
use saescript::train::{Initializer, InitializerConfig, InitializerInputs, average_norms, geometric_median};
use serde_json::json;

use crate::fixtures::{distance, json as read_json, roots, tensor, tensors};

const IN: &str = "blocks.0.hook_resid_post";
const OUT: &str = "blocks.0.hook_mlp_out";

/// The first dimension of a tensor, one batch each.
pub struct Batches {
    pub x: Tensor,
    pub next: i64,
}

impl BatchStream for Batches {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.next >= self.x.size()[0] {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(Batch {
            activations: [(IN.to_string(), self.x.get(self.next - 1))].into(),
            ..Batch::default()
        }))
    }
}

fn sae_config(act_fn: &Value, more: &Value) -> SAEConfig {
    let mut cfg = json!({
        "hook_point_in": IN, "hook_point_out": IN, "d_model": 32, "expansion_factor": 4.0, "top_k": 8, "act_fn": act_fn,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        cfg[key] = value.clone();
    }
    from_value(cfg).expect("valid")
}

/// libtorch has one generator for the whole program, and tests may run side by side.
static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Draws with the generator of libtorch seeded so that the weights are those of the reference.
fn initialised(folder: &Path, facts: &Value, seed: i64) -> (SparseAutoEncoder, i64) {
    let _alone = GENERATOR.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut cfg = facts["initializer"].clone();
    cfg["seed"] = json!(seed);
    let initializer =
        Initializer::new(from_value::<InitializerConfig>(cfg).expect("valid")).expect("an initialiser");
    let mut stream = Batches {
        x: tensor(&tensors(folder.join("initializer.safetensors")), "X"),
        next: 0,
    };
    let inputs = InitializerInputs {
        stream: Some(&mut stream),
        ..InitializerInputs::default()
    };
    let sae = initializer
        .initialize_sae_from_config(
            sae_config(&facts["act_fn"], &facts["cfg"]),
            inputs,
            &RunContext::default(),
        )
        .expect("initialised");
    (sae, stream.next)
}

/// The seed with which the reference drew its weights, found once by trying.
fn seed_of(folder: &Path) -> i64 {
    let raw = tensor(&tensors(folder.join("initializer.safetensors")), "raw_W_E");
    let _alone = GENERATOR.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for seed in 0..5000 {
        tch::manual_seed(seed);
        let bound = 0.6;
        let drawn = Tensor::empty([32, 128], (tch::Kind::Float, tch::Device::Cpu)).uniform_(-bound, bound);
        if distance(&drawn, &raw) < 1e-6 {
            return seed;
        }
    }
    panic!("no seed gives the reference's weights");
}

#[test]
fn the_initialiser_matches_the_reference() {
    let (mut cases, mut compared) = (0, 0);
    for root in roots("sae") {
        let folder = root.join("init");
        let seed = seed_of(&folder);
        let facts = read_json(folder.join("initializer.json"));
        let file = tensors(folder.join("initializer.safetensors"));
        for (name, case) in facts["grid_search"].as_object().expect("a table") {
            if case["initializer"]["bias_init_method"] == "geometric_median" {
                // There it is the mean of the batch.
                continue;
            }
            let (sae, used) = initialised(&folder, case, seed);
            assert_eq!(used, 9, "{name}: 8 batches for the norm, one for the search");
            let norm = sae
                .decoder_norm()
                .expect("norms")
                .mean(tch::Kind::Double)
                .double_value(&[]);
            let theirs = case["best_fine"].as_f64().expect("a norm");
            assert!(
                (norm - theirs).abs() < 1e-5,
                "{name}: the search found {norm}, not {theirs}"
            );
            let average = sae.dataset_norm(IN).expect("a norm");
            let theirs = case["dataset_average_activation_norm"].as_f64().expect("a norm");
            assert!(
                (average / theirs - 1.0).abs() < 1e-6,
                "{name}: average norm {average}, not {theirs}"
            );
            for (parameter, ours) in sae.named_parameters() {
                let apart = distance(ours, &tensor(&file, &format!("{name}/final.{parameter}")));
                assert!(apart < 1e-5, "{name}: {parameter} is {apart:.1e} off");
                compared += 1;
            }
            cases += 1;
        }
    }
    assert!(cases >= 3, "{cases} cases, {compared} parameters");
    eprintln!("{cases} cases, {compared} parameters compared");
}

#[test]
fn the_active_subspace_matches_the_reference() {
    for root in roots("sae") {
        let folder = root.join("init");
        let seed = seed_of(&folder);
        let file = tensors(folder.join("initializer.safetensors"));
        let case = json!({
            "act_fn": "relu", "cfg": {}, "initializer": {
                "decoder_uniform_bound": 0.7, "encoder_uniform_bound": 0.6,
                "initialize_W_D_with_active_subspace": true, "d_active_subspace": 12,
            },
        });
        let (sae, _) = initialised(&folder, &case, seed);
        for parameter in ["W_D", "W_E"] {
            let ours = sae.parameter(parameter).expect("a parameter");
            let apart = distance(
                ours,
                &tensor(&file, &format!("active_subspace/final.{parameter}")),
            );
            assert!(apart < 1e-5, "{parameter} is {apart:.1e} off");
        }
    }
}

#[test]
fn norms_of_a_short_stream_are_averaged_over_what_there_is() {
    let folder = &roots("sae")[0].join("init");
    let facts = read_json(folder.join("initializer.json"));
    let x = tensor(&tensors(folder.join("initializer.safetensors")), "X");
    let batches = |from: i64, to: i64| -> Vec<Batch> {
        (from..to)
            .map(|index| Batch {
                activations: [(IN.to_string(), x.get(index))].into(),
                ..Batch::default()
            })
            .collect()
    };
    for (from, to, key) in [
        (0, 8, "value_8_batches"),
        (9, 12, "with_only_3_batches"),
        (0, 12, "all_12"),
    ] {
        let ours = average_norms(&batches(from, to), &[IN]).expect("norms")[IN];
        let theirs = facts["dataset_norm"][key].as_f64().expect("a norm");
        assert!((ours / theirs - 1.0).abs() < 1e-6, "{key}: {ours}, not {theirs}");
    }
}

#[test]
fn the_geometric_median_matches_the_reference() {
    for root in roots("sae") {
        let file = tensors(root.join("init/geometric_median.safetensors"));
        let ours = geometric_median(&tensor(&file, "points")).expect("a median");
        let apart = distance(&ours, &tensor(&file, "median_1000_iters"));
        assert!(apart < 1e-5, "{apart:.1e} off");
    }
}

#[test]
fn a_bias_at_the_median_beats_none() {
    let folder = &roots("sae")[0].join("init");
    let case = |method: &str| {
        json!({
            "act_fn": "topk", "cfg": {},
            "initializer": {"grid_search_init_norm": true, "bias_init_method": method},
        })
    };
    let loss = |method: &str| {
        let (sae, _) = initialised(folder, &case(method), 7);
        let x = tensor(&tensors(folder.join("initializer.safetensors")), "X").get(8) + 3.0;
        let x = sae.normalize(&x, IN).expect("normalised");
        let input = LossInput { x: &x, label: &x };
        let terms = sae
            .compute_loss(&input, &LossSettings::default(), &Pass::default(), None)
            .expect("a loss");
        terms.term("l_rec").expect("there").double_value(&[])
    };
    assert!(loss("geometric_median") < loss("all_zero"));
}

#[test]
fn a_transcoder_begins_with_the_mlp() {
    let cfg: SAEConfig = from_value(json!({
        "hook_point_in": IN, "hook_point_out": OUT, "d_model": 4, "expansion_factor": 2.0,
    }))
    .expect("valid");
    let _alone = GENERATOR.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    tch::manual_seed(1);
    let (x, matrix) = (
        Tensor::randn([32, 4], (tch::Kind::Float, tch::Device::Cpu)) * 3.0 + 1.0,
        Tensor::randn([4, 4], (tch::Kind::Float, tch::Device::Cpu)),
    );
    struct Pairs(Tensor, Tensor, u8);
    impl BatchStream for Pairs {
        fn next_batch(&mut self) -> Result<Option<Batch>> {
            self.2 += 1;
            Ok(Some(Batch {
                activations: [
                    (IN.to_string(), self.0.shallow_clone()),
                    (OUT.to_string(), self.1.shallow_clone()),
                ]
                .into(),
                ..Batch::default()
            }))
        }
    }
    let mut stream = Pairs(x.shallow_clone(), x.matmul(&matrix), 0);
    let mlp = |input: &Tensor| Ok(input.matmul(&matrix));
    let initializer = Initializer::new(
        checked(json!({
            "initialize_tc_with_mlp": true, "model_layer": 0, "init_encoder_with_decoder_transpose": false, "seed": 3,
        }))
        .expect("valid"),
    )
    .expect("an initialiser");
    let inputs = InitializerInputs {
        stream: Some(&mut stream),
        mlp: Some(&mlp),
        ..InitializerInputs::default()
    };
    let sae = initializer
        .initialize_sae_from_config(&cfg, inputs, &RunContext::default())
        .expect("initialised");
    assert_eq!(stream.2, 9);
    // For a linear MLP the rows are the images of the columns, less their mean, at unit norm.
    let spread = (&x - x.mean_dim([0i64].as_slice(), true, tch::Kind::Float))
        .norm_scalaropt_dim(2.0, [1i64].as_slice(), false)
        .mean(tch::Kind::Float);
    let columns = sae.parameter("W_E").expect("there").detach().transpose(0, 1);
    let images = (columns * spread).matmul(&matrix);
    let centred = &images - images.mean_dim([0i64].as_slice(), true, tch::Kind::Float);
    let rows = &centred / centred.norm_scalaropt_dim(2.0, [1i64].as_slice(), true);
    assert!(distance(sae.parameter("W_D").expect("there"), &rows) < 1e-5);
    let norms = sae.encoder_norm().expect("norms");
    assert!(distance(&norms, &norms.ones_like()) < 1e-6);
}
