//! What `saescript check` says of faulty scripts and configurations, and that it says nothing of right ones.
//!
//! Each file in tests/check/scripts and tests/check/configs is wrong, and what is said of it stands beside it in a file
//! `.said`. `SAESCRIPT_BLESS=1` writes these files anew.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use saescript::Host;
use saescript::report::diagnostic::render;

use crate::program::{program, run_in};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of `folder` with one of the extensions, sorted.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let has_extension = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    };
    let mut files: Vec<PathBuf> = paths.filter(has_extension).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name()
        .expect("a file name")
        .to_string_lossy()
        .into_owned()
}

/// What one run of `saescript check` says of each of the files.
fn said_of(folder: &str, files: &[PathBuf]) -> Vec<String> {
    let output = tempfile::NamedTempFile::new().expect("a temporary file");
    let writer = || Stdio::from(output.reopen().map(append).expect("a file"));
    let status = program()
        .arg("check")
        .args(files.iter().map(|file| name(file)))
        .current_dir(root().join(folder))
        .env("NO_COLOR", "1")
        .stdout(writer())
        .stderr(writer())
        .status()
        .expect("the program starts");
    assert_eq!(status.code(), Some(2));
    let text = std::fs::read_to_string(output.path()).expect("UTF-8");
    let mut rest = text.as_str();
    let mut all = Vec::new();
    for file in files {
        let end = end_of(rest, &name(file));
        all.push(rest[..end].to_string());
        rest = &rest[end..];
    }
    assert_eq!(rest, "", "{}", all.last().expect("a file"));
    all
}

/// Both streams go to the end of one file.
fn append(file: std::fs::File) -> std::fs::File {
    let flags = rustix::fs::fcntl_getfl(&file).expect("flags");
    rustix::fs::fcntl_setfl(&file, flags | rustix::fs::OFlags::APPEND).expect("flags");
    file
}

/// Where what is said of a file ends: with the line that counts its errors.
fn end_of(text: &str, file: &str) -> usize {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        let counts = line.starts_with(|first: char| first.is_ascii_digit()) && line.contains(" error");
        if (counts && line.contains(file)) || line.starts_with(&format!("{file}: ")) {
            break;
        }
    }
    end
}

fn everything_reads_as_agreed(folder: &str, extensions: &[&str], least: usize) {
    let files = files(folder, extensions);
    assert!(files.len() >= least, "only {} files in {folder}", files.len());
    let bless = std::env::var_os("SAESCRIPT_BLESS").is_some();
    let mut differing = Vec::new();
    for (file, said) in files.iter().zip(said_of(folder, &files)) {
        assert!(
            said.starts_with("error: "),
            "{} is right:\n{said}",
            file.display()
        );
        for forbidden in [
            "panicked",
            "defect of this program",
            "i64",
            "f64",
            "saescript::",
            "Handle",
        ] {
            assert!(
                !said.contains(forbidden),
                "{} says `{forbidden}`:\n{said}",
                file.display()
            );
        }
        let mut agreed = file.clone().into_os_string();
        agreed.push(".said");
        if bless {
            std::fs::write(&agreed, &said).expect("the file can be written");
        } else if std::fs::read_to_string(&agreed).unwrap_or_default() != said {
            differing.push(format!("== {}\n{said}", name(file)));
        }
    }
    assert!(
        differing.is_empty(),
        "{} of {} read differently; if that is meant, run with SAESCRIPT_BLESS=1 and look at the change.\n{}",
        differing.len(),
        files.len(),
        differing.join("\n")
    );
}

#[test]
fn faulty_scripts_read_as_agreed() {
    everything_reads_as_agreed("tests/check/scripts", &["rhai"], 40);
}

#[test]
fn faulty_configurations_read_as_agreed() {
    everything_reads_as_agreed("tests/check/configs", &["toml", "yaml", "yml", "json"], 20);
}

/// What is found in a script, one line each.
fn found(host: &mut Host, path: &Path) -> Vec<String> {
    let found = host.check_file(path).expect("a script");
    found.iter().map(|error| render(error, false)).collect()
}

#[test]
fn nothing_is_found_in_right_scripts() {
    let mut scripts = Vec::new();
    for folder in ["examples", "stdlib", "tests/scripts"] {
        scripts.extend(files(folder, &["rhai"]));
    }
    assert!(scripts.len() >= 18, "{scripts:?}");
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    let wrong: Vec<String> = scripts
        .iter()
        .flat_map(|script| found(&mut host, script))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The scripts that mean harm are right too where they come to their ends.
#[test]
fn nothing_is_found_in_hostile_scripts_that_run() {
    let table = std::fs::read_to_string(root().join("tests/hostile/ends.json")).expect("the table of ends");
    let ends: serde_json::Value = serde_json::from_str(&table).expect("JSON");
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    let mut wrong = Vec::new();
    let mut count = 0;
    for script in files("tests/hostile", &["rhai"]) {
        let stem = script.file_stem().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&script).expect("a script");
        if ends[&*stem]["codes"] == serde_json::json!([0]) && !text.contains("import ") {
            count += 1;
            wrong.extend(found(&mut host, &script));
        }
    }
    assert!(count >= 20, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn scripts_and_configurations_are_checked_together() {
    let examples = root().join("examples");
    let right = run_in(
        &examples,
        ["check", "quickstart.rhai", "train.toml", "generate.toml"],
    )
    .ended_with(0);
    assert_eq!(
        right.out,
        "quickstart.rhai: ok\n\
         train.toml: settings of a training (saescript train), ok\n\
         generate.toml: settings of a generation of activations (saescript generate), ok\n"
    );
    let faulty = root().join("tests/check");
    let files = ["scripts/increments.rhai", "configs/contradictions.toml"];
    let wrong = run_in(&faulty, ["check", "--json", files[0], files[1]]).ended_with(2);
    let found: Vec<serde_json::Value> = serde_json::from_str(&wrong.out).expect("JSON");
    let of = |file: &str| found.iter().filter(|found| found["file"] == file).count();
    assert_eq!((of(files[0]), of(files[1])), (2, 2), "{found:#?}");
    assert_eq!((&found[1]["line"], &found[1]["column"]), (&4.into(), &7.into()));
    assert_eq!(found[1]["end"], serde_json::json!({ "line": 4, "column": 10 }));
    assert_eq!(found[1]["message"], "unknown variable `stp`");
    assert_eq!(found[1]["hints"][0], "did you mean `step`?");
}
