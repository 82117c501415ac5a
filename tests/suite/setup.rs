//! scripts/setup in checkouts and caches of the tests' own, without a network.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with checkouts and a user's cache in it.
struct World(TempDir);

impl World {
    fn new() -> Self {
        // On the disk of the build, which has the room that the script asks for.
        World(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A checkout with nothing but what the script reads.
    fn checkout(&self, name: &str) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let checkout = self.path(name);
        fs::create_dir_all(checkout.join("scripts")).expect("writable");
        for file in [
            "Cargo.toml",
            "scripts/setup",
            "scripts/libtorch-cpu.txt",
            "scripts/libtorch-cuda.txt",
            "scripts/libtorch-unpack.py",
        ] {
            fs::copy(source.join(file), checkout.join(file)).expect(file);
        }
        checkout
    }

    /// Something with the outward signs of a libtorch.
    fn libtorch(&self, folder: &str, version: &str) -> PathBuf {
        let folder = self.path(folder);
        let header = folder.join("include/torch/headeronly/version.h");
        fs::create_dir_all(folder.join("lib")).expect("writable");
        fs::create_dir_all(header.parent().expect("a parent")).expect("writable");
        fs::write(folder.join("lib/libtorch_cpu.so"), "library").expect("writable");
        fs::write(header, format!("#define TORCH_VERSION \\\n  \"{version}\"\n")).expect("writable");
        folder
    }

    /// The user's cache after an earlier set-up of `kind` ("cpu" or "cuda") from `checkout`.
    fn cached(&self, checkout: &Path, kind: &str) -> PathBuf {
        let set = self.path(&format!("cache/saescript/libtorch-2.11.0-{kind}"));
        self.libtorch(&format!("cache/saescript/libtorch-2.11.0-{kind}/torch"), "2.11.0");
        fs::create_dir(set.join("nvidia")).expect("writable");
        fs::copy(
            checkout.join(format!("scripts/libtorch-{kind}.txt")),
            set.join("stamp"),
        )
        .expect("a list");
        set
    }

    fn setup(&self, checkout: &Path) -> Command {
        let mut command = Command::new(checkout.join("scripts/setup"));
        for variable in [
            "LIBTORCH",
            "LIBTORCH_USE_PYTORCH",
            "PIP_INDEX_URL",
            "PIP_EXTRA_INDEX_URL",
        ] {
            command.env_remove(variable);
        }
        command
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", self.path("wheels"));
        command
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("bash is there");
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Fails with exit code 1 and, as its last line, a sentence with these words in it.
#[track_caller]
fn fails(command: &mut Command, words: &[&str]) {
    let output = command.output().expect("bash is there");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("setup: "), "{text}");
    for word in words {
        assert!(last.contains(word), "no `{word}` in: {text}");
    }
}

fn leads_to(link: &Path) -> PathBuf {
    link.canonicalize().expect("a link that leads somewhere")
}

#[test]
fn a_second_checkout_uses_what_the_first_downloaded() {
    let world = World::new();
    let (first, second) = (world.checkout("first"), world.checkout("second"));
    let set = world.cached(&first, "cuda");
    for checkout in [&first, &second] {
        assert_eq!(succeeds(world.setup(checkout).arg("--cuda")), "");
        assert_eq!(leads_to(&checkout.join(".libtorch")), leads_to(&set));
        // Once linked, the CUDA set serves any machine.
        assert_eq!(succeeds(&mut world.setup(checkout)), "");
        assert_eq!(leads_to(&checkout.join(".libtorch")), leads_to(&set));
    }
}

#[test]
fn a_chosen_set_stays_until_another_is_chosen() {
    let world = World::new();
    let checkout = world.checkout("checkout");
    let (cpu, cuda) = (world.cached(&checkout, "cpu"), world.cached(&checkout, "cuda"));
    let torch = checkout.join(".libtorch/torch");
    succeeds(world.setup(&checkout).arg("--cpu"));
    succeeds(&mut world.setup(&checkout));
    assert_eq!(leads_to(&torch), leads_to(&cpu.join("torch")));
    succeeds(world.setup(&checkout).arg("--cuda"));
    assert_eq!(leads_to(&torch), leads_to(&cuda.join("torch")));
}

#[test]
fn a_libtorch_of_ones_own_is_used_and_stays() {
    let world = World::new();
    let checkout = world.checkout("checkout");
    let own = world.libtorch("own", "2.11.0");
    let said = succeeds(world.setup(&checkout).env("LIBTORCH", &own));
    assert!(said.contains("using the libtorch in"), "{said}");
    assert_eq!(succeeds(&mut world.setup(&checkout)), "");
    assert_eq!(leads_to(&checkout.join(".libtorch/torch")), leads_to(&own));
}

#[test]
fn a_libtorch_that_will_not_do_is_refused() {
    let world = World::new();
    let checkout = world.checkout("checkout");
    let old = world.libtorch("old", "2.9.1");
    let setup = |folder: &Path| {
        let mut command = world.setup(&checkout);
        command.env("LIBTORCH", folder);
        command
    };
    fails(
        &mut setup(&old),
        &["libtorch 2.11.0 is needed", "is 2.9.1", "unset LIBTORCH"],
    );
    fails(&mut setup(&world.path("nowhere")), &["no folder", "unset it"]);
    fails(&mut setup(&checkout), &["holds no libtorch", "unset it"]);
    assert!(!checkout.join(".libtorch").exists());
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let world = World::new();
    let checkout = world.checkout("checkout");
    fails(
        world.setup(&checkout).env("OSTYPE", "darwin24"),
        &["Linux", "darwin24"],
    );

    let programs = world.path("programs");
    fs::create_dir(&programs).expect("writable");
    for program in ["bash", "env", "dirname"] {
        let asked = ["-c", "command -v \"$0\"", program];
        let found = Command::new("sh").args(asked).output().expect("sh is there");
        let found = String::from_utf8_lossy(&found.stdout).trim().to_string();
        symlink(found, programs.join(program)).expect("writable");
    }
    let setup = || {
        let mut command = world.setup(&checkout);
        command
            .env("PATH", &programs)
            .env("HOME", &programs)
            .env_remove("CARGO_HOME");
        command.env_remove("CXX").env_remove("CC");
        command
    };
    fails(&mut setup(), &["cargo", "rustup"]);
    let script = |name: &str, text: &str| {
        fs::write(programs.join(name), format!("#!/bin/sh\n{text}\n")).expect("writable");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(programs.join(name), mode).expect("ours");
    };
    script("cargo", "exit 0");
    script("rustc", "echo 'rustc 1.80.1 (3f5fd8dd4 2024-08-06)'");
    fails(&mut setup(), &["1.80.1", "rustup update"]);
    script("rustc", "echo 'rustc 1.99.0-nightly (3f5fd8dd4 2026-08-06)'");
    fails(&mut setup(), &["C++ compiler", "g++"]);
}

#[test]
fn a_wheel_that_cannot_be_had_is_named() {
    let world = World::new();
    let checkout = world.checkout("checkout");
    fs::create_dir(world.path("wheels")).expect("writable");
    fails(
        world.setup(&checkout).arg("--cpu"),
        &["torch==2.11.0", "LIBTORCH"],
    );
    assert!(!checkout.join(".libtorch").exists());
}

#[test]
fn an_altered_wheel_is_refused() {
    let world = World::new();
    let checkout = world.checkout("checkout");
    fs::create_dir(world.path("wheels")).expect("writable");
    let wheel = "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl";
    fs::write(world.path("wheels").join(wheel), "not what was pinned").expect("writable");
    fails(
        world.setup(&checkout).arg("--cpu"),
        &["torch==2.11.0", "sha256 differs"],
    );
    assert!(!checkout.join(".libtorch").exists());
    let partial = world.path("cache/saescript/partial/torch-2.11.0").join(wheel);
    assert!(!partial.exists(), "an altered wheel is not kept");
}

#[test]
fn what_is_in_the_way_is_left_alone() {
    let world = World::new();
    let checkout = world.checkout("checkout");
    world.cached(&checkout, "cpu");
    let own = checkout.join(".libtorch/notes.txt");
    fs::create_dir(checkout.join(".libtorch")).expect("writable");
    fs::write(&own, "mine").expect("writable");
    fails(
        world.setup(&checkout).arg("--cpu"),
        &["in the way", "move it aside"],
    );
    assert_eq!(fs::read_to_string(&own).expect("still there"), "mine");
}
