//! How often latents act, and what is said of those that do not.

use super::*;

/// The metrics that were logged under `step`.
fn logged_at(folder: &Path, step: u64) -> BTreeMap<String, f64> {
    let text = String::from_utf8(bytes(folder.join("metrics.jsonl"))).expect("text");
    let mut rows = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let row = rows.find(|row| row["step"] == step).expect("the step is logged");
    let numbers = row.as_object().expect("a table").iter();
    numbers
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .collect()
}

#[test]
fn frequencies_do_not_depend_on_how_often_they_are_logged() {
    let sparsity = |log_frequency: u64, window: u64| -> BTreeMap<String, f64> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cfg =
            json!({"log_frequency": log_frequency, "feature_sampling_window": window, "n_checkpoints": 0});
        let (mut sae, mut run) = (dictionary(json!({"act_fn": "topk"})), run(folder.path(), cfg));
        fit(&mut run, &mut sae, &mut Synthetic::new(100)).expect("trained");
        let all = logged_at(folder.path(), 40);
        all.into_iter()
            .filter(|(name, _)| name.starts_with("sparsity/"))
            .collect()
    };
    for (window, tokens) in [(16, 16.0 * 32.0), (1000, 40.0 * 32.0)] {
        let often = sparsity(1, window);
        assert_eq!(often["sparsity/window_tokens"], tokens);
        assert!(often["sparsity/above_1e-2"] > 0.0);
        // A latent that fired on none of so few tokens may yet fire on one in a million.
        assert!(
            !often.keys().any(|name| name.starts_with("sparsity/below_")),
            "{often:?}"
        );
        assert_eq!(often, sparsity(10, window));
        assert_eq!(often, sparsity(1000, window));
    }
}

#[test]
fn rare_latents_are_counted_once_there_are_tokens_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cfg = json!({
        "total_training_tokens": 3000 * 40, "log_frequency": 20, "n_checkpoints": 0, "dead_threshold": 120_000,
    });
    let (mut sae, mut run) = (
        dictionary(json!({"act_fn": "topk", "top_k": 1})),
        run(folder.path(), cfg),
    );
    let mut stream = Synthetic::new(100);
    stream.rows = 3000;
    fit(&mut run, &mut sae, &mut stream).expect("trained");
    let (half, whole) = (logged_at(folder.path(), 20), logged_at(folder.path(), 40));
    assert!(!half.contains_key("sparsity/below_1e-5"), "{half:?}");
    assert_eq!(whole["sparsity/window_tokens"], 120_000.0);
    // One in 120,000 resolves one in 100,000, and not one in a million.
    assert!(whole.contains_key("sparsity/below_1e-5") && !whole.contains_key("sparsity/below_1e-6"));
    // Those that never fired, and those that did so once.
    assert!(
        whole["sparsity/below_1e-5"] >= whole["sparsity/dead_latents"],
        "{whole:?}"
    );
}

/// Warnings, and the tokens of what is logged: as the event says and as the metric does.
type Said = (Vec<String>, Vec<(u64, f64)>);

/// Keeps what is said.
#[derive(Clone, Default)]
struct Heard(std::sync::Arc<std::sync::Mutex<Said>>);

impl Observer for Heard {
    fn on(&mut self, event: &Event) -> Result<Control> {
        let mut heard = self.0.lock().expect("not poisoned");
        match event {
            Event::Warning(text) => heard.0.push(text.clone()),
            Event::Logged { tokens, metrics, .. } => {
                let named = metrics
                    .iter()
                    .find(|(name, _)| name == "details/n_training_tokens");
                heard.1.push((*tokens, named.expect("there").1));
            }
            _ => {}
        }
        Ok(Control::Continue)
    }
}

#[test]
fn an_auxk_loss_that_can_never_act_is_remarked_and_tokens_are_counted_one_way() {
    for (more, remarked) in [
        (json!({"auxk_coefficient": 0.1}), true),
        (json!({"auxk_coefficient": 0.1, "dead_threshold": 1280}), false),
        (json!({"auxk_coefficient": 0}), false),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (heard, context) = (Heard::default(), RunContext::default());
        context.events.add(Box::new(heard.clone()));
        let mut sae = dictionary(json!({"act_fn": "topk"}));
        run(folder.path(), more.clone())
            .fit(
                &mut sae,
                &mut Synthetic::new(100),
                &context,
                FitOptions::default(),
            )
            .expect("trained");
        let heard = heard.0.lock().expect("not poisoned");
        let found = heard.0.iter().any(|text| text.contains("Aux-K never acts"));
        assert_eq!(found, remarked, "{more}: {:?}", heard.0);
        assert!(
            heard.1.len() == 6 && heard.1.iter().all(|(shown, metric)| *shown as f64 == *metric),
            "{:?}",
            heard.1
        );
        assert_eq!(
            heard.1[0].0,
            6 * 32,
            "what the dictionary had been trained on when step 7 was measured"
        );
    }
}
