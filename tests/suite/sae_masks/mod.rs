//! Positions that do not count (BOS, padding, ignored tokens) count nowhere: whatever stands there, and however many
//! there are, losses, gradients, metrics, norms, initial weights, thresholds and evaluations are the same.

mod beginning;
mod evaluation;
mod training;

use std::collections::BTreeMap;

use saescript::activations::{Batch, BatchStream};
use saescript::config::{Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, LossSettings, Pass, SAEConfig, SparseAutoEncoder};
use saescript::error::Result;
use saescript::eval::evaluate;
use saescript::event::RunContext;
use saescript::model::{LanguageModel, LanguageModelConfig};
use saescript::tensor::{DType, Device, Kind, Tensor};
use saescript::train::{
    Initializer, InitializerConfig, InitializerInputs, Run, Trainer, TrainerConfig, average_norms,
    batch_loss, convert_to_jumprelu,
};
use serde_json::json;

use crate::fixtures::{distance, roots};

const HOOK: &str = "blocks.0.hook_resid_post";
const WIDTH: i64 = 8;
const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

/// Numbers that look random and are the same every time.
struct Numbers(f64);

impl Numbers {
    fn tensor(&mut self, shape: &[i64]) -> Tensor {
        let count: i64 = shape.iter().product();
        let places = Tensor::arange(count, DOUBLE) + self.0;
        self.0 += count as f64;
        (((places * 12.9898).sin() * 43758.5453).frac() * 2.0).view(shape)
    }

    /// Over `share`: about so many ones.
    fn mask(&mut self, shape: &[i64], share: f64) -> Tensor {
        (self.tensor(shape).abs() / 2.0).lt(share).to_kind(Kind::Int)
    }
}

/// Three forms of the same tokens: with a mask, with more padding, and where one row follows another without a mask.
struct Forms {
    masked: Batch,
    padded: Batch,
    bare: Batch,
}

/// One of the three.
type Form = fn(&Forms) -> &Batch;

fn masked(forms: &Forms) -> &Batch {
    &forms.masked
}

fn padded(forms: &Forms) -> &Batch {
    &forms.padded
}

fn bare(forms: &Forms) -> &Batch {
    &forms.bare
}

fn batch(x: Tensor, mask: Option<Tensor>) -> Batch {
    Batch {
        activations: [(HOOK.to_string(), x)].into(),
        mask,
        ..Batch::default()
    }
}

fn forms(numbers: &mut Numbers, sequences: bool) -> Forms {
    let shape: &[i64] = if sequences { &[4, 9] } else { &[36] };
    let x = numbers.tensor(&[shape, &[WIDTH]].concat()) * 3.0;
    let mask = numbers.mask(shape, 0.7);
    if sequences {
        // A sequence in which nothing counts at all.
        let _ = mask.get(2).zero_();
    }
    let along = shape.len() as i64 - 1;
    let more = [&shape[..shape.len() - 1], &[7]].concat();
    let garbage = numbers.tensor(&[&more[..], &[WIDTH]].concat()) * 1000.0;
    let padded = batch(
        Tensor::cat(&[&garbage, &x, &garbage], along),
        Some(Tensor::cat(
            &[
                &mask.new_zeros(more.as_slice(), (Kind::Int, Device::Cpu)),
                &mask,
                &mask.new_zeros(more.as_slice(), (Kind::Int, Device::Cpu)),
            ],
            along,
        )),
    );
    let rows = x
        .view([-1, WIDTH])
        .index_select(0, &mask.view([-1]).nonzero().squeeze_dim(1));
    Forms {
        masked: batch(x, Some(mask)),
        padded,
        bare: batch(rows, None),
    }
}

fn dictionary(more: &Value) -> SparseAutoEncoder {
    let mut cfg = json!({
        "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": WIDTH, "expansion_factor": 3, "top_k": 2,
        "dtype": "float64",
    });
    for (key, value) in more.as_object().expect("a table") {
        cfg[key] = value.clone();
    }
    let mut sae =
        SparseAutoEncoder::zeros(from_value::<SAEConfig>(cfg).expect("valid")).expect("a dictionary");
    let mut numbers = Numbers(5000.0);
    let shapes: Vec<(&str, Vec<i64>)> = sae
        .named_parameters()
        .iter()
        .map(|(name, x)| (*name, x.size()))
        .collect();
    for (name, shape) in shapes {
        let values = numbers.tensor(&shape) * if name == LOG_THRESHOLD { 0.5 } else { 0.4 };
        sae.set_parameter(name, &values).expect("set");
    }
    sae.set_dataset_average_activation_norm([(HOOK.to_string(), 2.5)].into())
        .expect("set");
    sae
}

const PENALTIES: [&str; 5] = ["none", "power", "power 2", "tanh", "tanh-quad"];

/// The trainer's settings of a penalty, with everything else that looks at latents.
fn terms(act_fn: &str, penalty: &str) -> Value {
    let mut terms = json!({"auxk_coefficient": 0.1, "k_aux": 3});
    if let Some((name, p)) = penalty
        .split_once(' ')
        .or((penalty != "none").then_some((penalty, "1")))
    {
        terms["sparsity_loss_type"] = json!(name);
        terms["p"] = json!(p.parse::<i64>().expect("a number"));
        terms["l1_coefficient"] = json!(0.3);
    }
    if act_fn == "jumprelu" {
        terms["lp_coefficient"] = json!(0.05);
    }
    terms
}

/// Every kind of dictionary: its configuration, and what is trained with it.
fn kinds() -> Vec<(Value, Value)> {
    let mut kinds = Vec::new();
    for (index, act_fn) in ["relu", "jumprelu", "topk", "batchtopk"].into_iter().enumerate() {
        for (other, norm) in ["token-wise", "batch-wise", "dataset-wise"]
            .into_iter()
            .enumerate()
        {
            for (third, penalty) in PENALTIES.into_iter().enumerate() {
                let odd = (index + other + third) % 2 == 1;
                kinds.push((
                    json!({"act_fn": act_fn, "norm_activation": norm, "use_glu_encoder": odd,
                        "sparsity_include_decoder_norm": !odd}),
                    terms(act_fn, penalty),
                ));
            }
        }
    }
    kinds
}

struct Listed(std::vec::IntoIter<Batch>);

impl BatchStream for Listed {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        Ok(self.0.next())
    }
}

/// `max |a − b|` over the larger of the two and 1.
fn apart(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1.0)
}

/// Loss and gradients of a batch as scripts compute them.
fn loss_and_gradients(sae: &SparseAutoEncoder, batch: &Batch, terms: &Value) -> (f64, Vec<Tensor>) {
    let settings: LossSettings = from_value(terms.clone()).expect("valid");
    let pass = Pass::counting(batch.mask.as_ref());
    let normalised = Batch {
        activations: sae
            .normalize_activations(&batch.activations, &pass)
            .expect("normalised"),
        ..batch.share()
    };
    let is_dead = Tensor::arange(24, (Kind::Int64, Device::Cpu)).remainder(2).eq(0);
    let loss = batch_loss(sae, &normalised, &settings, &Pass::default(), Some(&is_dead)).expect("a loss");
    for (_, parameter) in sae.named_parameters() {
        parameter.shallow_clone().zero_grad();
    }
    loss.loss.backward();
    let gradients = sae
        .named_parameters()
        .iter()
        .map(|(_, x)| x.grad().copy())
        .collect();
    (loss.loss.double_value(&[]), gradients)
}

#[test]
fn losses_and_gradients_do_not_depend_on_what_is_masked() {
    let mut numbers = Numbers(0.0);
    let mut compared = 0;
    for (cfg, terms) in kinds() {
        for sequences in [false, true] {
            let forms = forms(&mut numbers, sequences);
            let sae = dictionary(&cfg);
            let (loss, gradients) = loss_and_gradients(&sae, &forms.masked, &terms);
            assert!(loss.is_finite() && loss > 0.0, "{cfg}");
            let mut others = vec![&forms.padded];
            // Batch-wise norms are each sequence's own, which rows do not know of.
            if !(sequences && cfg["norm_activation"] == "batch-wise") {
                others.push(&forms.bare);
            }
            for other in others {
                let (again, theirs) = loss_and_gradients(&sae, other, &terms);
                assert!(apart(loss, again) < 1e-12, "{cfg} {terms}: {loss}, {again}");
                for (ours, theirs) in gradients.iter().zip(&theirs) {
                    assert!(
                        distance(ours, theirs) < 1e-12,
                        "{cfg} {terms}: a gradient differs"
                    );
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn batchtopk_spends_its_budget_on_what_counts_and_the_others_see_each_token() {
    let mut numbers = Numbers(0.5);
    let x = numbers.tensor(&[12, WIDTH]);
    let mask = Tensor::from_slice(&[1i32, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1]);
    let counted = mask.nonzero().squeeze_dim(1);
    for act_fn in ["relu", "jumprelu", "topk", "batchtopk"] {
        let sae = dictionary(&json!({"act_fn": act_fn}));
        let acts = sae
            .encode_with(&x, &Pass::counting(Some(&mask)))
            .expect("encoded")
            .feature_acts;
        let alone = sae.encode(&x.index_select(0, &counted)).expect("encoded");
        assert!(
            distance(&acts.index_select(0, &counted), &alone) < 1e-12,
            "{act_fn}"
        );
        let others = acts.index_select(0, &mask.eq(0).nonzero().squeeze_dim(1));
        let on = others.gt(0.0).sum(Kind::Int64).int64_value(&[]);
        if act_fn == "batchtopk" {
            assert_eq!(on, 0);
            assert_eq!(acts.gt(0.0).sum(Kind::Int64).int64_value(&[]), 2 * 7);
        } else {
            assert!(
                on > 0 && acts.equal(&sae.encode(&x).expect("encoded")),
                "{act_fn}"
            );
        }
        let reconstructed = sae
            .forward_with(&x, &Pass::counting(Some(&mask)))
            .expect("a reconstruction");
        assert!(reconstructed.equal(&sae.decode(&acts).expect("decoded")));
        let wrong = Tensor::ones([3], (Kind::Int, Device::Cpu));
        let error = sae
            .encode_with(&x, &Pass::counting(Some(&wrong)))
            .err()
            .expect("refused");
        assert!(error.to_string().contains("the mask has shape [3]"), "{error}");
    }
}
