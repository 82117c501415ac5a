//! Which samples of a latent are its best, whatever comes first in the settings.

use std::fs;

use serde_json::json;

use super::command::{analyze, settings};
use crate::program::run_in;

#[test]
fn samples_of_the_largest_peaks_are_the_best() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = settings(folder.path());
    all["analyzer"] = json!({"total_analyzing_tokens": 500, "subsamples": {
        "silent": {"kind": "silent", "n_samples": 3},
        "some": {"kind": "uniform", "proportion": 0.8, "n_samples": 2},
        "top": {"n_samples": 2},
    }});
    analyze(folder.path(), &all, &["-q"]).ended_with(0);
    let script = r#"
        let analysis = Analysis::open("a.sqlite");
        let alive = analysis.latents(|latent| latent.act_times > 3 && latent.samples("silent").len() > 0);
        print(alive.len() > 10);
        print(alive.filter(|latent| (latent.top(1)[0].peak / latent.max - 1.0).abs() > 1e-3).len());
        print(alive[0].top(5).len());
    "#;
    fs::write(folder.path().join("best.rhai"), script).expect("written");
    let ran = run_in(folder.path(), ["run", "-A", "best.rhai"]).ended_with(0);
    assert_eq!(ran.out, "true\n0\n2\n");
}
