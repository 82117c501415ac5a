//! TensorBoard: event files read back by TensorBoard's own reader.

use std::ffi::OsStr;

use saescript::config::Value;
use saescript::event::{Event, Observer};
use saescript::report::tensorboard::TensorBoard;

use super::{Tools, rows_of};
use crate::program::{run, script};
use crate::runner::write_config;

fn steps(points: &Value) -> Vec<u64> {
    let points = points.as_array().expect("points").iter();
    points
        .filter_map(|point| point[0].as_u64().or(point["step"].as_u64()))
        .collect()
}

#[test]
fn scalars_and_histograms_are_read_back() {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(folder.path());
    run([
        "train",
        config.to_str().expect("UTF-8"),
        "--set",
        "tensorboard=true",
    ])
    .ended_with(0);
    let results = folder.path().join("results");
    let read = tools.read("read_tensorboard.py", &results.join("tensorboard"));
    for (step, row) in rows_of(&results) {
        for (name, value) in row {
            let points = read["scalars"][&name].as_array().expect("points").iter();
            let found: Vec<f64> = points
                .filter(|point| point[0] == step)
                .filter_map(|point| point[1].as_f64())
                .collect();
            let value = value.as_f64().expect("a number");
            assert_eq!(found.len(), 1, "{name} at step {step}");
            assert!(
                (found[0] - value).abs() <= 1e-6 * value.abs(),
                "{name}: {} and {value}",
                found[0]
            );
        }
    }
    for name in [
        "sparsity/log10_firing_frequency",
        "metrics/decoder_norms",
        "metrics/encoder_biases",
    ] {
        let points = read["histograms"][name].as_array().expect("points");
        assert_eq!(points.len(), 10, "{name} at each log");
        assert!(
            points.iter().all(|point| point["num"] == 192.0),
            "{name} of every latent"
        );
    }
}

#[test]
fn steps_that_were_rolled_back_show_once() {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = |from: u64, steps: &[u64], value: f64| {
        let mut board = TensorBoard::new(folder.path());
        board
            .on(&Event::RunStarted {
                run: None,
                step: from,
            })
            .expect("written");
        for step in steps {
            let metrics = vec![("x".to_string(), value)];
            board
                .on(&Event::Logged {
                    run: None,
                    step: *step,
                    tokens: 0,
                    metrics,
                })
                .expect("written");
        }
    };
    log(0, &[10, 20, 30], 1.0);
    log(20, &[30, 40], 2.0);
    let read = tools.read("read_tensorboard.py", folder.path());
    assert_eq!(
        read["scalars"]["x"],
        serde_json::json!([[10, 1.0], [20, 1.0], [30, 2.0], [40, 2.0]])
    );
}

/// Two dictionaries on batches made in the script.
const SEVERAL: &str = r#"
    let batches = [];
    for i in 0..20 { batches.push(#{ "h": torch::randn([32, 16]) }); }
    let trainers = [];
    let saes = [];
    for name in ["left", "right"] {
        saes.push(SparseAutoEncoder(SAEConfig(#{
            hook_point_in: "h", hook_point_out: "h", d_model: 16, expansion_factor: 4, act_fn: "relu",
            norm_activation: "token-wise",
        })));
        trainers.push(Trainer(TrainerConfig(#{
            total_training_tokens: 640, log_frequency: 5, lr_warm_up_steps: 2, amp_dtype: torch::float32,
            exp_result_path: ARGS[0] + "/" + name,
        })));
    }
    trainers.fit(#{ sae: saes, activation_stream: batches, loggers: [TensorBoard(ARGS[0] + "/board")] });
"#;

#[test]
fn scripts_attach_it_and_several_dictionaries_stand_side_by_side() {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_kept, path) = script(SEVERAL);
    run([OsStr::new("run"), path.as_os_str(), folder.path().as_os_str()]).ended_with(0);
    for name in ["left", "right"] {
        let read = tools.read("read_tensorboard.py", &folder.path().join("board").join(name));
        assert_eq!(steps(&read["scalars"]["losses/mse_loss"]), [5, 10, 15, 20]);
        assert_eq!(
            steps(&read["histograms"]["metrics/decoder_norms"]),
            [5, 10, 15, 20]
        );
    }
}
