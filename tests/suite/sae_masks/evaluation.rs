//! What a dictionary costs its model, where texts are padded.

use super::*;

fn tiny_model() -> LanguageModel {
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(roots("model")[0].join("lm/neox_parallel")),
        dtype: DType::from(Kind::Double),
        ..LanguageModelConfig::default()
    };
    LanguageModel::load(&config, &RunContext::default()).expect("a model")
}

/// Token sequences of different lengths, padded to `context`.
fn texts(context: i64) -> Batch {
    let (mut tokens, mut mask) = (Vec::new(), Vec::new());
    for sequence in 0..5i64 {
        for position in 0..context {
            let counts = position > 0 && position < 6 + 3 * sequence;
            tokens.push(if counts {
                (sequence * 37 + position * 11) % 300 + 2
            } else {
                i64::from(position > 0)
            });
            mask.push(i32::from(counts));
        }
    }
    Batch {
        tokens: Some(Tensor::from_slice(&tokens).view([5, context])),
        mask: Some(Tensor::from_slice(&mask).view([5, context])),
        ..Batch::default()
    }
}

#[test]
fn an_evaluation_does_not_depend_on_the_context_size() {
    let model = tiny_model();
    let hook = "blocks.1.hook_resid_post";
    for act_fn in ["relu", "topk", "batchtopk"] {
        for norm in ["token-wise", "batch-wise", "dataset-wise"] {
            let cfg: SAEConfig = from_value(json!({
                "hook_point_in": hook, "hook_point_out": hook, "d_model": 48, "expansion_factor": 2, "top_k": 6,
                "act_fn": act_fn, "norm_activation": norm, "dtype": "float64",
            }))
            .expect("valid");
            let mut sae = SparseAutoEncoder::zeros(cfg).expect("a dictionary");
            let decoder = Numbers(3.0).tensor(&[96, 48]) * 0.2;
            sae.set_parameter("W_D", &decoder).expect("set");
            sae.set_parameter("W_E", &decoder.transpose(0, 1)).expect("set");
            sae.set_dataset_average_activation_norm([(hook.to_string(), 5.0)].into())
                .expect("set");
            let metrics = |context: i64| {
                let stream = &mut Listed(vec![texts(context)].into_iter());
                evaluate(&sae, &model, stream, 1, &RunContext::default()).expect("metrics")
            };
            let (short, long) = (metrics(19), metrics(40));
            assert!(short.len() >= 7, "{short:?}");
            for ((name, ours), (_, theirs)) in short.iter().zip(&long) {
                assert!(
                    apart(*ours, *theirs) < 1e-10,
                    "{act_fn}, {norm}: {name} {ours} {theirs}"
                );
            }
            if act_fn == "batchtopk" {
                let l0 = short.iter().find(|(name, _)| name == "metrics/l0").expect("L0").1;
                assert_eq!(l0, 6.0, "the whole budget goes to tokens that count");
            }
        }
    }
}
