//! Which library multiplies: asked for, measured once, and kept by a training that goes on.

use std::path::Path;
use std::process::Command;

use saescript::config::Value;
use saescript::train::list_checkpoints;
use serde_json::json;

use super::training::begun;
use crate::program::{finish, program};

/// The program with what it is told of products, and a cache folder of its own.
fn with_product(product: &str, caches: &Path) -> Command {
    let mut command = program();
    command
        .env("SAESCRIPT_PRODUCT", product)
        .env("XDG_CACHE_HOME", caches);
    command
}

/// What `doctor --json` says of float32 products.
fn float_products(product: &str, caches: &Path) -> Value {
    let mut command = with_product(product, caches);
    let ran = finish(command.args(["doctor", "--json"]), "").ended_with(0);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    report["processor"]["float_products"].clone()
}

#[test]
fn the_fastest_library_is_measured_once() {
    let caches = tempfile::tempdir().expect("a temporary folder");
    let measured = float_products("", caches.path());
    assert_eq!(measured["reason"], "measured");
    assert!(caches.path().join("saescript/products.json").is_file());
    let remembered = float_products("", caches.path());
    assert_eq!(remembered["reason"], "remembered");
    assert_eq!(remembered["backend"], measured["backend"]);
    assert_eq!(remembered["milliseconds"], measured["milliseconds"]);
    let asked = float_products("mkl", caches.path());
    assert_eq!(
        asked,
        json!({"backend": "mkl", "reason": "asked", "milliseconds": {}})
    );
    let mut command = with_product("mkl", caches.path());
    let ran = finish(command.arg("doctor"), "").ended_with(0);
    assert!(
        ran.out
            .contains("products in float32 by mkl, as SAESCRIPT_PRODUCT says"),
        "{}",
        ran.out
    );
}

#[test]
fn a_library_that_does_not_exist_is_refused_before_anything_else() {
    let caches = tempfile::tempdir().expect("a temporary folder");
    for arguments in [&["doctor"][..], &["run", "missing.rhai"]] {
        let mut command = with_product("blas", caches.path());
        let ran = finish(command.args(arguments), "").ended_with(2);
        for said in ["SAESCRIPT_PRODUCT", "`blas`", "`gemm`", "`onednn`", "`mkl`"] {
            assert!(ran.err.contains(said), "{said}: {}", ran.err);
        }
    }
}

#[test]
fn a_training_that_goes_on_keeps_its_library() {
    let folder = begun(&[]);
    let facts = |key: &str| -> Value {
        let text = std::fs::read_to_string(folder.path().join("results/run.json")).expect("facts");
        let facts: Value = serde_json::from_str(&text).expect("JSON");
        facts[key].clone()
    };
    // Begun under what the suite asks for.
    assert_eq!(facts("product"), "gemm");
    let resume = |product: &str, more: &[&str], code: i32| {
        let mut command = with_product(product, folder.path());
        let model = format!(
            "model.model_name={:?}",
            folder.path().join("model").display().to_string()
        );
        command.current_dir(folder.path());
        let all = ["train", "train.toml", "--resume", "--set", &model];
        finish(command.args(all).args(more), "").ended_with(code)
    };
    let refused = resume("mkl", &[], 2);
    for said in ["program.product", "\"gemm\"", "\"mkl\"", "--allow-change"] {
        assert!(refused.err.contains(said), "{said}: {}", refused.err);
    }
    let dry = resume("", &["--dry-run"], 0);
    assert!(
        !folder.path().join("saescript/products.json").exists(),
        "{}",
        dry.err
    );
    resume("mkl", &["--allow-change", "program.product"], 0);
    assert_eq!(facts("product"), "mkl");
    let allowed = &facts("allowed_changes")[0];
    assert_eq!(allowed["key"], "program.product");
    assert_eq!((&allowed["was"], &allowed["is"]), (&json!("gemm"), &json!("mkl")));
}

#[test]
fn a_training_that_goes_on_with_other_kernels_says_so() {
    let folder = begun(&[]);
    let text = std::fs::read_to_string(folder.path().join("results/run.json")).expect("facts");
    let facts: Value = serde_json::from_str(&text).expect("JSON");
    let before = facts["kernels"].as_str().expect("a name");
    let model = format!(
        "model.model_name={:?}",
        folder.path().join("model").display().to_string()
    );
    let resume = |kernels: &str| {
        let mut command = with_product("gemm", folder.path());
        command
            .current_dir(folder.path())
            .env("SAESCRIPT_KERNELS", kernels);
        let all = ["train", "train.toml", "--resume", "--dry-run", "--set", &model];
        finish(command.args(all), "").ended_with(0).err
    };
    let said = resume("plain");
    let told = format!("SAESCRIPT_KERNELS={before}");
    assert_eq!(said.contains(&told), before != "plain", "{said}");
    let said = resume(before);
    assert!(!said.contains("SAESCRIPT_KERNELS"), "{said}");
    // In another folder too.
    let checkpoints = list_checkpoints(&folder.path().join("results"));
    let (_, last) = checkpoints.last().expect("a checkpoint");
    let from = format!("trainer.from_pretrained_path={:?}", last.display().to_string());
    let elsewhere = ["--set", &from, "--set", "trainer.exp_result_path=\"elsewhere\""];
    for dry in [Some("--dry-run"), None] {
        let mut command = with_product("gemm", folder.path());
        command
            .current_dir(folder.path())
            .env("SAESCRIPT_KERNELS", "plain");
        let all = ["train", "train.toml", "--set", &model].into_iter();
        let said = finish(command.args(all.chain(dry).chain(elsewhere)), "");
        let said = said.ended_with(0).err;
        assert_eq!(said.contains(&told), before != "plain", "{said}");
    }
}

#[test]
fn nothing_is_measured_where_a_training_goes_on() {
    let folder = begun(&[]);
    let mut command = with_product("", folder.path());
    let model = format!(
        "model.model_name={:?}",
        folder.path().join("model").display().to_string()
    );
    command.current_dir(folder.path());
    finish(
        command.args(["train", "train.toml", "--resume", "--set", &model]),
        "",
    )
    .ended_with(0);
    let text = std::fs::read_to_string(folder.path().join("results/run.json")).expect("facts");
    let facts: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(facts["product"], "gemm");
    assert!(!folder.path().join("saescript/products.json").exists());
}
