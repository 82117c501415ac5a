//! A page of docs/guide is a story: what stands on it is run from top to bottom in one folder, as its reader would.
//!
//! * ```` ```rhai ```` fences, and the calls in tables whose second column is headed `here`, are one script until
//!   something else is run; `// prints TEXT` and the column `gives` say what they print.
//! * A fence whose first line is `// NAME.rhai`, `# NAME.toml` or the like is a file of that name.
//! * ```` ```console ```` shows commands after `$ ` and what they print; ```` ```sh ```` has commands alone.
//! * ```` ```session ```` shows entries of `saescript repl` after `1> ` and their answers.
//! * ```` ```rust ```` begins with the name of a file of the repository and shows a part of it.
//! * A `console` with the mark `long` takes minutes in a build for tests, and runs where `SAESCRIPT_LONG` is set.
//! * `no_run` is for what needs a download, a GPU or minutes: scripts and settings are checked all the same.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::page::{Block, Fence, Row, blocks};
use super::root;
use super::same::same;
use crate::program::{finish, program, run_in};

/// A page while it is run.
pub struct Story {
    name: String,
    folder: tempfile::TempDir,
    /// The lines of the script so far, each at the line that it has on the page.
    script: Vec<String>,
    promised: Vec<String>,
    /// Files that the page wrote and no command has named yet.
    unused: BTreeSet<String>,
    failures: Vec<String>,
}

/// Runs a page to its end, and returns what failed.
pub fn tell(name: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&root().join("examples"), &folder.path().join("examples"));
    let mut story = Story {
        name: name.into(),
        folder,
        script: Vec::new(),
        promised: Vec::new(),
        unused: BTreeSet::new(),
        failures: Vec::new(),
    };
    for block in blocks(text) {
        match block {
            Block::Fence(fence) => story.fence(&fence),
            Block::Row(row) => story.row(&row),
        }
    }
    story.finish_script();
    let unused = std::mem::take(&mut story.unused);
    story.failures.extend(
        unused
            .iter()
            .map(|file| format!("{name}: no command names {file}")),
    );
    story.failures
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

impl Story {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn fail(&mut self, line: usize, what: &str) {
        self.failures.push(format!("{}:{line}: {what}", self.name));
    }

    fn fence(&mut self, fence: &Fence) {
        let is_long = fence.is("long") && std::env::var_os("SAESCRIPT_LONG").is_none();
        let is_set_aside = fence.is("no_run") || is_long;
        match fence.language.as_str() {
            "rust" => self.part_of_a_file(fence),
            "rhai" | "toml" | "yaml" | "json" if !is_set_aside && fence.file().is_some() => self.write(fence),
            "rhai" | "toml" if is_set_aside => self.check(fence),
            "rhai" => self.add(fence),
            "toml" => {
                if let Err(error) = toml::from_str::<toml::Table>(&fence.text) {
                    self.fail(fence.line, &error.to_string());
                }
            }
            "console" | "sh" | "session" if is_set_aside => (),
            "console" => self.commands(fence),
            "sh" => self.shell(fence.line, &fence.text, None),
            "session" => self.session(fence),
            _ => (),
        }
    }

    /// A file for the commands to come. Those of a library or of tests lie in folders of their own.
    fn write(&mut self, fence: &Fence) {
        let Some(name) = fence.file() else { return };
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::fs::write(path, &fence.text).expect("writable");
        self.unused.insert(name.to_owned());
    }

    fn check(&mut self, fence: &Fence) {
        let name = format!("checked.{}", fence.language);
        std::fs::write(self.path(&name), &fence.text).expect("writable");
        let ran = run_in(self.folder.path(), ["check", &name]);
        if ran.code != Some(0) {
            self.fail(fence.line, &format!("{}{}", ran.out, ran.err));
        }
    }

    fn add(&mut self, fence: &Fence) {
        for (index, line) in fence.text.lines().enumerate() {
            if let Some((_, said)) = line.split_once("// prints ") {
                self.promised.push(said.trim().to_owned());
            }
            self.put(fence.line + index, line.to_owned());
        }
    }

    fn row(&mut self, row: &Row) {
        let mut calls = row.calls.clone();
        if let Some(gives) = &row.gives {
            let last = calls.pop().unwrap_or_default();
            calls.push(format!("print(to_string({last}))"));
            self.promised.push(gives.clone());
        }
        let statements: String = calls
            .iter()
            .map(|call| format!("{};", call.trim_end_matches(';')))
            .collect();
        self.put(row.line, statements);
    }

    fn put(&mut self, line: usize, text: String) {
        self.script.resize(line - 1, String::new());
        self.script.push(text);
    }

    /// Runs the script that was gathered so far; its errors have the lines of the page.
    fn finish_script(&mut self) {
        let script = std::mem::take(&mut self.script);
        let promised = std::mem::take(&mut self.promised);
        if script.is_empty() {
            return;
        }
        let line = script.iter().take_while(|line| line.is_empty()).count() + 1;
        std::fs::write(self.path("page.rhai"), script.join("\n")).expect("writable");
        let ran = run_in(self.folder.path(), ["run", "page.rhai"]);
        let said: Vec<&str> = ran.out.lines().collect();
        let shown: Vec<&str> = promised.iter().map(String::as_str).collect();
        if ran.code != Some(0) {
            self.fail(line, &format!("the script fails\n{}{}", ran.out, ran.err));
        } else if !promised.is_empty() && !same(&shown, &said) {
            self.fail(line, &format!("promised {shown:#?}, printed {said:#?}"));
        }
    }

    /// Commands after `$ ` with what they print until the next. One may fail if an error is what it shows.
    fn commands(&mut self, fence: &Fence) {
        let mut begun: Option<(usize, &str, Vec<&str>)> = None;
        for (index, line) in fence.text.lines().enumerate() {
            match (line.strip_prefix("$ "), &mut begun) {
                (Some(command), _) => {
                    if let Some((line, command, shown)) =
                        begun.replace((fence.line + index, command, Vec::new()))
                    {
                        self.shell(line, command, Some(&shown));
                    }
                }
                (None, Some((_, _, shown))) => shown.push(line),
                (None, None) => self.fail(fence.line, "no command stands above what is shown"),
            }
        }
        if let Some((line, command, shown)) = begun {
            self.shell(line, command, Some(&shown));
        }
    }

    fn shell(&mut self, line: usize, text: &str, shown: Option<&[&str]>) {
        self.finish_script();
        self.unused.retain(|file| !text.contains(file.as_str()));
        let program = program();
        let folder = Path::new(program.get_program())
            .parent()
            .expect("a folder")
            .display();
        let mut command = std::process::Command::new("bash");
        command
            .args(["-e", "-c", &format!("exec 2>&1; PATH={folder}:$PATH\n{text}")])
            .envs(
                program
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(self.folder.path());
        let ran = finish(&mut command, "");
        let said: Vec<&str> = ran.out.lines().collect();
        let shown = shown.unwrap_or_default();
        let may_fail = shown.iter().any(|line| line.starts_with("error"));
        if (ran.code == Some(0)) == may_fail {
            self.fail(line, &format!("`{text}` ended with {:?}\n{}", ran.code, ran.out));
        } else if !shown.is_empty() && !same(shown, &said) {
            self.fail(line, &format!("`{text}` printed\n{}", ran.out));
        }
    }

    /// Entries after `1> ` or, where they go on, `.. `; all other lines are answers.
    fn session(&mut self, fence: &Fence) {
        self.finish_script();
        let mut entries = String::new();
        let mut shown = Vec::new();
        for line in fence.text.lines() {
            match line.split_once("> ") {
                Some((number, entry)) if number.parse::<u32>().is_ok() => {
                    let _ = writeln!(entries, "{entry}");
                }
                _ if line.starts_with(".. ") => {
                    let _ = writeln!(entries, "{}", &line[3..]);
                }
                _ => shown.push(line),
            }
        }
        let ran = finish(program().arg("repl").current_dir(self.folder.path()), &entries);
        let said: Vec<&str> = ran.out.lines().chain(ran.err.lines()).collect();
        if !same(&shown, &said) {
            self.fail(
                fence.line,
                &format!("the session answered\n{}{}", ran.out, ran.err),
            );
        }
    }

    fn part_of_a_file(&mut self, fence: &Fence) {
        let Some(name) = fence.file() else {
            return self.fail(fence.line, "the first line names no file");
        };
        let part: String = fence
            .text
            .lines()
            .skip(1)
            .fold(String::new(), |text, line| text + line + "\n");
        let file = std::fs::read_to_string(root().join(name)).unwrap_or_default();
        if !file.contains(part.trim()) {
            self.fail(fence.line, &format!("{name} has no such part"));
        }
    }
}

#[test]
fn stories_that_lie_are_found() {
    let lies = "```rhai\nprint(2); // prints 1\n```\n| a | here | gives |\n|---|---|---|\n| x | `1 + 1` | `3` |\n```console\n$ echo a\nb\n$ false\n$ echo never\n```\n```rhai\nno_such\n```\n```session\n1> 1 + 1\n3\n```\n```rust\n// Cargo.toml\nno such text\n```\n```toml\n# own.toml\n```\n```toml\nx =\n```\n";
    let failures = tell("page.md", lies);
    let places: Vec<&str> = failures
        .iter()
        .filter_map(|text| text.split(": ").next())
        .collect();
    let mut expected = ["2", "8", "10", "14", "17", "21", "28"]
        .map(|line| format!("page.md:{line}"))
        .to_vec();
    expected.push("page.md".into());
    assert_eq!(places, expected, "{failures:#?}");
}

#[test]
fn stories_that_hold_pass() {
    let holds = "```rhai\nlet x = 2;\nprint(x); // prints 2\n```\ntext\n\n| a | here | gives |\n|---|---|---|\n| x | `let y = x`, `y + 1` | `3` |\n\n```rhai\n// own.rhai\nprint(ARGS[0]);\n```\n```console\n$ saescript run own.rhai word\nword\n$ saescript run nowhere.rhai\nerror: …\n```\n```sh\ntest -f own.rhai\n```\n```session\n1> let x = 1;\n2> x + 1\n2\n```\n";
    assert_eq!(tell("page.md", holds), [""; 0]);
}
