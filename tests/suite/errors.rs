//! What people read when something is wrong: every script in tests/errors fails, and says exactly what stands beside
//! it in the `.stderr` file, the exit code in the last line. `SAESCRIPT_BLESS=1` writes these files anew.

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

/// The error that `saescript run SCRIPT` ends with, and its exit code.
fn failure(script: &Path) -> String {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_saescript"))
        .args(["run", "--allow-read=../../examples"])
        .arg(script.file_name().expect("a file name"))
        .current_dir(folder())
        .env("NO_COLOR", "1")
        .env("HF_HOME", cache.path())
        .env("HF_HUB_OFFLINE", "1")
        .env("CUDA_VISIBLE_DEVICES", "")
        .env_remove("SAESCRIPT_PATH")
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    // What long work said of its progress before it failed depends on the machine.
    let text = text.find("error: ").map_or("", |start| &text[start..]);
    let code = output
        .status
        .code()
        .map_or("a signal".to_string(), |code| code.to_string());
    format!("{}\nexit code: {code}\n", text.trim_end())
}

/// What differs between what a script says and what was agreed; `bless` makes it agreed.
fn compare(script: &Path, bless: bool) -> Option<String> {
    let said = failure(script);
    let agreed = script.with_extension("stderr");
    if bless {
        std::fs::write(&agreed, &said).expect("the file can be written");
        return None;
    }
    let expected = std::fs::read_to_string(&agreed).unwrap_or_default();
    let name = script.file_name().unwrap_or_default().to_string_lossy();
    (said != expected).then(|| format!("== {name}\n-- agreed:\n{expected}\n-- said:\n{said}"))
}

#[test]
fn every_error_reads_as_agreed() {
    let entries = std::fs::read_dir(folder()).expect("the folder of scripts");
    let mut scripts: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rhai"))
        .collect();
    scripts.sort();
    assert!(
        scripts.len() >= 25,
        "only {} scripts in {}",
        scripts.len(),
        folder().display()
    );
    let bless = std::env::var_os("SAESCRIPT_BLESS").is_some();
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let shares: Vec<&[PathBuf]> = scripts.chunks(scripts.len().div_ceil(threads)).collect();
    let differing: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = shares
            .iter()
            .map(|share| scope.spawn(|| share.iter().filter_map(|script| compare(script, bless)).collect()))
            .collect();
        let finished = workers.into_iter().map(|worker| worker.join().expect("no panic"));
        finished.flat_map(|part: Vec<String>| part).collect()
    });
    assert!(
        differing.is_empty(),
        "{} of {} errors read differently; if that is meant, run with SAESCRIPT_BLESS=1 and look at the change.\n{}",
        differing.len(),
        scripts.len(),
        differing.join("\n")
    );
}

#[test]
fn no_error_is_a_panic_or_a_trace_of_libtorch() {
    for entry in std::fs::read_dir(folder()).expect("the folder of scripts") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let text = std::fs::read_to_string(&path).expect("the file can be read");
            for forbidden in [
                "panicked",
                "Exception raised from",
                "frame #",
                ".cpp:",
                "i64",
                "f64",
                "saescript::",
            ] {
                assert!(
                    !text.contains(forbidden),
                    "{} says `{forbidden}`:\n{text}",
                    path.display()
                );
            }
        }
    }
}
