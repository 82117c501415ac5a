//! What cannot be analysed is said clearly, and nothing is lost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use saescript::findings::{Access, Store};
use saescript::tensor::Tensor;
use serde_json::json;

use super::{Contexts, HOOK, config, dictionary, go, root_with};

fn tiny(batch: i64) -> Contexts {
    Contexts::tiny(&root_with("analysis/tiny/stream.json").expect("it ships"), batch)
}

fn store(folder: &tempfile::TempDir) -> Store {
    Store::create(folder.path().join("a.sqlite"), &BTreeMap::new()).expect("a store")
}

/// What is said of these contexts.
fn refused(contexts: &Contexts, settings: serde_json::Value) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let sae = dictionary("sae_pretrained/topk_folded");
    let error = go(&store(&folder), &sae, config(settings), contexts).expect_err("refused");
    error.to_string()
}

#[test]
fn streams_that_do_not_fit_are_refused() {
    let settings = || json!({"total_analyzing_tokens": 1000});
    let of = |activations: Tensor| Contexts {
        activations: BTreeMap::from([(HOOK.to_string(), activations)]),
        ..tiny(16)
    };
    let all = tiny(16).activations[HOOK].shallow_clone();
    let said = refused(&of(all.flatten(0, 1)), settings());
    assert!(
        said.contains("whole contexts") && said.contains("activations-2d"),
        "{said}"
    );
    let said = refused(&of(all.narrow(2, 0, 40).contiguous()), settings());
    assert!(
        said.contains("40 wide") && said.contains("d_model is 48"),
        "{said}"
    );
    let other = Contexts {
        activations: BTreeMap::from([("blocks.0.hook_resid_post".to_string(), all.shallow_clone())]),
        ..tiny(16)
    };
    let said = refused(&other, settings());
    assert!(
        said.contains(HOOK) && said.contains("blocks.0.hook_resid_post"),
        "{said}"
    );
    let broken = all.copy();
    let _ = broken.get(40).get(3).fill_(f64::NAN);
    let said = refused(&of(broken), settings());
    assert!(said.contains("not numbers"), "{said}");
    let masked = Contexts {
        mask: tiny(16).mask.map(|mask| mask.zeros_like()),
        ..tiny(16)
    };
    let said = refused(&masked, settings());
    assert!(said.contains("no token of the stream counts"), "{said}");
}

#[test]
fn stores_that_cannot_be_written_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sqlite");
    let sae = dictionary("sae_pretrained/topk_folded");
    let settings = || config(json!({"total_analyzing_tokens": 1000}));
    let analysis = go(&store(&folder), &sae, settings(), &tiny(16)).expect("analysed");
    assert!(
        !folder.path().join("a.sqlite-wal").exists(),
        "one file is all there is"
    );
    let before = fs::read(&path).expect("read");

    let reading = Store::open_for(&path, Access::Read).expect("opened");
    let error = reading.set_label(1, "x", "user").expect_err("only for reading");
    assert!(error.to_string().contains("reading only"), "{error}");
    let error = go(&reading, &sae, settings(), &tiny(16)).expect_err("only for reading");
    assert!(error.to_string().contains("complete analysis"), "{error}");

    let text = folder.path().join("text.sqlite");
    fs::write(
        &text,
        "not a database, but long enough to be looked at ".repeat(30),
    )
    .expect("written");
    let error = Store::open(&text).expect_err("no store");
    assert!(error.to_string().contains("no store"), "{error}");
    let error = Store::open(folder.path().join("missing.sqlite")).expect_err("missing");
    assert!(error.to_string().contains("no such file"), "{error}");
    let error = Store::create(&path, &BTreeMap::new()).expect_err("there already");
    assert!(error.to_string().contains("a.sqlite"), "{error}");
    assert_eq!(fs::read(&path).expect("read"), before);

    // What is cut off is noticed when it is read.
    let cut = folder.path().join("cut.sqlite");
    fs::write(&cut, &before[..before.len() / 2]).expect("written");
    let read = Store::open(&cut).and_then(|store| {
        (0..analysis.latents).try_for_each(|latent| store.samples(analysis.id, latent).map(drop))
    });
    let error = read.expect_err("damaged");
    assert!(error.to_string().contains("damaged"), "{error}");

    // A folder that may not be written: root may write anyway, so that the store is asked for by reading.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).expect("set");
    let reading = Store::open_for(&path, Access::Read).expect("opened");
    assert_eq!(reading.scalars(analysis.id).expect("figures").len(), 192);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("set");
}
