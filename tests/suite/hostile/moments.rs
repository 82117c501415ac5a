//! Harm that comes while something runs, and the limits themselves.

use super::*;

#[test]
fn a_cache_that_another_program_truncates_is_an_error() {
    let end = ends().remove(TRUNCATED).expect("its end is documented");
    let (world, script) = World::of(TRUNCATED);
    let cache = world.path("cache");
    let mut generate = program();
    generate
        .args(["generate", "--quiet", "examples/generate.toml", "--set"])
        .args(["total_tokens=60_000", "--set"])
        .arg(format!("output_dir=\"{}\"", cache.display()))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    finish(&mut generate, "").ended_with(0);
    let mut command = limited(&world, &script, &end);
    #[allow(clippy::zombie_processes)] // `ended` waits for it, with its resources
    let child = command.arg(&cache).spawn().expect("the program starts");
    let began = Instant::now();
    while !text_of(&world.path("out")).contains("go") && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    truncate_chunks(&cache);
    ended(&world, &child).is_as_documented(&end);
}

fn truncate_chunks(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            truncate_chunks(&path);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            let file = File::options().write(true).open(&path).expect("a chunk");
            file.set_len(1000).expect("it can be truncated");
        }
    }
}

#[test]
fn a_session_goes_on_after_it_ran_out_of_memory() {
    let entries =
        "let kept = 7;\nlet s = \"x\"; loop { s = `${s}${s}`; }\nlet a = []; a.pad(1000000, kept); a.len()\n";
    let ran = finish(
        program().args(["--max-memory", "400MB", "repl", "--quiet"]),
        entries,
    );
    assert!(ran.err.contains("out of memory"), "{}", ran.err);
    assert!(ran.out.contains("1000000"), "{}{}", ran.out, ran.err);
}

#[test]
fn standard_output_that_takes_no_more_is_an_error() {
    let (_folder, script) = crate::program::script("for i in 0..100000 { print(`line ${i}`); }");
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("the full device");
    let mut command = program();
    let output = command.arg("run").arg(script).stdout(full).output();
    let output = output.expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output"), "{said}");
}

#[test]
fn sizes_of_memory_are_checked() {
    let ran = crate::program::run(["--max-memory", "8 parsecs", "doctor"]).ended_with(2);
    assert!(ran.err.contains("unknown unit of memory"), "{}", ran.err);
}
