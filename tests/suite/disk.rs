//! Disks that are full and folders that may not be written to.
//!
//! The disks are small ones in memory, made in a name space of their own, which takes no rights but may be forbidden;
//! then these tests say so and end.

use std::path::Path;
use std::process::Command;

use crate::activations::files::{Files, Kind};
use crate::generate::{contents, workspace};
use crate::program::{Ran, finish, program, run_in};

/// The program behind a shell script that runs as root of a name space of its own: `$0` is the program, and a disk of
/// the options `disk` is mounted on `small`. `None` where that is forbidden.
pub fn on_a_disk(folder: &Path, disk: &str, script: &str) -> Option<Ran> {
    let mut probe = Command::new("unshare");
    let allowed = probe
        .args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"])
        .output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no disk can be mounted here without rights");
        return None;
    }
    let small = folder.join("small");
    std::fs::create_dir_all(&small).expect("made");
    let program = program();
    let mut command = Command::new("unshare");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(["-rm", "sh", "-c"])
        .arg(format!(
            "mount -t tmpfs -o {disk} tmpfs small || exit 99\n{script}"
        ))
        .arg(program.get_program())
        .current_dir(folder);
    Some(finish(&mut command, ""))
}

/// The chunks of a cache, and its indices.
fn cache_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let all = contents(folder).into_iter();
    all.filter(|(name, _)| name.ends_with(".safetensors") || name.ends_with("index.jsonl"))
        .collect()
}

/// Generates on a disk that fills up, keeps what is there then, makes the disk larger and generates again.
fn fills_up(disk: &str, larger: &str, says: &[&str]) {
    let folder = workspace();
    let folder = folder.path();
    let all = ["--set", "total_tokens=null"];
    let whole = ["--set", "output_dir=whole"];
    run_in(
        folder,
        ["generate", "generate.toml"].into_iter().chain(all).chain(whole),
    )
    .ended_with(0);
    // The name of the folder is no part of what a cache is.
    let generate = "\"$0\" generate generate.toml --set total_tokens=null --set output_dir=small/activations";
    let script = format!(
        "{generate} 2> full.txt; echo \"code $?\" >> full.txt\n\
         cp -r small/activations stopped\n\
         mount -o remount,{larger} small\n\
         {generate} || exit 98\n\
         cp -r small/activations completed"
    );
    let Some(ran) = on_a_disk(folder, disk, &script) else {
        return;
    };
    ran.ended_with(0);
    let full = std::fs::read_to_string(folder.join("full.txt")).expect("read");
    for part in says {
        assert!(full.contains(part), "{part}: {full}");
    }
    assert!(full.contains("code 1"), "{full}");
    let (stopped, whole) = (
        cache_files(&folder.join("stopped")),
        cache_files(&folder.join("whole")),
    );
    let chunks = |files: &[(String, Vec<u8>)]| files.iter().filter(|(name, _)| !name.ends_with("l")).count();
    assert!(
        (4..chunks(&whole)).contains(&chunks(&stopped)),
        "{} of {} chunks",
        chunks(&stopped),
        chunks(&whole)
    );
    for (name, bytes) in &stopped {
        let (_, expected) = whole
            .iter()
            .find(|(known, _)| known == name)
            .expect("a chunk of the whole");
        if name.ends_with("index.jsonl") {
            assert!(expected.starts_with(bytes) && bytes.ends_with(b"\n"), "{name}")
        } else {
            assert!(expected == bytes, "{name} differs")
        }
    }
    assert!(
        cache_files(&folder.join("completed")) == whole,
        "the completed cache differs"
    );
}

#[test]
fn a_generation_stops_before_the_disk_is_full_and_goes_on_when_there_is_room() {
    fills_up(
        "size=1m",
        "size=64m",
        &[
            "more in `small/activations`, where",
            "are free",
            "run the same generation again",
        ],
    );
}

#[test]
fn a_generation_survives_a_disk_that_is_full_at_once() {
    // Room for bytes, but not for files: what the free space does not foretell.
    fills_up(
        "size=64m,nr_inodes=40",
        "nr_inodes=10000",
        &[
            "no space is left on the disk",
            "nothing that was saved before is damaged",
        ],
    );
}

#[test]
fn a_forecast_refuses_what_will_never_fit() {
    let folder = workspace();
    let folder = folder.path();
    let generate = "\"$0\" generate generate.toml --set output_dir=small/activations";
    let script = format!("{generate} 2>&1; code=$?; ls small/activations/*; exit $code");
    if let Some(ran) = on_a_disk(folder, "size=600k", &script) {
        let ran = ran.ended_with(1);
        assert!(ran.out.contains("more in `small/activations`"), "{}", ran.out);
        assert!(!ran.out.contains("chunk-"), "nothing is begun: {}", ran.out);
    }
}

#[test]
fn fetched_chunks_need_room() {
    let folder = workspace();
    let folder = folder.path();
    run_in(folder, ["generate", "generate.toml"]).ended_with(0);
    let files = Files::start(Kind::Web);
    files.upload(&folder.join("activations"), "cache");
    let script = format!("SAESCRIPT_SPOOL=small \"$0\" check {}/cache", files.address);
    if let Some(ran) = on_a_disk(folder, "size=8k", &script) {
        let ran = ran.ended_with(1);
        for part in [
            "has to be fetched to `small`, where",
            "chunk-",
            "set SAESCRIPT_SPOOL",
            "smaller `prefetch`",
        ] {
            assert!(ran.err.contains(part), "{part}: {}", ran.err);
        }
    }
    // With room, nothing is left there afterwards.
    let spool = folder.join("spool");
    std::fs::create_dir(&spool).expect("made");
    let mut command = program();
    command.env("SAESCRIPT_SPOOL", &spool);
    finish(command.args(["check", &format!("{}/cache", files.address)]), "").ended_with(0);
    assert_eq!(std::fs::read_dir(&spool).expect("a folder").count(), 0);
}

/// Makes `folder` one that nobody but its owner may use, and gives what the program is run behind so that it is not
/// the owner: for root, whom no permission stops, a name space in which that owner does not exist.
fn forbid(folder: &Path, mode: u32) -> Option<Vec<&'static str>> {
    use std::os::unix::fs::{PermissionsExt, chown};
    if chown(folder, Some(12_345), Some(12_345)).is_ok() {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(mode)).expect("set");
        let allowed = Command::new("unshare").args(["-r", "true"]).status();
        if !allowed.is_ok_and(|status| status.success()) {
            eprintln!("skipped: root may do everything here");
            return None;
        }
        return Some(vec!["unshare", "-r"]);
    }
    std::fs::set_permissions(folder, PermissionsExt::from_mode(mode)).expect("set");
    Some(vec!["env"])
}

fn behind(wrapper: &[&str], folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(program().get_program())
        .args(arguments);
    command.env("OMP_NUM_THREADS", "1").current_dir(folder);
    finish(&mut command, "")
}

#[test]
fn folders_without_permission_are_named() {
    let folder = workspace();
    let folder = folder.path();
    run_in(folder, ["generate", "generate.toml"]).ended_with(0);
    let closed = folder.join("closed");
    std::fs::create_dir(&closed).expect("made");
    let Some(wrapper) = forbid(&closed, 0o555) else {
        return;
    };
    let generate = ["generate", "generate.toml", "--set", "output_dir=closed/cache"];
    let ran = behind(&wrapper, folder, &generate).ended_with(2);
    assert!(
        ran.err.contains("cannot create `closed/cache`") && ran.err.contains("permission denied"),
        "{}",
        ran.err
    );
    let hook = folder.join("activations/blocks.0.hook_mlp_out");
    if forbid(&hook, 0o000).is_some() {
        let script = r#"
            let stream = ActivationFactory(ActivationFactoryConfig(#{
                sources: [ActivationFactoryActivationsSource(#{ path: "activations", name: "cached" })],
                target: ActivationFactoryTarget::ACTIVATIONS_1D,
                hook_points: ["blocks.0.hook_mlp_out"],
                batch_size: 128,
            })).process();
        "#;
        std::fs::write(folder.join("script.rhai"), script).expect("written");
        let ran = behind(&wrapper, folder, &["run", "script.rhai"]).ended_with(2);
        assert!(
            ran.err.contains("blocks.0.hook_mlp_out") && ran.err.contains("permission denied"),
            "{}",
            ran.err
        );
    }
    // So that the folder can be removed by whoever made it.
    use std::os::unix::fs::PermissionsExt;
    for path in [closed, hook] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("set");
    }
}
