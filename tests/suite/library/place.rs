//! A folder with projects and libraries, and a cache of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Ran, finish, program};

/// Projects and libraries side by side. Nothing outside is read or written.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Workplace { folder }
    }

    /// The path of a file or folder in it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A library with one function `value()`, and `more` in its manifest.
    pub fn library(&self, path: &str, version: &str, value: &str, more: &str) {
        let name = Path::new(path)
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let head = format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\n");
        self.write(&format!("{path}/saescript.toml"), &format!("{head}{more}"));
        self.write(
            &format!("{path}/lib.rhai"),
            &format!("fn value() {{ {value} }}\n"),
        );
    }

    /// A project with a script that prints `library::value()` of the library called `name`.
    pub fn project(&self, path: &str, name: &str) {
        self.write(
            &format!("{path}/saescript.toml"),
            "# mine\n[package]\nname = \"app\"\nversion = \"0.1.0\"\n",
        );
        let script = format!("import \"{name}\" as library;\nprint(library::value());\n");
        self.write(&format!("{path}/main.rhai"), &script);
    }

    /// The program in a folder of it, not yet started.
    pub fn command(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .args(arguments)
            .current_dir(self.at(folder))
            .env("HOME", self.folder.path())
            .env("XDG_CACHE_HOME", self.at("cache"))
            .env_remove("HF_HOME");
        command
    }

    /// Runs `saescript ARGUMENTS…` in a folder of it, with the exit code that it has to end with.
    #[track_caller]
    pub fn run(&self, folder: &str, code: i32, arguments: &[&str]) -> Ran {
        finish(&mut self.command(folder, arguments), "").ended_with(code)
    }

    /// Runs the project's main script, which has to print `expected`.
    #[track_caller]
    pub fn prints(&self, folder: &str, expected: &str) {
        assert_eq!(self.run(folder, 0, &["run", "main.rhai"]).out.trim(), expected);
    }

    /// What the project's main script is refused with.
    #[track_caller]
    pub fn refusal(&self, folder: &str) -> String {
        self.run(folder, 2, &["run", "main.rhai"]).err
    }

    /// Makes a git repository of a folder, or a new commit in it; its name.
    pub fn commit(&self, folder: &str) -> String {
        let git = |arguments: &[&str]| {
            let ran = Command::new("git")
                .args([
                    "-c",
                    "user.name=a",
                    "-c",
                    "user.email=a@b",
                    "-c",
                    "init.defaultBranch=main",
                ])
                .args(arguments)
                .current_dir(self.at(folder))
                .env("HOME", self.folder.path())
                .output()
                .expect("git starts");
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            String::from_utf8(ran.stdout).expect("UTF-8").trim().to_string()
        };
        git(&["init", "--quiet"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", "a state of it"]);
        git(&["rev-parse", "HEAD"])
    }
}
