//! Measuring, evaluating, saving and converting change nothing: not a dictionary's parameters, norms or settings, not
//! what it computes, and not libtorch's random numbers.

use std::path::Path;

use saescript::activations::{Batch, BatchStream};
use saescript::config::{Value, from_value};
use saescript::dictionary::{
    LOG_THRESHOLD, LoadOptions, LossSettings, NormActivation, Pass, SAEConfig, SparseAutoEncoder,
};
use saescript::error::Result;
use saescript::eval::evaluate;
use saescript::event::RunContext;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::tensor::{Device, Kind, Tensor};
use saescript::train::{FitOptions, Run, TrainerConfig, average_norms, batch_loss, convert_to_jumprelu};
use serde_json::json;

use crate::fixtures::roots;

const HOOK: &str = "blocks.1.hook_resid_post";
const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

fn waves(shape: &[i64], speed: f64) -> Tensor {
    let places = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    ((places * speed).sin() * 43758.5453)
        .frac()
        .view(shape)
        .to_kind(Kind::Float)
}

fn dictionary(act_fn: &str) -> SparseAutoEncoder {
    let cfg: SAEConfig = from_value(json!({
        "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 48, "expansion_factor": 2, "top_k": 6, "act_fn": act_fn,
    }))
    .expect("valid");
    let mut sae = SparseAutoEncoder::zeros(cfg).expect("a dictionary");
    for (name, values) in [("W_D", waves(&[96, 48], 0.7)), ("W_E", waves(&[48, 96], 0.9))] {
        sae.set_parameter(name, &values).expect("set");
    }
    if act_fn == "jumprelu" {
        sae.set_parameter(LOG_THRESHOLD, &Tensor::full([96], -1.0, OPTIONS))
            .expect("set");
    }
    sae.set_dataset_average_activation_norm([(HOOK.to_string(), 2.5)].into())
        .expect("set");
    sae
}

/// Everything there is to know about a dictionary, to the bit, and the next random number.
fn everything(sae: &SparseAutoEncoder) -> String {
    let bits = |x: &Tensor| {
        let flat: Vec<f32> = Vec::try_from(x.detach().flatten(0, -1)).expect("numbers");
        flat.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let parameters: Vec<_> = sae
        .named_parameters()
        .iter()
        .map(|(name, x)| (*name, bits(x)))
        .collect();
    let x = waves(&[7, 48], 1.1);
    let acts = sae
        .encode(&sae.normalize(&x, HOOK).expect("normalised"))
        .expect("encoded");
    let norms = sae.dataset_average_activation_norm();
    format!("{:?} {norms:?} {parameters:?} {:?}", sae.cfg, bits(&acts))
}

struct Batches(Vec<Batch>);

impl BatchStream for Batches {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        Ok(self.0.pop())
    }
}

fn rows(speed: f64) -> Batch {
    Batch {
        activations: [(HOOK.to_string(), waves(&[32, 48], speed))].into(),
        mask: Some(waves(&[32], 0.31).gt(-0.5).to_kind(Kind::Int)),
        ..Batch::default()
    }
}

fn tokens() -> Batch {
    let tokens = Tensor::arange(40, (Kind::Int64, Device::Cpu)).remainder(250) + 2;
    Batch {
        tokens: Some(tokens.view([2, 20])),
        ..Batch::default()
    }
}

fn tiny_model() -> LanguageModel {
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(roots("model")[0].join("lm/neox_parallel")),
        ..LanguageModelConfig::default()
    };
    LanguageModel::load(&config, &RunContext::default()).expect("a model")
}

/// A call that looks at a dictionary.
type Look<'a> = (&'a str, Box<dyn Fn(&SparseAutoEncoder) + 'a>);

fn copies_and_passes(path: &Path) -> Vec<Look<'_>> {
    vec![
        (
            "save_pretrained",
            Box::new(move |sae| sae.save_pretrained(path, false).expect("saved")),
        ),
        (
            "save_pretrained, folded",
            Box::new(move |sae| sae.save_pretrained(path, true).expect("saved")),
        ),
        (
            "to_saelens",
            Box::new(move |sae| drop(sae.to_saelens(path.join("lens"), "tiny"))),
        ),
        ("copy", Box::new(|sae| drop(sae.copy().expect("a copy")))),
        (
            "folding a copy",
            Box::new(|sae| {
                let mut copy = sae.copy().expect("a copy");
                copy.standardize_parameters_of_dataset_norm().expect("folded");
            }),
        ),
        (
            "another k",
            Box::new(|sae| {
                let pass = Pass {
                    k: sae.cfg.act_fn.selects_k().then_some(2),
                    ..Pass::default()
                };
                drop(sae.encode_with(&waves(&[5, 48], 1.3), &pass).expect("encoded"));
                let settings = LossSettings {
                    auxk_coefficient: 0.1,
                    ..LossSettings::default()
                };
                drop(batch_loss(sae, &rows(0.4), &settings, &pass, None).expect("a loss"));
            }),
        ),
    ]
}

fn measures<'a>(model: &'a LanguageModel, context: &'a RunContext) -> Vec<Look<'a>> {
    vec![
        (
            "norms",
            Box::new(|_| drop(average_norms(&[rows(0.2)], &[HOOK]).expect("norms"))),
        ),
        (
            "statistics",
            Box::new(|sae| drop((sae.weight_statistics(), sae.weight_distributions()))),
        ),
        (
            "conversion",
            Box::new(|sae| {
                drop(convert_to_jumprelu(
                    sae,
                    &mut Batches(vec![rows(0.5)]),
                    4,
                    context,
                ))
            }),
        ),
        (
            "evaluation",
            Box::new(|sae| {
                let stream = &mut Batches(vec![tokens()]);
                drop(evaluate(sae, model, stream, 1, context).expect("metrics"));
            }),
        ),
    ]
}

#[test]
fn looking_at_a_dictionary_changes_nothing() {
    let model = tiny_model();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = RunContext::default();
    let path = folder.path();
    let looks = copies_and_passes(path)
        .into_iter()
        .chain(measures(&model, &context));
    let looks: Vec<Look<'_>> = looks.collect();
    for act_fn in ["relu", "jumprelu", "topk", "batchtopk"] {
        let sae = dictionary(act_fn);
        let before = everything(&sae);
        for (name, look) in &looks {
            tch::manual_seed(11);
            let next = Tensor::rand([4], OPTIONS);
            tch::manual_seed(11);
            look(&sae);
            assert!(
                Tensor::rand([4], OPTIONS).equal(&next),
                "{act_fn}: {name} draws random numbers"
            );
            assert!(
                everything(&sae) == before,
                "{act_fn}: {name} changes the dictionary"
            );
        }
    }
}

#[test]
fn a_folded_file_is_the_folded_dictionary() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sae = dictionary("jumprelu");
    sae.save_pretrained(folder.path(), true).expect("saved");
    let file = SparseAutoEncoder::from_pretrained(folder.path(), &LoadOptions::default()).expect("loaded");
    assert_eq!(file.cfg.norm_activation, NormActivation::Inference);
    assert_eq!(sae.cfg.norm_activation, NormActivation::DatasetWise);
    sae.standardize_parameters_of_dataset_norm().expect("folded");
    assert!(everything(&file) == everything(&sae), "settings, norms, values");
    for ((name, ours), (_, theirs)) in sae.named_parameters().iter().zip(file.named_parameters()) {
        assert!(ours.equal(theirs), "{name}");
    }
}

#[test]
fn evaluations_metrics_and_logs_do_not_change_what_is_trained() {
    let model = tiny_model();
    let trained = |more: Value, looks: bool| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut cfg = json!({
            "total_training_tokens": 32 * 30, "lr_warm_up_steps": 0, "lr": 0.01, "n_checkpoints": 0, "initial_k": 20,
            "amp_dtype": "float32", "exp_result_path": folder.path(), "auxk_coefficient": 0.1, "dead_threshold": 100,
        });
        for (key, value) in more.as_object().expect("a table") {
            cfg[key] = value.clone();
        }
        let mut run = Run::new(from_value::<TrainerConfig>(cfg).expect("valid")).expect("a run");
        let mut sae = dictionary("batchtopk");
        let batches = (0..30).map(|index| rows(0.3 + f64::from(index) * 0.01)).collect();
        let saved = folder.path().join("saved");
        let options = FitOptions {
            eval_fn: looks.then(|| {
                Box::new(|sae: &SparseAutoEncoder, _| {
                    sae.save_pretrained(&saved, true)?;
                    evaluate(
                        sae,
                        &model,
                        &mut Batches(vec![tokens()]),
                        1,
                        &RunContext::default(),
                    )
                }) as saescript::train::EvalFn<'_>
            }),
            ..FitOptions::default()
        };
        run.fit(&mut sae, &mut Batches(batches), &RunContext::default(), options)
            .expect("trained");
        everything(&sae)
    };
    let plain = trained(json!({"log_frequency": 1000}), false);
    assert!(
        plain == trained(json!({"log_frequency": 1, "eval_frequency": 3}), true),
        "evaluations"
    );
    assert!(
        plain == trained(json!({"skip_metrics_calculation": true}), false),
        "metrics"
    );
    assert!(
        plain == trained(json!({"feature_sampling_window": 2, "n_checkpoints": 7}), false),
        "checkpoints"
    );
}
