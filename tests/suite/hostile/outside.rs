//! Scripts that reach for what is not theirs, or for more than there is, in tests/hostile/outside. Their ends stand in
//! `ends.json` beside them: a part of what refuses them, or nothing where they end well, by default and, where that is
//! another, in the sandbox. Each is one test function of a file that `saescript test` runs, so that two processes do.

use super::*;

use serde_json::Value;

/// How one of these scripts ends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    run: String,
    sandbox: Option<String>,
}

fn scripts() -> BTreeMap<String, String> {
    let files = fs::read_dir(folder().join("outside")).expect("the scripts");
    let files = files.map(|entry| entry.expect("an entry").path());
    let scripts = files.filter(|path| path.extension().is_some_and(|extension| extension == "rhai"));
    scripts
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a script"))
        })
        .collect()
}

fn refusals() -> BTreeMap<String, Refusal> {
    let text = fs::read_to_string(folder().join("outside/ends.json")).expect("the table of ends");
    serde_json::from_str(&text).expect("the table of ends is JSON")
}

/// A working folder with links that lead out of it, and secrets in it; all scripts in one.
fn world() -> tempfile::TempDir {
    let world = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| world.path().join(name);
    for name in [
        "work/data",
        "work/sub",
        "work/hf",
        "scripts",
        "outside_folder",
        "home",
        "tmp",
    ] {
        fs::create_dir_all(at(name)).expect("made");
    }
    for (name, text) in [
        ("outside", "untouched"),
        ("outside_folder/data.jsonl", "{\"text\": \"a\"}\n"),
        ("outside_module.rhai", "fn one() { 1 }"),
        ("scripts/beside.rhai", "fn one() { 1 }"),
        ("tmp/other", "somebody else's"),
        ("work/hf/token", "hf_secret"),
        ("work/netrc", "machine api.wandb.ai password secret"),
        ("work/aws", "[default]\naws_access_key_id = secret\n"),
        ("work/data/right.jsonl", "{\"text\": \"a\"}\n"),
    ] {
        fs::write(at(name), text).expect("written");
    }
    for (link, to) in [
        ("work/link", "../outside"),
        ("work/link_to_link", "link"),
        ("work/loop", "loop"),
        ("work/folder", "../outside_folder"),
        ("work/dangling", "../new"),
        ("work/innocent", "hf/token"),
        ("work/innocent.txt", "hf/token"),
        ("work/innocent.toml", "saescript.toml"),
        ("work/data/wrong.jsonl", "../../outside_folder/data.jsonl"),
        ("scripts/linked_module.rhai", "../outside_module.rhai"),
    ] {
        symlink(to, at(link)).expect("linked");
    }
    let scratch = world.path().display().to_string();
    let mut text = String::new();
    for (name, script) in scripts() {
        text.push_str(&format!(
            "fn test_{name}() {{\n{}}}\n",
            script.replace("@SCRATCH@", &scratch)
        ));
    }
    fs::write(at("scripts/all.rhai"), text).expect("written");
    world
}

/// What became of each script, with these flags: what it was refused with, or nothing.
fn ends_with(flags: &[&str]) -> BTreeMap<String, String> {
    let world = world();
    let at = |name: &str| world.path().join(name);
    let mut command = program();
    command
        .args(["--max-memory", MEMORY, "test", "--json"])
        .args(flags)
        .arg("../scripts/all.rhai")
        .current_dir(at("work"))
        .env("HOME", at("home"))
        .env("TMPDIR", at("tmp"))
        .env("HF_HOME", at("work/hf"))
        .env("NETRC", at("work/netrc"))
        .env("AWS_SHARED_CREDENTIALS_FILE", at("work/aws"))
        .env("HF_HUB_OFFLINE", "1")
        .env("CUDA_VISIBLE_DEVICES", "")
        .env("HF_TOKEN", "hf_secret")
        .env("WANDB_API_KEY", "wandb_secret")
        .env("WANDB_MODE", "online")
        .env("WANDB_BASE_URL", "http://127.0.0.1:8")
        .env("WANDB_CORE", at("home/no-wandb-core"))
        .env("AWS_SECRET_ACCESS_KEY", "aws_secret");
    let ran = finish(&mut command, "").ended_with(1);
    for secret in ["hf_secret", "wandb_secret", "aws_secret"] {
        assert!(
            !ran.out.contains(secret) && !ran.err.contains(secret),
            "{}",
            ran.out
        );
    }
    for name in ["new", "made", "tmp/x"] {
        assert!(!at(name).exists(), "{name} was made");
    }
    for (name, text) in [("outside", "untouched"), ("tmp/other", "somebody else's")] {
        assert_eq!(fs::read_to_string(at(name)).expect("there"), text);
    }
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    let tests = report["tests"].as_array().expect("a list");
    let end = |test: &Value| {
        let name = test["name"].as_str().expect("a name").replacen("test_", "", 1);
        (name, test["message"].as_str().unwrap_or_default().to_string())
    };
    tests.iter().map(end).collect()
}

#[track_caller]
fn as_documented(flags: &[&str], documented: impl Fn(&Refusal) -> String) {
    let ends = ends_with(flags);
    let mut wrong = Vec::new();
    for (name, refusal) in refusals() {
        let (wanted, end) = (documented(&refusal), ends.get(&name));
        let is_right = end.is_some_and(|end| end.contains(&wanted) && end.is_empty() == wanted.is_empty());
        let never = end.and_then(|end| NEVER.iter().find(|word| end.contains(*word)));
        if !is_right || never.is_some() {
            wrong.push(format!("{name}: wanted `{wanted}`, was {end:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn scripts_reach_what_is_theirs_and_nothing_else() {
    as_documented(&[], |refusal| refusal.run.clone());
}

#[test]
fn scripts_in_the_sandbox_reach_nothing() {
    as_documented(&["--sandbox"], |refusal| {
        refusal.sandbox.clone().unwrap_or_else(|| refusal.run.clone())
    });
}

#[test]
fn each_of_them_has_a_documented_end() {
    let scripts: Vec<String> = scripts().into_keys().collect();
    assert!(scripts.len() >= 100, "{}", scripts.len());
    assert_eq!(scripts, refusals().into_keys().collect::<Vec<_>>());
}

/// Runs every `part`-th script that is refused something in the sandbox, beginning with `first`.
fn check_in_sandbox(first: usize, part: usize) {
    let ends = ends().into_iter();
    let refused: Vec<(String, End)> = ends.filter(|(_, end)| end.sandbox.is_some()).collect();
    assert!(refused.len() >= 30, "{}", refused.len());
    for (name, end) in refused.iter().skip(first).step_by(part) {
        let (world, script) = World::of(name);
        let mut command = flagged(&world, &script, end, "--sandbox");
        let ran = command
            .status()
            .map(|status| (status.code(), text_of(&world.path("err"))));
        let (code, err) = ran.expect("the program starts");
        let said = format!("{err}{}", text_of(&world.path("out")));
        assert!(code.is_some(), "{name}: {said}");
        let refusal = end.sandbox.as_deref().unwrap_or_default();
        assert!(
            said.contains(refusal),
            "{name} is not refused with `{refusal}`: {said}"
        );
        assert!(NEVER.iter().all(|word| !said.contains(word)), "{name}: {said}");
        assert_eq!(text_of(&world.path("outside")), "untouched");
    }
}

#[test]
fn the_sandbox_refuses_every_other_script_that_reaches_outside() {
    check_in_sandbox(0, 2);
}

#[test]
fn the_sandbox_refuses_the_others_that_reach_outside() {
    check_in_sandbox(1, 2);
}
