//! What scripts may reach, by default, by flags and by manifests; what libraries may; how long scripts may run.

mod doors;
mod libraries;
mod limits;
mod page;
mod prompt;
mod races;

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Ran, finish, program};

/// A folder to work in, one for the script, and something outside of both.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = World(tempfile::tempdir().expect("a temporary folder"));
        for (name, text) in [
            ("work/file", "work"),
            ("scripts/file", "beside"),
            ("outside/file", "outside"),
            ("outside/module.rhai", "fn one() { 1 }"),
            ("scripts/module.rhai", "fn one() { 1 }"),
        ] {
            world.write(name, text);
        }
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// Runs a script with these flags and arguments.
    fn run(&self, flags: &[&str], text: &str, arguments: &[&str]) -> Ran {
        self.write("scripts/script.rhai", text);
        let mut command = program();
        command
            .arg("run")
            .args(flags)
            .arg("../scripts/script.rhai")
            .args(arguments)
            .current_dir(self.at("work"))
            .env("HOME", self.at("home"))
            .env("HF_HOME", self.at("home/hf"))
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_TOKEN", "hf_secret")
            .env("OTHER", "value");
        finish(&mut command, "")
    }

    #[track_caller]
    fn prints(&self, flags: &[&str], text: &str, expected: &str) {
        assert_eq!(self.run(flags, text, &[]).ended_with(0).out.trim(), expected);
    }

    /// What a script is refused with.
    #[track_caller]
    fn refusal(&self, flags: &[&str], text: &str) -> String {
        self.run(flags, text, &[]).ended_with(2).err
    }
}

#[test]
fn scripts_read_and_write_where_they_work() {
    let world = World::new();
    let text = r#"
        print(read_text("file"));
        print(read_text(SCRIPT_DIR + "/file"));
        write_text("made/new", "new");
        print(read_text("made/new"));
        let own = temporary_folder();
        write_text(own + "/x", "temporary");
        print(read_text(own + "/x"));
        print(own);
    "#;
    let ran = world.run(&[], text, &[]).ended_with(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(&lines[..4], ["work", "beside", "new", "temporary"]);
    assert!(!Path::new(lines[4]).exists(), "{} was left", lines[4]);
}

#[test]
fn a_refusal_says_what_where_and_how_to_allow_it() {
    let world = World::new();
    let outside = fs::canonicalize(world.at("outside/file")).expect("there");
    let said = world.refusal(&[], "let x = 1;\nread_text(\"../outside/file\");\n");
    for part in [
        "the script may not read `../outside/file`".to_string(),
        format!("--allow-read={}", outside.display()),
        "script.rhai:2:".into(),
        "[permissions]".into(),
    ] {
        assert!(said.contains(&part), "{part} in {said}");
    }
    let caught = r#"try { read_text("../outside/file"); } catch (e) { print(e.kind); }"#;
    world.prints(&[], caught, "permission");
}

#[test]
fn flags_allow_what_they_name() {
    let world = World::new();
    let outside = world.shown("outside");
    let read = format!("print(read_text(\"{outside}/file\"));");
    let write = format!("write_text(\"{outside}/new\", \"x\"); print(1);");
    let flag = |name: &str, value: &str| format!("{name}={value}");
    for flags in [
        vec![flag("--allow-read", &outside)],
        vec![flag("--allow-read", &format!("/nowhere,{outside}/file"))],
        vec!["--allow-read".into()],
        vec!["-A".into()],
        vec!["--sandbox".into(), flag("--allow-read", &outside)],
    ] {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        world.prints(&flags, &read, "outside");
    }
    world.prints(&[&flag("--allow-write", &outside)], &write, "1");
    assert!(
        world
            .refusal(&[&flag("--allow-write", &outside)], &read)
            .contains("may not read")
    );
    assert!(
        world
            .refusal(&[&flag("--allow-read", &outside)], &write)
            .contains("may not write")
    );
    let one = flag("--allow-write", &format!("{outside}/new"));
    world.prints(&[&one], &write, "1");
    assert!(
        world
            .refusal(&[&one], "write_text(\"../outside/other\", \"x\");")
            .contains("may not write")
    );
    world.prints(&["--allow-env=OTHER"], "print(env(\"OTHER\"));", "value");
    world.prints(&["--allow-env=OTH*"], "print(env(\"OTHER\"));", "value");
    let import = "import \"../outside/module\" as m; print(m::one());";
    assert!(world.refusal(&[], import).contains("may not read"));
    world.prints(&[&flag("--allow-read", &outside)], import, "1");
    assert!(
        world
            .refusal(&["--allow-net=no server"], "")
            .contains("names no server")
    );
    assert!(world.refusal(&["--prompt"], "").contains("there is none"));
}

#[test]
fn what_arguments_name_is_allowed() {
    let world = World::new();
    let outside = world.shown("outside");
    let text = "let p = ARGS[0]; if p.contains(\"=\") { p = p.split(\"=\")[1]; } print(read_text(p + \"/file\"));\
                write_text(p + \"/new\", \"x\");";
    for argument in [outside.clone(), format!("--data={outside}"), "../outside".into()] {
        let ran = world.run(&[], text, &[&argument]).ended_with(0);
        assert_eq!(ran.out.trim(), "outside");
    }
    world.run(&["--sandbox"], text, &[&outside]).ended_with(2);
}

#[test]
fn servers_are_asked_only_where_they_are_named() {
    let world = World::new();
    let text = "ActivationFactory(ActivationFactoryConfig(#{ sources: [ActivationFactoryActivationsSource(#{ name: \"x\", \
                path: \"http://127.0.0.1:9/cache\" })], target: ActivationFactoryTarget::ACTIVATIONS_1D, hook_points: \
                [\"h\"], batch_size: 4 })); print(1);";
    let said = world.refusal(&[], text);
    assert!(said.contains("--allow-net=127.0.0.1:9"), "{said}");
    for flag in [
        "--allow-net=127.0.0.1:9",
        "--allow-net=127.0.0.1",
        "--allow-net",
        "-A",
    ] {
        world.prints(&[flag], text, "1");
    }
    world.refusal(&["--allow-net=127.0.0.1:10,example.org"], text);
}

#[test]
fn the_sandbox_has_the_script_and_nothing_else() {
    let world = World::new();
    world.prints(
        &["--sandbox"],
        "import \"module\" as m; import \"std/tables\" as t; print(m::one() + torch::ones([2]).sum().item());",
        "3.0",
    );
    for text in [
        "read_text(\"file\");",
        "read_text(SCRIPT_DIR + \"/file\");",
        "write_text(\"new\", \"x\");",
        "temporary_folder();",
        "env(\"RANK\");",
        "LanguageModel(LanguageModelConfig(#{ model_name: \"org/none\" }));",
    ] {
        let said = world.refusal(&["--sandbox"], text);
        assert!(said.contains("may not"), "{text}: {said}");
    }
}

#[test]
fn a_project_grants_its_scripts_more_and_they_cannot() {
    let world = World::new();
    world.write(
        "scripts/saescript.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\n[permissions]\nread = [\"../outside\"]\nenv = [\"OTHER\"]\n",
    );
    world.prints(
        &[],
        "print(read_text(\"../outside/file\") + env(\"OTHER\"));",
        "outsidevalue",
    );
    world.refusal(&["--sandbox"], "read_text(\"../outside/file\");");
    let manifest = "write_text(SCRIPT_DIR + \"/saescript.toml\", \"\"); print(1);";
    assert!(world.refusal(&[], manifest).contains("may not write"));
    assert!(
        world
            .refusal(&["--allow-write=../scripts"], manifest)
            .contains("may not write")
    );
    world.prints(&["--allow-write=../scripts/saescript.toml"], manifest, "1");
    world.write(
        "scripts/saescript.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\n[permissions]\nnet = [\"a b\"]\n",
    );
    let said = world.refusal(&[], "");
    assert!(said.contains("permissions.net[0]"), "{said}");
}

#[test]
fn tokens_are_read_by_no_script() {
    let world = World::new();
    world.write("home/hf/token", "hf_stored");
    let file = format!("read_text(\"{}\");", world.shown("home/hf/token"));
    for flags in [
        &[][..],
        &["-A"],
        &["--allow-env", "--allow-read"],
        &["--allow-env=HF_TOKEN"],
    ] {
        for text in ["env(\"HF_TOKEN\");", &file] {
            let said = world.refusal(flags, text);
            assert!(
                said.contains("no script may read") || said.contains("may not read"),
                "{said}"
            );
            assert!(!said.contains("hf_s"), "{said}");
        }
    }
}

#[test]
fn a_session_acts_as_its_user_but_for_tokens() {
    let world = World::new();
    let entries = format!(
        "read_text(\"{}/file\")\nenv(\"HF_TOKEN\")\n",
        world.shown("outside")
    );
    let mut command = program();
    command
        .args(["repl", "--quiet"])
        .env("HF_TOKEN", "hf_secret")
        .env("HOME", world.at("home"));
    let ran = finish(&mut command, &entries);
    assert!(ran.out.contains("outside"), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("holds a secret"), "{}{}", ran.out, ran.err);
    assert!(!ran.out.contains("hf_secret"), "{}", ran.out);
}

#[test]
fn tests_have_a_folder_and_the_flags_of_the_command() {
    let world = World::new();
    let outside = world.shown("outside");
    world.write(
        "work/tests/a.rhai",
        &format!(
            "fn test_own() {{ let f = env(\"SAESCRIPT_TEST_FOLDER\") + \"/x\"; write_text(f, \"x\"); read_text(f); }}\n\
             fn test_outside() {{ read_text(\"{outside}/file\"); }}\n"
        ),
    );
    let test = |flags: &[&str]| {
        let mut command = program();
        command.arg("test").args(flags).current_dir(world.at("work"));
        finish(&mut command, "")
    };
    let ran = test(&[]).ended_with(1);
    assert!(ran.out.contains("1 passed, 1 failed"), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("--allow-read="), "{}", ran.err);
    test(&[&format!("--allow-read={outside}")]).ended_with(0);
}
