//! Runs that go on are the runs that never stopped.

use super::*;

#[test]
fn the_same_settings_give_the_same_bytes() {
    let cfg = (json!({}), json!({}));
    assert_eq!(uninterrupted(&cfg.0, &cfg.1), uninterrupted(&cfg.0, &cfg.1));
}

/// Settings of dictionaries and of trainers that keep state of different kinds.
fn kinds() -> [(Value, Value); 4] {
    [
        (
            json!({}),
            json!({"sparsity_loss_type": "power", "l1_coefficient": 0.01}),
        ),
        (
            json!({"act_fn": "topk"}),
            json!({
                "initial_k": 16, "auxk_coefficient": 0.1, "dead_threshold": 200, "k_aux": 8,
                "feature_sampling_window": 10,
            }),
        ),
        (
            json!({"act_fn": "batchtopk"}),
            json!({"optimizer_class": "sparseadam", "gradient_accumulation_steps": 3, "feature_sampling_window": 3}),
        ),
        (
            json!({"act_fn": "jumprelu"}),
            json!({"sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.01, "lp_coefficient": 0.001, "clip_grad_norm": 0.1}),
        ),
    ]
}

#[test]
fn a_run_that_went_on_from_a_checkpoint_is_the_run_that_never_stopped() {
    for (sae_cfg, cfg) in kinds() {
        let whole = uninterrupted(&sae_cfg, &cfg);
        // Before the batches of the norm are used up, between logs, at a log, and at a checkpoint of the plan.
        for stop in [2, 9, 14, 20, 39] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut sae = dictionary(sae_cfg.clone());
            set_thresholds(&mut sae);
            let context = RunContext::default();
            context.events.add(Box::new(StopAfter(stop)));
            let outcome = run(folder.path(), cfg.clone())
                .fit(
                    &mut sae,
                    &mut Synthetic::new(100),
                    &context,
                    FitOptions::default(),
                )
                .expect("stopped");
            let FitOutcome::Interrupted { checkpoints } = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(
                checkpoints,
                [folder.path().join(format!("checkpoints/step_{stop}"))]
            );
            // A line that the killed process wrote after its last checkpoint.
            let metrics = folder.path().join("metrics.jsonl");
            let mut text = bytes(&metrics);
            text.extend(b"{\"step\": 41, \"los");
            std::fs::write(&metrics, text).expect("written");
            let mut sae = dictionary(sae_cfg.clone());
            let mut resumed = Run::from_checkpoint(&mut sae, &checkpoints[0]).expect("loaded");
            assert_eq!(resumed.trainer.steps_done(), stop);
            fit(&mut resumed, &mut sae, &mut Synthetic::new(100)).expect("trained");
            let ours = (weights(&sae), bytes(&metrics));
            assert_eq!(ours.1, whole.1, "metrics after a stop at {stop}: {sae_cfg}");
            assert_eq!(ours.0, whole.0, "weights after a stop at {stop}: {sae_cfg}");
        }
    }
}

#[test]
fn an_interrupted_trainer_goes_on_in_the_same_session() {
    let whole = uninterrupted(&json!({}), &json!({}));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut sae, mut run) = (dictionary(json!({})), run(folder.path(), json!({})));
    let mut stream = Synthetic::new(100);
    let context = RunContext::default();
    context.events.add(Box::new(StopAfter(3)));
    let outcome = run
        .fit(&mut sae, &mut stream, &context, FitOptions::default())
        .expect("stopped");
    assert!(matches!(outcome, FitOutcome::Interrupted { .. }));
    assert_eq!(
        fit(&mut run, &mut sae, &mut stream).expect("trained"),
        FitOutcome::Finished
    );
    assert_eq!((weights(&sae), bytes(folder.path().join("metrics.jsonl"))), whole);
    let error = fit(&mut run, &mut sae, &mut stream).expect_err("finished");
    assert!(error.to_string().contains("has done all its steps"), "{error}");
}
