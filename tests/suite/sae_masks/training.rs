//! Steps with positions that do not count.

use super::*;

/// Three steps on three batches: all that is logged, and the weights.
fn trained(cfg: &Value, terms: &Value, batches: &[Batch]) -> (Vec<BTreeMap<String, f64>>, Vec<Tensor>) {
    let mut settings = json!({
        "total_training_tokens": 100_000, "lr_scheduler_name": "constant", "lr": 0.01, "log_frequency": 1,
        "amp_dtype": null, "l1_coefficient_warmup_steps": 0, "dead_threshold": 30, "exp_result_path": "nowhere",
    });
    for (key, value) in terms.as_object().expect("a table") {
        settings[key] = value.clone();
    }
    let mut trainer = Trainer::new(from_value::<TrainerConfig>(settings).expect("valid")).expect("a trainer");
    let mut sae = dictionary(cfg);
    let logged = batches.iter().map(|batch| {
        let report = trainer.step(&mut sae, batch).expect("a step");
        report.logged.expect("every step is logged").into_iter().collect()
    });
    let logged = logged.collect();
    (
        logged,
        sae.named_parameters().iter().map(|(_, x)| x.copy()).collect(),
    )
}

#[test]
fn training_and_its_metrics_do_not_depend_on_what_is_masked() {
    let mut numbers = Numbers(0.25);
    for (cfg, terms) in kinds() {
        for sequences in [false, true] {
            let three: Vec<Forms> = (0..3).map(|_| forms(&mut numbers, sequences)).collect();
            let of = |form: Form| three.iter().map(|forms| form(forms).share()).collect::<Vec<_>>();
            let (logged, weights) = trained(&cfg, &terms, &of(masked));
            let mut others = vec![of(padded)];
            if !(sequences && cfg["norm_activation"] == "batch-wise") {
                others.push(of(bare));
            }
            for other in others {
                let (again, theirs) = trained(&cfg, &terms, &other);
                for (ours, theirs) in logged.iter().zip(&again) {
                    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
                    for (name, value) in ours {
                        assert!(value.is_finite(), "{cfg}: {name} is {value}");
                        assert!(
                            apart(*value, theirs[name]) < 1e-11,
                            "{cfg} {terms}: {name} {value} {}",
                            theirs[name]
                        );
                    }
                }
                for (ours, theirs) in weights.iter().zip(&theirs) {
                    assert!(distance(ours, theirs) < 1e-11, "{cfg} {terms}: weights differ");
                }
            }
        }
    }
}

/// Four steps of 36 rows.
fn settings(folder: &std::path::Path) -> TrainerConfig {
    from_value(json!({
        "total_training_tokens": 36 * 4, "lr_warm_up_steps": 0, "amp_dtype": null, "log_frequency": 1,
        "n_checkpoints": 0, "exp_result_path": folder,
    }))
    .expect("valid")
}

#[test]
fn a_batch_in_which_nothing_counts_is_no_step() {
    let mut numbers = Numbers(0.1);
    let nothing = || {
        batch(
            Tensor::ones([4, WIDTH], DOUBLE),
            Some(Tensor::zeros([4], (Kind::Int, Device::Cpu))),
        )
    };
    let some: Vec<Forms> = (0..6).map(|_| forms(&mut numbers, false)).collect();
    let trained = |with_nothing: bool| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut batches: Vec<Batch> = some.iter().map(|forms| forms.masked.share()).collect();
        if with_nothing {
            batches.insert(1, nothing());
            batches.insert(3, nothing());
        }
        let mut sae = dictionary(&json!({"act_fn": "topk"}));
        let mut run = Run::new(settings(folder.path())).expect("a run");
        run.fit(
            &mut sae,
            &mut Listed(batches.into_iter()),
            &RunContext::default(),
            Default::default(),
        )
        .expect("trained");
        assert_eq!(run.trainer.steps_done(), 4);
        sae
    };
    let (with, without) = (trained(true), trained(false));
    for ((name, with), (_, without)) in with.named_parameters().iter().zip(without.named_parameters()) {
        assert!(with.equal(without), "{name}");
    }
    let mut trainer = Trainer::new(settings(std::path::Path::new("nowhere"))).expect("a trainer");
    let error = trainer
        .step(&mut dictionary(&json!({})), &nothing())
        .err()
        .expect("refused");
    assert!(
        error.to_string().contains("no position of this batch counts"),
        "{error}"
    );
    let (loss, gradients) = loss_and_gradients(
        &dictionary(&json!({"norm_activation": "batch-wise"})),
        &nothing(),
        &json!({}),
    );
    assert_eq!(loss, 0.0);
    assert!(
        gradients
            .iter()
            .all(|gradient| gradient.abs().max().double_value(&[]) == 0.0)
    );
}
