//! A latent on the terminal.

use super::served::small;
use crate::program::{finish, program, run};

#[test]
fn a_store_is_printed_as_a_whole() {
    let (_folder, path) = small();
    let store = path.display().to_string();
    let text = run(["show", &store]).ended_with(0).out;
    for expected in [
        "analysis default",
        "600 latents",
        " dead",
        "labelled latents",
        "show ",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in: {text}");
    }
    let json = run(["show", &store, "--json"]).ended_with(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["analyses"]["analyses"][0]["latents"], 600);
    let alone = run(["show", &store, "--analysis", "default"]).ended_with(2);
    assert!(alone.err.contains("LATENT"), "{}", alone.err);
}

#[test]
fn a_latent_is_printed_with_signs_or_colours_or_as_json() {
    let (_folder, path) = small();
    let store = path.display().to_string();
    let plain = run(["show", &store, "17", "-n", "2"]).ended_with(0).out;
    assert!(plain.starts_with("latent 17  days of the week"), "{plain}");
    for expected in [
        "top activations",
        "«",
        "quantile 5",
        "silent",
        "raises",
        "lowers",
        "fires on",
        "near by decoder",
    ] {
        assert!(plain.contains(expected), "{expected} in {plain}");
    }
    assert!(!plain.contains('\x1b'));
    let coloured = |extra: &[(&str, &str)]| {
        let mut command = program();
        command
            .args(["show", &store, "17"])
            .env("CLICOLOR_FORCE", "1")
            .env_remove("COLORTERM")
            .envs(extra.iter().copied());
        finish(&mut command, "").ended_with(0).out
    };
    assert!(coloured(&[]).contains("\x1b[48;5;"));
    assert!(coloured(&[("COLORTERM", "truecolor")]).contains("\x1b[48;2;"));
    assert!(!coloured(&[("NO_COLOR", "1")]).contains('\x1b'));
    let json = run(["show", &store, "17", "--json"]).ended_with(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["label"]["text"], "days of the week");
    assert_eq!(
        json["subsamples"][0]["contexts"].as_array().map(Vec::len),
        Some(10)
    );
    let wrong = run(["show", &store, "600"]).ended_with(2);
    assert!(
        wrong.err.contains("no latent 600") && wrong.err.contains("from 0 to 599"),
        "{}",
        wrong.err
    );
    let dead = run(["show", &store, "37"]).ended_with(0).out;
    assert!(
        dead.contains("[dead]") && dead.contains("fires on 0 tokens"),
        "{dead}"
    );
    let wrong = run(["show", &store, "1", "--analysis", "defualt"]).ended_with(2);
    assert!(wrong.err.contains("did you mean `default`?"), "{}", wrong.err);
}
