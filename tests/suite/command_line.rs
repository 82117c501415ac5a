//! Help texts, exit codes, pipes and signals.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{finish, program, run, run_in, script};

#[test]
fn every_command_has_help_with_examples_that_parse() {
    let help = run(["--help"]).ended_with(0).out;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let help = run([command, "--help"]).ended_with(0).out;
        let examples = help.split_once("Examples:\n").map(|(_, text)| text);
        let examples = examples.unwrap_or_else(|| panic!("`{command} --help` has no examples"));
        for example in examples
            .lines()
            .filter_map(|line| line.trim().split_once("saescript "))
        {
            let words = example.1.split(" #").next().unwrap_or_default();
            let words = words.split([';', '|', '>', '2']).next().unwrap_or_default();
            let first = words.split_whitespace().next().unwrap_or_default();
            assert_eq!(first, command, "an example of {command}: {example:?}");
        }
    }
}

#[test]
fn shells_are_told_what_they_complete() {
    for (shell, part) in [
        ("bash", "complete -F _saescript"),
        ("zsh", "#compdef saescript"),
        ("fish", "-c saescript"),
    ] {
        let text = run(["completions", shell]).ended_with(0).out;
        assert!(text.contains(part) && text.contains("completions"), "{shell}");
    }
    run(["completions", "cmd"]).ended_with(2);
}

#[test]
fn exit_codes_tell_whose_fault_it_was() {
    for (text, code) in [
        ("1 + 1", 0),
        ("exit(7)", 7),
        ("no_such_name", 2),
        ("let x = ;", 2),
        ("throw \"stop\"", 2),
        ("torch::load(\"missing.safetensors\")", 2),
    ] {
        let (_folder, path) = script(text);
        let ran = run(["run".as_ref(), path.as_os_str()]).ended_with(code);
        assert_eq!(ran.err.is_empty(), code == 0 || code == 7, "{text}: {}", ran.err);
    }
    assert!(
        run(["run", "missing.rhai"])
            .ended_with(2)
            .err
            .contains("there is no such file")
    );
    run(["no-such-command"]).ended_with(2);
    run(["doc", "--no-such-option"]).ended_with(2);
}

#[test]
fn a_script_instead_of_a_command_is_explained() {
    let ran = run(["train.rhai"]).ended_with(2);
    assert!(ran.err.contains("saescript run train.rhai"), "{}", ran.err);
}

#[test]
fn arguments_reach_the_script_as_they_are() {
    let (_folder, path) = script("print(ARGS.len()); for arg in ARGS { print(arg) }");
    let path = path.to_str().expect("UTF-8");
    let ran = run(["run", path, "a b", "--quiet", "-x", "ü"]).ended_with(0);
    assert_eq!(ran.out, "4\na b\n--quiet\n-x\nü\n");
}

#[test]
fn errors_show_the_place_without_colours_in_a_pipe() {
    let (folder, _) = script("let lr = 1;\nprint(rl);");
    let ran = run_in(folder.path(), ["run", "script.rhai"]).ended_with(2);
    assert!(ran.err.contains("script.rhai:2:7"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `lr`?"), "{}", ran.err);
    assert!(!ran.err.contains('\x1b'), "{:?}", ran.err);
}

#[test]
fn no_color_is_respected_where_colours_are_forced_by_nothing_else() {
    let (_folder, path) = script("no_such");
    let path = path.to_str().expect("UTF-8");
    let coloured = finish(program().env("CLICOLOR_FORCE", "1").args(["run", path]), "");
    assert!(coloured.err.contains('\x1b'), "{:?}", coloured.err);
    let plain = finish(
        program()
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1")
            .args(["run", path]),
        "",
    );
    assert!(!plain.err.contains('\x1b'), "{:?}", plain.err);
}

#[test]
fn a_reader_that_leaves_ends_the_script_quietly() {
    let (_folder, path) = script("let n = 0; loop { print(n); n += 1; }");
    let mut child = program()
        .arg("run")
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for expected in ["0", "1", "2"] {
        assert_eq!(lines.next().expect("a line").expect("UTF-8"), expected);
    }
    drop(lines);
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut said)
        .expect("UTF-8");
    assert_eq!(said, "");
    assert_eq!(child.wait().expect("the program ends").code(), Some(0));
}

#[test]
fn help_into_a_closed_pipe_does_not_panic() {
    for arguments in [&["--help"][..], &["doc"], &["doctor"]] {
        let mut child = program()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let (_folder, path) = script("print(1)");
    let output = program()
        .arg("run")
        .arg(path)
        .stdout(full)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output"), "{said}");
}

#[test]
fn interrupts_stop_a_script_at_once_or_at_a_safe_point() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let (_folder, path) = script("print(\"ready\"); loop {}");
        let mut child = program()
            .arg("run")
            .arg(path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        assert_eq!(lines.next().expect("a line").expect("UTF-8"), "ready");
        let id = i32::try_from(child.id()).expect("a process id");
        let sent = Instant::now();
        // SAFETY: the child has not been waited for, so the id is still its own.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
        assert_eq!(child.wait().expect("the program ends").code(), Some(130));
        assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
    }
}

#[test]
fn an_interrupted_training_says_where_it_is_saved() {
    let (folder, path) = script(
        r#"
        let batch = #{ "x": torch::randn([64, 8]) };
        let batches = [];
        for i in 0..50000 { batches.push(batch); }
        let sae = SparseAutoEncoder(SAEConfig(#{ hook_point_in: "x", hook_point_out: "x", d_model: 8, expansion_factor: 2 }));
        let trainer = Trainer(TrainerConfig(#{
            total_training_tokens: 64 * 50000, lr_warm_up_steps: 0, n_checkpoints: 0, exp_result_path: ARGS[0],
        }));
        trainer.on_step(|report| if report.step == 3 { print("ready") });
        trainer.fit(#{ sae: sae, activation_stream: ActivationStream(batches) });
        print("not reached");
        "#,
    );
    let mut child = program()
        .arg("run")
        .arg(path)
        .arg(folder.path().join("results"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("UTF-8"), "ready");
    let id = i32::try_from(child.id()).expect("a process id");
    // SAFETY: the child has not been waited for, so the id is still its own.
    assert_eq!(unsafe { libc::kill(id, libc::SIGINT) }, 0);
    assert!(lines.next().is_none(), "the script went on");
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(ended.status.code(), Some(130));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("the training is saved in"), "{said}");
    assert!(said.contains("from_pretrained_path"), "{said}");
    let saved = std::fs::read_dir(folder.path().join("results/checkpoints")).expect("checkpoints");
    assert_eq!(saved.count(), 1);
}

#[test]
fn check_finds_what_is_wrong_and_runs_nothing() {
    let (folder, _) = script("import \"other\" as other;\nprint(\"it ran\"); other::f();");
    std::fs::write(folder.path().join("other.rhai"), "fn f() {\n    1 +\n}\n").expect("writable");
    let ran = run_in(folder.path(), ["check", "script.rhai"]).ended_with(2);
    assert!(ran.err.contains("other.rhai:3"), "{}", ran.err);
    assert!(!ran.out.contains("it ran"), "{}", ran.out);
    std::fs::write(folder.path().join("other.rhai"), "fn f() { 1 }").expect("writable");
    let ran = run_in(folder.path(), ["check", "script.rhai"]).ended_with(0);
    assert_eq!(ran.out, "script.rhai: ok\n");
}

#[test]
fn check_names_imports_that_are_not_there() {
    let (folder, _) = script("let x = 1;\nimport \"othr\" as other;\n");
    std::fs::write(folder.path().join("other.rhai"), "").expect("writable");
    let ran = run_in(folder.path(), ["check", "--json", "script.rhai"]).ended_with(2);
    let found: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(found[0]["file"], "script.rhai");
    assert_eq!((&found[0]["line"], &found[0]["column"]), (&2.into(), &8.into()));
    assert!(
        found[0]["hints"].to_string().contains("did you mean `other`?"),
        "{found}"
    );
}

#[test]
fn definitions_are_written_for_editors() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_in(folder.path(), ["doc", "--definitions", "definitions"]).ended_with(0);
    let read =
        |name: &str| std::fs::read_to_string(folder.path().join("definitions").join(name)).expect(name);
    let own = read("__static__.d.rhai");
    assert!(own.starts_with("module static;\n"), "{own}");
    assert!(
        own.contains("\nfn SAEConfig(config: map) -> SAEConfig;\n"),
        "{own}"
    );
    assert!(
        own.contains("\nfn get d_model(this: SAEConfig) -> int;\n"),
        "{own}"
    );
    let torch = read("torch.d.rhai");
    assert!(torch.starts_with("module torch;\n"), "{torch}");
    assert!(torch.contains("\nfn zeros(size: "), "{torch}");
}

#[test]
fn sessions_without_a_terminal_read_entries_and_go_on_after_errors() {
    let input = "let x = 20\nfn twice(n) {\n    n * 2\n}\nno_such\ntwice(x) + 2\n\"text\"\n:type x\n";
    let ran = finish(program().arg("repl"), input).ended_with(2);
    assert_eq!(ran.out, "42\n\"text\"\nint\n");
    assert!(ran.err.contains("repl:3:1"), "{}", ran.err);
    assert!(ran.err.contains("unknown variable `no_such`"), "{}", ran.err);
    finish(program().arg("repl"), "exit(3)\nprint(1)\n").ended_with(3);
    let unfinished = finish(program().arg("repl"), "fn f( {\n").ended_with(2);
    assert!(unfinished.err.contains("repl:1"), "{}", unfinished.err);
}

#[test]
fn loaded_scripts_know_their_own_folder() {
    let (folder, path) = script("let here = SCRIPT_DIR; fn there() { SCRIPT_PATH }\n");
    let input = format!("SCRIPT_DIR\n:load {}\nhere\nthere()\n", path.display());
    let ran = finish(program().arg("repl"), &input).ended_with(0);
    let wanted = format!(
        "\".\"\n{:?}\n{:?}\n",
        folder.path().display().to_string(),
        path.display().to_string()
    );
    assert_eq!(ran.out, wanted);
}

#[test]
fn errors_in_functions_of_earlier_entries_show_those_entries() {
    let input = "fn inner(t) {\n    t.nothing()\n}\nlet x = 1;\ninner(torch::zeros(1))\nfn inner(t) { t.missing() }\n\
                 let f = |t| t.absent();\ninner(torch::zeros(1))\nf.call(torch::zeros(1))\n";
    let ran = finish(program().arg("repl"), input).ended_with(2);
    for place in [
        "repl:1:2:7",
        "called from repl:3:1:1",
        "repl:4:1:17",
        "repl:5:1:15",
    ] {
        assert!(ran.err.contains(place), "{place} in {}", ran.err);
    }
    for line in [
        "    t.nothing()",
        "fn inner(t) { t.missing() }",
        "let f = |t| t.absent();",
    ] {
        assert!(ran.err.contains(line), "{line} in {}", ran.err);
    }
}

#[test]
fn what_people_type_from_habit_is_explained() {
    let ran = finish(program().arg("repl"), "x = 5\n\"open\n1 + 1\n").ended_with(2);
    assert!(ran.err.contains("write `let x = …`"), "{}", ran.err);
    assert!(ran.err.contains("repl:2"), "{}", ran.err);
    assert_eq!(ran.out, "2\n");
}

#[test]
fn sessions_load_and_save_scripts() {
    let (folder, _) = script("fn half(n) { n / 2 }\nlet y = 8;");
    let input =
        "half(y)\n:save saved/session.rhai\n:reset\n:vars\nhalf(y)\n:load saved/session.rhai\nhalf(y)\n";
    let ran = finish(
        program().args(["repl", "script.rhai"]).current_dir(folder.path()),
        input,
    )
    .ended_with(2);
    let lines: Vec<&str> = ran.out.lines().collect();
    let expected = [
        "4",
        "saved 2 entries to saved/session.rhai",
        "forgot everything that was defined",
        "nothing is defined yet",
        "4",
    ];
    assert_eq!(lines, expected, "{}", ran.err);
    let saved = std::fs::read_to_string(folder.path().join("saved/session.rhai")).expect("saved");
    assert_eq!(saved, "fn half(n) { n / 2 }\nlet y = 8;\nhalf(y);\n");
}
