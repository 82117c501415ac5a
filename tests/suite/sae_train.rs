//! 200 steps of training against the reference's numbers, and the same bytes for the same seed.

#![allow(clippy::print_stderr)] // says how many numbers were compared

use std::path::Path;

use saescript::activations::Batch;
use saescript::config::{Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, SAEConfig, SparseAutoEncoder};
use saescript::event::Metrics;
use saescript::tensor::{Tensor, safetensors::SafeFile};
use saescript::train::{Trainer, TrainerConfig};
use serde_json::json;

use crate::fixtures::{distance, json as read_json, roots, tensor, tensors};

const HOOK: &str = "blocks.0.hook_resid_post";

fn batch(data: &SafeFile, step: usize, masked: bool) -> Batch {
    // The reference drops one batch before the first step.
    let index = ((step + 1) % 40) as i64;
    Batch {
        activations: [(HOOK.to_string(), tensor(data, "X").get(index))].into(),
        mask: masked.then(|| tensor(data, "mask").get(index)),
        ..Batch::default()
    }
}

fn dictionary(folder: &Path, facts: &Value) -> SparseAutoEncoder {
    let meta = read_json(folder.join("data.json"));
    let mut cfg = json!({
        "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 32, "expansion_factor": 4.0, "top_k": 8,
        "act_fn": facts["act_fn"],
    });
    for key in ["norm_activation", "sparsity_include_decoder_norm"] {
        if let Some(value) = facts["extra"].get(key) {
            cfg[key] = value.clone();
        }
    }
    let mut sae = SparseAutoEncoder::new(from_value::<SAEConfig>(cfg).expect("valid")).expect("a dictionary");
    let data = tensors(folder.join("data.safetensors"));
    for name in ["W_E", "b_E", "W_D", "b_D"] {
        sae.set_parameter(name, &tensor(&data, &format!("init/{name}")))
            .expect("set");
    }
    if facts["act_fn"] == "jumprelu" {
        let value = meta["init_log_jumprelu_threshold"].as_f64().expect("a number");
        let filled = Tensor::full([128], value, (tch::Kind::Float, tch::Device::Cpu));
        sae.set_parameter(LOG_THRESHOLD, &filled).expect("set");
    }
    let norm = meta["dataset_average_activation_norm"].as_f64().expect("a norm");
    sae.set_dataset_average_activation_norm([(HOOK.to_string(), norm)].into())
        .expect("set");
    sae
}

fn trainer(facts: &Value) -> Trainer {
    let mut cfg = facts["trainer"].clone();
    cfg["total_training_tokens"] = json!(200 * 64);
    cfg["log_frequency"] = json!(1);
    cfg["feature_sampling_window"] = json!(1);
    cfg["amp_dtype"] = json!("float32");
    let ignored_there = ["cosineannealing", "cosineannealingwarmup", "exponentialwarmup"];
    if ignored_there.iter().any(|name| cfg["lr_scheduler_name"] == *name) {
        // Given, but without effect in the reference.
        cfg.as_object_mut().expect("a table").remove("lr_end_ratio");
    }
    Trainer::new(from_value::<TrainerConfig>(cfg).expect("valid")).expect("a trainer")
}

/// Compares one logged step with the reference's row, but for the columns `of_all_rows`.
fn compare_row(
    name: &str,
    step: usize,
    (columns, row): (&[Value], &[Value]),
    ours: &Metrics,
    of_all_rows: &[&str],
) -> usize {
    let mut compared = 0;
    for (column, theirs) in columns.iter().zip(row) {
        let (column, Some(theirs)) = (column.as_str().expect("a name"), theirs.as_f64()) else {
            continue;
        };
        let wanted = match column {
            "n_dead" => "sparsity/dead_latents",
            "lr_group0" => "details/current_learning_rate",
            "step" | "lr_group1" => continue,
            other => other,
        };
        if of_all_rows.contains(&wanted) {
            continue;
        }
        let found = ours.iter().find(|(ours, _)| ours == wanted);
        if wanted.starts_with("sparsity/below_") {
            // One step has too few tokens to tell.
            assert!(found.is_none(), "{name}: {wanted} of 64 tokens");
            continue;
        }
        let ours = found
            .unwrap_or_else(|| panic!("{name}: nothing is logged as {wanted}"))
            .1;
        let apart = (ours - theirs).abs() / theirs.abs().max(1e-3);
        assert!(
            apart < 1e-4,
            "{name}, step {step}: {column} is {ours}, the reference has {theirs}"
        );
        compared += 1;
    }
    compared
}

/// The tanh penalty and the mean activation of a plain relu dictionary over the rows that count, by their formulas.
fn counted_figures(sae: &SparseAutoEncoder, batch: &Batch, facts: &Value, step: usize) -> [f64; 2] {
    let rows = batch
        .mask
        .as_ref()
        .expect("a mask")
        .ne(0)
        .nonzero()
        .squeeze_dim(1);
    let x = sae.normalize(&batch.activations[HOOK].index_select(0, &rows), HOOK);
    let _no_grad = tch::no_grad_guard();
    let acts = (x
        .expect("normalised")
        .matmul(sae.parameter("W_E").expect("there"))
        + sae.parameter("b_E").expect("there"))
    .relu();
    let warm_up = 200.0
        * facts["trainer"]["l1_coefficient_warmup_steps"]
            .as_f64()
            .unwrap_or(0.1);
    let coefficient = facts["trainer"]["l1_coefficient"]
        .as_f64()
        .expect("a coefficient");
    let stretch = facts["trainer"]["tanh_stretch_coefficient"]
        .as_f64()
        .unwrap_or(4.0);
    let penalty = (&acts * sae.decoder_norm().expect("norms") * stretch)
        .tanh()
        .sum(tch::Kind::Double)
        / rows.size()[0] as f64;
    let mean = acts.sum(tch::Kind::Double) / acts.gt(0.0).sum(tch::Kind::Double);
    [
        penalty.double_value(&[]) * coefficient * (step as f64 / warm_up).min(1.0),
        mean.double_value(&[]),
    ]
}

fn run(folder: &Path, name: &str) -> usize {
    let facts = read_json(folder.join(format!("{name}.json")));
    let data = tensors(folder.join("data.safetensors"));
    let weights = tensors(folder.join(format!("{name}.safetensors")));
    let mut sae = dictionary(folder, &facts);
    let mut trainer = trainer(&facts);
    let columns = facts["columns"].as_array().expect("a list");
    let rows = facts["rows_f32"].as_array().expect("a list");
    let masked = facts["extra"].get("masked").is_some();
    // The reference logs these two over masked rows too; here they are recomputed on those that count.
    let of_all_rows: &[&str] = if masked {
        &["losses/sparsity_loss", "metrics/mean_feature_act"]
    } else {
        &[]
    };
    let mut compared = 0;
    for step in 0..200 {
        let batch = batch(&data, step, masked);
        let expected = masked.then(|| counted_figures(&sae, &batch, &facts, step));
        let report = trainer.step(&mut sae, &batch).expect("a step");
        let logged = report.logged.expect("every step is logged");
        for (column, expected) in of_all_rows.iter().zip(expected.into_iter().flatten()) {
            let ours = logged.iter().find(|(ours, _)| ours == column).expect("logged").1;
            let apart = (ours - expected).abs() / expected.abs().max(1e-3);
            assert!(
                apart < 1e-5,
                "{name}, step {step}: {column} is {ours}, not {expected}"
            );
            compared += 1;
        }
        if let Some(row) = rows
            .get(step)
            .and_then(Value::as_array)
            .filter(|row| !row.is_empty())
        {
            compared += compare_row(name, step + 1, (columns, row), &logged, of_all_rows);
        }
        let prefix = format!("params_after_step{}/", step + 1);
        for full in weights.names().iter().filter(|full| full.starts_with(&prefix)) {
            let parameter = full.strip_prefix(&prefix).unwrap_or(full);
            let ours = sae.parameter(parameter).expect("a parameter");
            let apart = distance(ours, &tensor(&weights, full));
            assert!(
                apart < 1e-4,
                "{name}: {parameter} is {apart:.1e} off after step {}",
                step + 1
            );
            compared += 1;
        }
    }
    compared
}

#[test]
fn two_hundred_steps_match_the_reference() {
    let (mut runs, mut compared) = (0, 0);
    for root in roots("sae") {
        let folder = root.join("train");
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .expect("a folder")
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".safetensors")
                    .map(str::to_string)
            })
            .filter(|name| name != "data")
            .collect();
        names.sort();
        for name in names {
            let numbers = run(&folder, &name);
            eprintln!("{name}: {numbers} numbers and tensors compared");
            compared += numbers;
            runs += 1;
        }
    }
    assert!(runs >= 2 && compared > 300, "{runs} runs, {compared} numbers");
}

#[test]
fn schedules_match_the_reference() {
    use saescript::train::Plan;
    for root in roots("sae") {
        let facts = read_json(root.join("train/schedules.json"));
        let plan = |cfg: Value| Plan::new(&from_value::<TrainerConfig>(cfg).expect("valid"), 200, 8);
        for (name, cfg) in [
            ("constant", json!({"lr_scheduler_name": "constant"})),
            (
                "constantwithwarmup_20_40",
                json!({"lr_warm_up_steps": 20, "lr_cool_down_steps": 40}),
            ),
            (
                "constantwithwarmup_20_0.2_end0",
                json!({"lr_warm_up_steps": 20, "lr_cool_down_steps": 0.2, "lr_end_ratio": 0.0}),
            ),
            (
                "linearwarmupdecay_20",
                json!({"lr_scheduler_name": "linearwarmupdecay", "lr_warm_up_steps": 20}),
            ),
            ("cosineannealing", json!({"lr_scheduler_name": "cosineannealing"})),
            (
                "cosineannealingwarmup_20",
                json!({"lr_scheduler_name": "cosineannealingwarmup", "lr_warm_up_steps": 20}),
            ),
            (
                "exponentialwarmup_20",
                json!({"lr_scheduler_name": "exponentialwarmup", "lr_warm_up_steps": 20}),
            ),
        ] {
            let theirs = facts["lr_multiplier"][name]
                .as_array()
                .unwrap_or_else(|| panic!("no {name}"));
            let plan = plan(cfg);
            for (step, theirs) in theirs.iter().enumerate() {
                let (ours, theirs) = (
                    plan.lr.multiplier(step as u64),
                    theirs.as_f64().expect("a number"),
                );
                assert!(
                    (ours - theirs).abs() < 1e-9,
                    "{name}, step {step}: {ours}, not {theirs}"
                );
            }
        }
        for course in ["linear", "exponential"] {
            let plan = plan(json!({
                "initial_k": 32, "k_warmup_steps": 100, "k_cold_booting_steps": 10, "k_schedule_type": course,
            }));
            let theirs = &facts["k"][format!("{course}_init32_top8_warm100_cold10_factor3")];
            for (step, theirs) in theirs.as_array().expect("a list").iter().enumerate() {
                assert_eq!(
                    Some(plan.k.at(step as u64)),
                    theirs.as_i64(),
                    "{course}, step {step}"
                );
            }
        }
    }
}
