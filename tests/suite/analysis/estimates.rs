//! What is found in a single pass, or of the frequent pairs of many latents: near what is exact, and marked.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use saescript::activations::BatchStream;
use saescript::analysis::{AnalysisInputs, FeatureAnalyzer};
use saescript::event::RunContext;
use saescript::findings::{Analysis, Near, Printing, Sample, Store, SubsampleKind};
use saescript::fingerprint::{Allowances, Fingerprint};
use serde_json::{Value, json};

use super::command::{analyze, settings};
use super::same::everything;
use super::{Contexts, analyse, config, dictionary, go, preamble, root_with};
use crate::program::run_in;

fn tiny(batch: i64) -> Contexts {
    Contexts::tiny(&root_with("analysis/tiny/stream.json").expect("it ships"), batch)
}

/// An analysis of the stream of the fixtures with these settings more.
fn found(folder: &Path, more: Value, batch: i64) -> (Store, Analysis) {
    let mut all = json!({"total_analyzing_tokens": 1900});
    all.as_object_mut()
        .expect("a map")
        .extend(more.as_object().expect("a map").clone());
    fs::create_dir_all(folder).expect("made");
    analyse(
        folder,
        &dictionary("sae_pretrained/topk_folded"),
        config(all),
        &tiny(batch),
    )
}

fn samples(store: &Store, latent: u32, rule: u32) -> Vec<Sample> {
    let all = store.samples(1, latent).expect("samples").into_iter();
    all.filter(|samples| samples.subsample == rule)
        .flat_map(|all| all.samples)
        .collect()
}

#[test]
fn a_single_pass_has_the_top_exactly_and_the_rest_nearly() {
    let folder = tempfile::tempdir().expect("a folder");
    let (exact, analysis) = found(&folder.path().join("twice"), json!({}), 16);
    let (once, single) = found(&folder.path().join("once"), json!({"single_pass": true}), 16);
    assert!(single.approximate && !analysis.approximate);
    let figures = |store: &Store| -> Vec<_> {
        let all = store.scalars(1).expect("figures").into_iter();
        all.map(|one| {
            (
                one.act_times,
                one.contexts,
                one.max,
                one.mean,
                one.sum_squares,
                one.first_share,
            )
        })
        .collect()
    };
    assert!(figures(&exact) == figures(&once));
    let (mut common, mut all) = (0, 0);
    for latent in 0..analysis.latents {
        for rule in exact.subsamples(1).expect("rules") {
            let [ours, theirs] = [&once, &exact].map(|store| samples(store, latent, rule.id));
            let is_exact = rule.kind == SubsampleKind::Silent || rule.name == "top_activations";
            if is_exact {
                assert_eq!(
                    named(&once, &ours),
                    named(&exact, &theirs),
                    "{latent} {}",
                    rule.name
                );
            }
            let peaks: HashSet<u32> = theirs.iter().map(|one| one.peak.to_bits()).collect();
            common += ours
                .iter()
                .filter(|one| peaks.contains(&one.peak.to_bits()))
                .count();
            all += theirs.len();
        }
        let histogram = once.histogram(1, latent).expect("read");
        let total: u32 = histogram.map_or(0, |histogram| histogram.linear.iter().sum());
        assert_eq!(
            u64::from(total),
            once.latent(1, latent).expect("read").expect("there").act_times
        );
    }
    assert!(common * 100 > all * 95, "{common} of {all} samples are the same");
}

/// Contexts have numbers of their own in each store, but one place in the stream.
fn named(store: &Store, samples: &[Sample]) -> Vec<(u64, u32, usize)> {
    let contexts = store.contexts(samples.iter().map(|sample| sample.context));
    let contexts = contexts.expect("contexts");
    let of = |one: &Sample| {
        (
            contexts[&one.context].ordinal,
            one.peak.to_bits(),
            one.activations.len(),
        )
    };
    samples.iter().map(of).collect()
}

#[test]
fn a_single_pass_depends_on_no_batches_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    // So little memory that fewer contexts are kept than are wanted.
    let more = || json!({"single_pass": true, "memory_limit": 100_000});
    let text = |name: &str, batch: i64| {
        let (store, analysis) = found(&folder.path().join(name), more(), batch);
        everything(&store, &analysis)
    };
    let whole = text("16", 16);
    assert!(whole == text("7", 7) && whole == text("80", 80));

    let store = Store::create(folder.path().join("broken.sqlite"), &BTreeMap::new()).expect("a store");
    let sae = dictionary("sae_pretrained/topk_folded");
    let mut all = more();
    all["total_analyzing_tokens"] = json!(1900);
    all["save_every_seconds"] = json!(0);
    let mut contexts = tiny(10);
    for after in [20, 55] {
        contexts.breaks_after = Some(after);
        go(&store, &sae, config(all.clone()), &contexts).expect_err("broken off");
    }
    contexts.breaks_after = None;
    let analysis = go(&store, &sae, config(all), &contexts).expect("it goes on");
    assert!(whole == everything(&store, &analysis));
}

#[test]
fn a_stream_that_can_be_read_once_needs_a_single_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::create(folder.path().join("a.sqlite"), &BTreeMap::new()).expect("a store");
    let sae = dictionary("sae_pretrained/topk_folded");
    let analyse = |single: bool| {
        let mut opened = 0;
        let mut open = || {
            opened += 1;
            assert_eq!(opened, 1, "it cannot be opened again");
            Ok(Box::new(tiny(16)) as Box<dyn BatchStream>)
        };
        let inputs = AnalysisInputs {
            sae: &sae,
            open: &mut open,
            can_replay: false,
            amp: None,
            decided_by: Fingerprint::default(),
            runs_a_model: false,
            allow_change: Allowances::default(),
            replace: false,
            at_last: &mut || Ok(()),
        };
        let config = config(json!({"total_analyzing_tokens": 1900, "single_pass": single}));
        let analyzer = FeatureAnalyzer::new(config).expect("an analyzer");
        analyzer.analyze(&store, "default", inputs, &RunContext::default())
    };
    let error = analyse(false).expect_err("refused").to_string();
    assert!(
        error.contains("only once") && error.contains("single_pass"),
        "{error}"
    );
    assert!(store.analyses().expect("read").is_empty(), "nothing was begun");
    assert_eq!(analyse(true).expect("analysed").passes, 1);
}

#[test]
fn frequent_pairs_are_estimates_and_said_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let (exact, _) = found(&folder.path().join("exact"), json!({"neighbours": 191}), 16);
    let more = json!({"coactivation_up_to": 100});
    let (store, analysis) = found(&folder.path().join("estimated"), more, 16);
    assert!(analysis.estimated_pairs && !analysis.approximate);
    let (mut first, mut living) = (0, 0);
    for latent in 0..analysis.latents {
        let ours = store.neighbours(1, latent, Near::Jaccard).expect("read");
        let theirs = exact.neighbours(1, latent, Near::Jaccard).expect("read");
        for near in &ours {
            let counted = theirs
                .iter()
                .find(|one| one.latent == near.latent)
                .expect("a pair");
            assert!(
                near.value <= counted.value + 1e-6,
                "{latent}: {near:?}, {counted:?}"
            );
        }
        if let (Some(ours), Some(theirs)) = (ours.first(), theirs.first()) {
            living += 1;
            first += usize::from(ours.value >= 0.9 * theirs.value);
        }
    }
    assert!(
        living > 100 && first * 10 > living * 9,
        "{first} of {living} nearest"
    );
    let printed = store
        .printed(&analysis, 3, &Printing::default())
        .expect("printed");
    assert!(
        printed.contains("neighbours by firing together are estimates"),
        "{printed}"
    );
}

#[test]
fn scripts_and_the_command_say_what_is_approximate() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = settings(folder.path());
    all["analyzer"] = json!({"total_analyzing_tokens": 500, "single_pass": true});
    let ran = analyze(folder.path(), &all, &["-q"]).ended_with(0);
    assert!(ran.out.contains("of a single pass"), "{}", ran.out);
    let shown = run_in(folder.path(), ["show", "a.sqlite", "3"]).ended_with(0);
    assert!(shown.out.contains("of a single pass"), "{}", shown.out);

    let script = r#"
        let stream = factory.process(#{ model: model, datasets: #{ words: datasets::load_dataset("corpus.jsonl") } });
        let sae = SparseAutoEncoder::from_pretrained("topk_folded");
        let twice = FeatureAnalyzer(FeatureAnalyzerConfig(#{ total_analyzing_tokens: 500 }));
        try { twice.analyze_chunk(#{ stream: stream, sae: sae, store: "b.sqlite", model: model }); }
        catch (error) { print(("" + error).contains("single_pass")); }
        let once = FeatureAnalyzer(FeatureAnalyzerConfig(#{ total_analyzing_tokens: 500, single_pass: true }));
        let analysis = once.analyze_chunk(#{ stream: stream, sae: sae, store: "b.sqlite", model: model });
        print(analysis.estimates.len() + " " + (analysis.n_tokens > 400));
    "#;
    fs::write(folder.path().join("once.rhai"), preamble() + script).expect("written");
    let ran = run_in(folder.path(), ["run", "-A", "once.rhai"]).ended_with(0);
    assert_eq!(ran.out, "true\n1 true\n");
}
