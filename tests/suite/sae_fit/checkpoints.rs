//! Which checkpoints there are, and what they may be loaded into.

use super::*;

#[test]
fn only_the_newest_and_the_best_checkpoints_are_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cfg = json!({
        "n_checkpoints": 8, "check_point_save_mode": "linear", "keep_last_checkpoints": 2, "keep_best_checkpoints": 1,
        "log_frequency": 1,
    });
    let (mut sae, mut run) = (dictionary(json!({})), run(folder.path(), cfg));
    fit(&mut run, &mut sae, &mut Synthetic::new(100)).expect("trained");
    let steps: Vec<u64> = list_checkpoints(folder.path())
        .into_iter()
        .map(|(step, _)| step)
        .collect();
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert_eq!(steps[1..], [35, 40]);
}

#[test]
fn a_new_run_sets_the_checkpoints_of_an_old_one_aside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for tokens in [32 * 40, 32 * 10] {
        let mut sae = dictionary(json!({}));
        let mut run = run(folder.path(), json!({"total_training_tokens": tokens}));
        fit(&mut run, &mut sae, &mut Synthetic::new(100)).expect("trained");
    }
    assert_eq!(
        list_checkpoints(folder.path()).last().map(|(step, _)| *step),
        Some(10)
    );
    assert!(folder.path().join("checkpoints.previous/step_40").exists());
    let lines = |name: &str| {
        String::from_utf8(bytes(folder.path().join(name)))
            .expect("text")
            .lines()
            .count()
    };
    assert_eq!((lines("metrics.jsonl.previous"), lines("metrics.jsonl")), (6, 2));
}

#[test]
fn a_checkpoint_of_another_dictionary_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sae = dictionary(json!({}));
    let mut first = run(folder.path(), json!({}));
    fit(&mut first, &mut sae, &mut Synthetic::new(100)).expect("trained");
    let checkpoint = folder.path().join("checkpoints/step_10");
    let mut other = dictionary(json!({"act_fn": "topk"}));
    let error = Run::from_checkpoint(&mut other, &checkpoint)
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("`sae.act_fn` was \"relu\" and is \"topk\" now"),
        "{error}"
    );
    let error = Run::from_checkpoint(&mut sae, folder.path())
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("there is no checkpoint at"), "{error}");
    std::fs::write(checkpoint.join("trainer.json"), "{\"cfg\": {}}").expect("written");
    let mut refusal = || {
        let refused = Run::from_checkpoint(&mut sae, &checkpoint).err();
        refused.expect("refused").to_string()
    };
    let error = refusal();
    assert!(error.contains("was altered after it was written"), "{error}");
    std::fs::remove_file(checkpoint.join("checksums.json")).expect("removed");
    let error = refusal();
    assert!(error.contains("is missing"), "{error}");
}
