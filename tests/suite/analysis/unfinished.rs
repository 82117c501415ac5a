//! Analyses that were broken off: what they go on with, what is left at the end, and what they are to take the place of.

use std::collections::BTreeMap;

use saescript::dictionary::SparseAutoEncoder;
use saescript::error::{Error, Result};
use saescript::findings::{Analysis, State, Store};
use saescript::fingerprint::{Allowances, Fingerprint};
use saescript::runner::decided_by;
use serde_json::{Value, json};

use super::same::{everything, found};
use super::{Asked, Contexts, attempt, config, dictionary, root_with};

/// The stream of the fixture, which breaks off after so many contexts.
fn breaking(after: Option<i64>) -> Contexts {
    let root = root_with("analysis/tiny/stream.json").expect("it ships");
    Contexts {
        breaks_after: after,
        ..Contexts::tiny(&root, 5)
    }
}

fn store(folder: &tempfile::TempDir) -> Store {
    Store::create(folder.path().join("a.sqlite"), &BTreeMap::new()).expect("a store")
}

/// Settings as [`found`] has them, which keep where they are after every batch.
fn settings(more: Value) -> Value {
    let mut all = json!({"total_analyzing_tokens": 1900, "save_every_seconds": 0});
    for (key, value) in more.as_object().expect("a map") {
        all[key] = value.clone();
    }
    all
}

fn run(store: &Store, settings: &Value, contexts: &Contexts, asked: Asked<'_>) -> Result<Analysis> {
    let sae = dictionary("sae_pretrained/topk_folded");
    attempt(store, &sae, config(settings.clone()), contexts, asked)
}

fn states(store: &Store) -> Vec<(String, State)> {
    let all = store.analyses().expect("read").into_iter();
    all.map(|one| (one.name, one.state)).collect()
}

#[test]
fn what_was_found_keeps_its_form_whatever_is_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder);
    let of = |sae: &SparseAutoEncoder| decided_by(sae, &sae.digest().expect("digested")).expect("decided");
    let [sae, other] =
        ["topk_folded", "relu_folded"].map(|name| dictionary(&format!("sae_pretrained/{name}")));
    let asked = |names: &[&str], decided: &Fingerprint| Asked {
        allow: Allowances::new(names.iter().map(|name| name.to_string())),
        decided_by: decided.clone(),
        ..Asked::default()
    };
    run(
        &store,
        &settings(json!({})),
        &breaking(Some(30)),
        asked(&[], &of(&sae)),
    )
    .expect_err("broken off");
    for (key, value) in [
        ("compact", json!(true)),
        ("single_pass", json!(true)),
        ("subsamples", json!({"best": {"n_samples": 3}})),
        ("seed", json!(7)),
        ("neighbours", json!(0)),
        ("coactivation_up_to", json!(10)),
        ("total_analyzing_tokens", json!(1000)),
        ("ignore_token_ids", json!([3])),
    ] {
        let asked = asked(&["analyzer", "analyzer.compact"], &of(&sae));
        let error = run(&store, &settings(json!({ key: value })), &breaking(None), asked);
        let said = error.expect_err(key).to_string();
        assert!(said.contains(&format!("`analyzer.{key}`")), "{said}");
        assert!(said.contains("cannot be allowed to change"), "{said}");
        assert!(said.contains("`--replace`") && !said.contains("folder"), "{said}");
    }
    let error = attempt(
        &store,
        &other,
        config(settings(json!({}))),
        &breaking(None),
        asked(&["sae"], &of(&other)),
    );
    let said = error.expect_err("another dictionary").to_string();
    assert!(said.contains("cannot be allowed to change"), "{said}");
}

#[test]
fn thresholds_of_flags_count_at_the_end_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder);
    run(
        &store,
        &settings(json!({})),
        &breaking(Some(30)),
        Asked::default(),
    )
    .expect_err("broken off");
    let flags = settings(json!({"flags": {"dense_density": 0.0}}));
    let said = run(&store, &flags, &breaking(None), Asked::default())
        .expect_err("refused")
        .to_string();
    assert!(said.contains("--allow-change analyzer.flags"), "{said}");
    let allowed = Asked {
        allow: Allowances::new(["analyzer.flags".to_string()]),
        ..Asked::default()
    };
    let analysis = run(&store, &flags, &breaking(None), allowed).expect("it goes on");
    let written: Value = serde_json::from_str(&analysis.settings).expect("JSON");
    assert_eq!(written["analyzer"]["flags"]["dense_density"], 0.0);
    assert_eq!(written["changed"][0]["key"], "analyzer.flags");
    let counts = store.flag_counts(analysis.id).expect("flags");
    let living = store
        .scalars(analysis.id)
        .expect("figures")
        .iter()
        .filter(|one| one.act_times > 0)
        .count();
    assert_eq!(counts[2].1, living, "all that fire are dense");
}

#[test]
fn an_analysis_is_complete_once_nothing_is_left() {
    for more in [json!({}), json!({"single_pass": true})] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder);
        let all = settings(more.clone());
        let mut killed = || Err(Error::run("killed"));
        let asked = Asked {
            at_last: Some(&mut killed),
            ..Asked::default()
        };
        run(&store, &all, &breaking(None), asked).expect_err("killed");
        assert_eq!(states(&store), [("default".to_string(), State::Running)]);
        // What the stream tells is there, so that it is not read again.
        let mut calls = 0;
        let mut counting = || {
            calls += 1;
            Ok(())
        };
        let asked = Asked {
            at_last: Some(&mut counting),
            ..Asked::default()
        };
        let analysis = run(&store, &all, &breaking(Some(0)), asked).expect("it goes on");
        assert_eq!((calls, analysis.state), (1, State::Complete));
        assert!(found("topk_folded", more, 5) == everything(&store, &analysis));
    }
}

#[test]
fn what_is_replaced_stays_until_the_new_one_is_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder);
    let replacing = || Asked {
        replace: true,
        ..Asked::default()
    };
    let small = settings(json!({"total_analyzing_tokens": 900}));
    let old = run(&store, &small, &breaking(None), Asked::default()).expect("analysed");
    let before = everything(&store, &old);
    let both = [
        ("default".to_string(), State::Complete),
        ("default (replacement)".to_string(), State::Running),
    ];
    // The first one is of other settings: it makes room for the second, which goes on.
    let other = settings(json!({"seed": 3}));
    let new = settings(json!({"latents_at_a_time": 96}));
    run(&store, &small, &breaking(Some(0)), replacing()).expect_err("broken off");
    for (all, after) in [(&other, 30), (&new, 30), (&new, 75)] {
        run(&store, all, &breaking(Some(after)), replacing()).expect_err("broken off");
        assert_eq!(states(&store), both);
        assert!(before == everything(&store, &old), "the old one is as it was");
    }
    let said = run(&store, &new, &breaking(None), Asked::default())
        .expect_err("complete")
        .to_string();
    assert!(said.contains("`--replace` goes on with it"), "{said}");
    let analysis = run(&store, &new, &breaking(None), replacing()).expect("it goes on");
    assert_eq!(states(&store), both[..1]);
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = self::store(&folder);
    let whole = run(&fresh, &new, &breaking(None), Asked::default()).expect("analysed");
    assert!(everything(&fresh, &whole) == everything(&store, &analysis));
}
