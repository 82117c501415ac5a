//! Programs with caches on web servers and in object stores.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::activations::files::{BUCKET, Files, KEY, Kind, REGION, SECRET};
use crate::generate::{workspace, write};
use crate::program::{Ran, finish, program, run_in};
use crate::web::Fault;

const HOOKS: [&str; 2] = ["blocks.0.hook_mlp_out", "blocks.1.hook_resid_post"];

/// A workspace with a generated cache, and a server of `kind` that has the same under `path`.
fn served(kind: Kind, path: &str) -> (tempfile::TempDir, Files) {
    let folder = workspace();
    run_in(folder.path(), ["generate", "generate.toml"]).ended_with(0);
    let files = Files::start(kind);
    files.upload(&folder.path().join("activations"), path);
    (folder, files)
}

/// The program, which finds the object store of the test and nothing of the user's own.
fn asking(files: &Files, home: &Path, keys: Option<(&str, &str)>) -> Command {
    let mut command = program();
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("HOME", home)
        .env("AWS_ENDPOINT_URL", &files.address)
        .env("AWS_REGION", REGION)
        .current_dir(home);
    if let Some((key, secret)) = keys {
        command
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret);
    }
    command
}

/// The walkthrough's training on a cache, from `path` into the folder `result`.
fn training(folder: &Path, path: &str, result: &str) {
    write(
        folder,
        &format!("{result}.toml"),
        &format!(
            r#"sae_name = "tiny-sae"
sae_series = "tiny"
device_type = "cpu"

[sae]
hook_point_in = "blocks.1.hook_resid_post"
hook_point_out = "blocks.1.hook_resid_post"
d_model = 48
expansion_factor = 4
act_fn = "relu"
dtype = "torch.float32"
device = "cpu"

[trainer]
amp_dtype = "torch.float32"
lr = 0.0001
total_training_tokens = 2_560
exp_result_path = "{result}"

[activation_factory]
target = "activations-1d"
hook_points = ["blocks.1.hook_resid_post"]
batch_size = 128
buffer_size = 512

[[activation_factory.sources]]
type = "activations"
name = "tiny-cached"
path = "{path}"
device = "cpu"
"#
        ),
    );
}

fn weights(folder: &Path, result: &str) -> Vec<u8> {
    let path = folder.join(result).join("sae_weights.safetensors");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn training_from_a_web_server_gives_the_bytes_of_training_from_the_folder() {
    let (folder, files) = served(Kind::Web, "caches/tiny");
    let folder = folder.path();
    let chunk = "caches/tiny/blocks.1.hook_resid_post/chunk-00000002.safetensors";
    files.break_next(chunk, Fault::Cut(5_000));
    training(folder, "activations", "here");
    training(folder, &format!("{}/caches/tiny", files.address), "there");
    run_in(folder, ["train", "here.toml"]).ended_with(0);
    run_in(folder, ["train", "there.toml"]).ended_with(0);
    assert!(
        weights(folder, "here") == weights(folder, "there"),
        "the weights differ"
    );

    let address = format!("{}/caches/tiny", files.address);
    let ran = run_in(folder, ["check", &address]).ended_with(0);
    assert!(ran.out.contains("all checksums agree"), "{}", ran.out);
    files.change(chunk, |bytes| *bytes.last_mut().expect("some") ^= 1);
    let ran = run_in(folder, ["check", &address]).ended_with(1);
    assert!(ran.err.contains(chunk), "{}", ran.err);
    let ran = run_in(
        folder,
        ["train", "there.toml", "--set", "trainer.exp_result_path=other"],
    )
    .ended_with(2);
    assert!(
        ran.err.contains(chunk) && ran.err.contains("changed"),
        "{}",
        ran.err
    );
}

#[test]
fn training_from_an_object_store_gives_the_bytes_of_training_from_the_folder() {
    let (folder, files) = served(Kind::Store, "caches/tiny one");
    let folder = folder.path();
    let location = format!("s3://{BUCKET}/caches/tiny one/");
    training(folder, "activations", "here");
    training(folder, &location, "there");
    run_in(folder, ["train", "here.toml"]).ended_with(0);
    let mut command = asking(&files, folder, Some((KEY, SECRET)));
    finish(command.args(["train", "there.toml"]), "").ended_with(0);
    assert!(
        weights(folder, "here") == weights(folder, "there"),
        "the weights differ"
    );
    let pages = files.take_requests();
    let pages = pages
        .iter()
        .filter(|request| request.path.contains("continuation-token"));
    assert!(pages.count() > 5, "the list has many pages");

    let mut command = asking(&files, folder, Some((KEY, SECRET)));
    let ran = finish(command.args(["check", &location]), "").ended_with(0);
    assert!(ran.out.contains("all checksums agree"), "{}", ran.out);
    for hook_point in HOOKS {
        assert!(ran.out.contains(hook_point), "{}", ran.out);
    }

    // Keys in the file that Amazon's own programs write.
    std::fs::create_dir_all(folder.join(".aws")).expect("made");
    let file = format!(
        "[default]\naws_access_key_id = no\naws_secret_access_key = no\n\n[lab]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    );
    write(folder, ".aws/credentials", &file);
    let mut command = asking(&files, folder, None);
    command.env("AWS_PROFILE", "lab");
    finish(command.args(["check", &location]), "").ended_with(0);
}

#[test]
fn every_refusal_of_an_object_store_says_what_to_do() {
    let (folder, files) = served(Kind::Store, "cache");
    let home = folder.path();
    let mut said = String::new();
    let mut note = |case: &str, files: &Files, ran: Ran| {
        let text = ran.err.replace(&files.address, "http://STORE");
        write!(said, "{case}\n{text}exit code {}\n\n", ran.code.expect("a code")).expect("a string");
    };
    let location = format!("s3://{BUCKET}/cache");
    let mut ask = |case: &str, keys: Option<(&str, &str)>, location: &str, variables: &[(&str, &str)]| {
        let mut command = asking(&files, home, keys);
        command.envs(variables.iter().copied());
        note(case, &files, finish(command.args(["check", location]), ""));
    };
    ask("no keys", None, &location, &[]);
    ask("an unknown key", Some(("AKIDOTHER", SECRET)), &location, &[]);
    ask("a wrong secret", Some((KEY, "mistyped")), &location, &[]);
    ask("no such bucket", Some((KEY, SECRET)), "s3://other/cache", &[]);
    ask(
        "no such cache",
        Some((KEY, SECRET)),
        &format!("s3://{BUCKET}/other"),
        &[],
    );
    ask("no bucket at all", Some((KEY, SECRET)), "s3:///cache", &[]);
    ask(
        "a profile that does not exist",
        None,
        &location,
        &[("AWS_PROFILE", "none")],
    );
    ask(
        "an endpoint that is none",
        Some((KEY, SECRET)),
        &location,
        &[("AWS_ENDPOINT_URL_S3", "store.example")],
    );
    files.answer_next(
        &format!("cache/{}/chunk-00000001.safetensors", HOOKS[0]),
        301,
        "x-amz-bucket-region: eu-west-7\r\n",
    );
    ask("another region", Some((KEY, SECRET)), &location, &[]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_public_bucket_needs_no_keys_and_an_unknown_hook_point_is_named() {
    let (folder, files) = served(Kind::PublicStore, "cache");
    let folder = folder.path();
    let mut command = asking(&files, folder, None);
    finish(
        command.args(["check", &format!("s3://{BUCKET}/cache/{}", HOOKS[0])]),
        "",
    )
    .ended_with(0);
    let asked = files.take_requests();
    assert!(
        asked
            .iter()
            .all(|request| !request.path.contains("X-Amz-Signature"))
    );

    training(folder, &format!("s3://{BUCKET}/cache"), "there");
    let mut command = asking(&files, folder, None);
    let wrong = "blocks.1.hook_resid_pre";
    let factory = format!("activation_factory.hook_points=[\"{wrong}\"]");
    let (input, output) = (
        format!("sae.hook_point_in={wrong}"),
        format!("sae.hook_point_out={wrong}"),
    );
    let changes = ["--set", &factory, "--set", &input, "--set", &output];
    let ran = finish(command.args(["train", "there.toml"]).args(changes), "").ended_with(2);
    assert!(ran.err.contains("did you mean"), "{}", ran.err);
}
