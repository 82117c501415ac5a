//! What ends a training, or does not let it begin.

use super::*;

#[test]
fn a_loss_that_is_not_finite_stops_with_a_diagnosis() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut run) = (dictionary(json!({})), run(folder.path(), json!({})));
    let mut stream = Synthetic::new(100);
    stream.poisoned = Some(24);
    let error = fit(&mut run, &mut sae, &mut stream).expect_err("refused");
    assert_eq!(error.fault(), Fault::Run);
    let text = error.to_string();
    assert!(text.contains("not finite at step 25: l_rec = NaN"), "{text}");
    assert!(text.contains("batch_at_step_25.safetensors"), "{text}");
    assert!(
        text.contains("the last good checkpoint is") && text.contains("step_20"),
        "{text}"
    );
    assert!(
        folder
            .path()
            .join("failure/batch_at_step_25.safetensors")
            .exists()
    );
    let sound = sae
        .named_parameters()
        .iter()
        .all(|(_, tensor)| tensor.isfinite().all().int64_value(&[]) == 1);
    assert!(sound, "the weights were not touched");
}

#[test]
fn an_evaluation_that_fails_is_made_up_for() {
    let evaluate = |sound: bool| -> FitOptions<'static> {
        FitOptions {
            eval_fn: Some(Box::new(move |_, step| {
                if sound || step != 20 {
                    Ok(vec![("eval/x".into(), step as f64 / 3.0)])
                } else {
                    Err(Error::run("no luck"))
                }
            })),
            ..FitOptions::default()
        }
    };
    let context = RunContext::default();
    let (whole, cut) = (
        tempfile::tempdir().expect("one"),
        tempfile::tempdir().expect("two"),
    );
    let cfg = json!({"eval_frequency": 10, "n_checkpoints": 0});
    let mut expected = dictionary(json!({}));
    let fitted =
        run(whole.path(), cfg.clone()).fit(&mut expected, &mut Synthetic::new(100), &context, evaluate(true));
    fitted.expect("trained");
    let mut sae = dictionary(json!({}));
    let failed = run(cut.path(), cfg).fit(&mut sae, &mut Synthetic::new(100), &context, evaluate(false));
    let error = failed.expect_err("no luck");
    let (step, path) = list_checkpoints(cut.path()).pop().expect("a checkpoint");
    assert_eq!(step, 20);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    let mut sae = dictionary(json!({}));
    let mut again = Run::from_checkpoint(&mut sae, &path).expect("loaded");
    let fitted = again.fit(&mut sae, &mut Synthetic::new(100), &context, evaluate(true));
    fitted.expect("trained");
    assert!(weights(&sae) == weights(&expected), "the weights differ");
    let metrics = |folder: &Path| String::from_utf8(bytes(folder.join("metrics.jsonl"))).expect("text");
    assert_eq!(metrics(cut.path()), metrics(whole.path()));
}

/// A training with these settings of dictionary and trainer is refused with these words.
fn refused(cases: &[(Value, Value, &str)]) {
    for (sae_cfg, cfg, expected) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = attempt(folder.path(), sae_cfg, cfg).expect_err(expected);
        assert_eq!(error.fault(), Fault::Input, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            !folder.path().join("metrics.jsonl").exists(),
            "nothing was written: {expected}"
        );
    }
}

#[test]
fn nonsense_about_the_dictionary_is_refused_before_training() {
    refused(&[
        (
            json!({"act_fn": "topk", "top_k": 65}),
            json!({}),
            "the dictionary has 64 latents",
        ),
        (json!({"act_fn": "jumprelu"}), json!({}), "have no initial value"),
        (json!({"act_fn": "topk"}), json!({"initial_k": 3}), "under top_k"),
        (
            json!({"act_fn": "topk"}),
            json!({"initial_k": 65}),
            "the dictionary has 64 latents",
        ),
        (
            json!({"dtype": "float16"}),
            json!({}),
            "a dictionary of float16 cannot be trained",
        ),
        (
            json!({"hook_point_in": "blocks.0.hook_resid_pre"}),
            json!({}),
            "unknown hook point",
        ),
        (
            json!({"d_model": 8, "expansion_factor": 8}),
            json!({}),
            "16 wide, but the dictionary's d_model is 8",
        ),
    ]);
}

#[test]
fn nonsense_is_refused_before_training() {
    refused(&[
        (json!({}), json!({"lp_coefficient": 0.1}), "needs thresholds"),
        (json!({}), json!({"initial_k": 8}), "needs a top-k activation"),
        (
            json!({}),
            json!({"sparsity_loss_type": "tanh", "l1_coefficient": null}),
            "no coefficient",
        ),
        (
            json!({}),
            json!({"sparsity_loss_type": "power", "l1_coefficient": 0}),
            "no coefficient",
        ),
        (
            json!({}),
            json!({"lr_warm_up_steps": 41}),
            "longer than the whole training of 40 steps",
        ),
        (
            json!({}),
            json!({"sparsity_loss_type": "power", "l1_coefficient_warmup_steps": 41}),
            "longer than the whole",
        ),
        (
            json!({}),
            json!({"total_training_tokens": 31}),
            "do not fill one batch of 32 rows",
        ),
        (json!({}), json!({"lr": 0}), "a number above 0"),
        (json!({}), json!({"betas": [0.9, 1.0]}), "below 1"),
        (json!({}), json!({"gradient_accumulation_steps": 0}), "at least 1"),
        (json!({}), json!({"feature_sampling_window": 0}), "at least 1"),
        (json!({}), json!({"lr_end_ratio": 1.5}), "from 0 to 1"),
    ]);
}
