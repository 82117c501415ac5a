//! `saescript.toml`: what a project or a library is called, what it offers and what it needs.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::naming::{MANIFEST, check_file, check_name};
use super::permissions::Permissions;
use super::source::Source;
use crate::config::{Config, Document};
use crate::error::{Error, Result};

/// What `import "NAME"` reads, unless the manifest names another file.
pub const LIBRARY_ENTRY: &str = "lib.rhai";

/// What `saescript run FOLDER` runs, unless the manifest names another file.
pub const MAIN_ENTRY: &str = "main.rhai";

/// A project or a library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// What it is called, and what it offers.
    pub package: About,
    /// Libraries that its scripts import, by name.
    #[serde(default)]
    pub dependencies: BTreeMap<String, Dependency>,
    /// Libraries that only the scripts below its `tests/` and `examples/` import.
    #[serde(default)]
    pub dev_dependencies: BTreeMap<String, Dependency>,
    /// What its scripts may do besides what all scripts may, what it grants to its libraries; as a library, what it asks
    /// for.
    #[serde(default)]
    pub permissions: Permissions,
}

/// What a project or a library is called, and what it offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Under this name others import it: lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// Its version, e.g. `0.1.0`, as Semantic Versioning counts.
    #[schemars(with = "String")]
    pub version: Version,
    /// What it is for, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
    /// Its licence, e.g. `MIT OR Apache-2.0`.
    #[serde(default)]
    pub license: Option<String>,
    /// Who wrote it, e.g. `["Ada Lovelace <ada@example.org>"]`.
    #[serde(default)]
    pub authors: Vec<String>,
    /// The least version of saescript that it works with, e.g. `0.1.0`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub saescript: Option<Version>,
    /// The file that `import "NAME"` reads; null: `lib.rhai`.
    #[serde(default)]
    pub library: Option<String>,
    /// The file that `saescript run FOLDER` runs; null: `main.rhai`.
    #[serde(default)]
    pub main: Option<String>,
}

/// Where a library comes from, and which versions of it will do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Its folder, relative to the manifest's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its archive, as `saescript pack` writes it, relative to the manifest's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The address of its git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// Its repository on the hub, `ORG/REPO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// Branch, tag or commit in its repository; null: what the repository shows first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    /// Which versions will do, e.g. `^0.2`; null: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub version: Option<VersionReq>,
}

impl Config for Manifest {
    const NAME: &'static str = "Manifest";

    fn validate(&self) -> Result<()> {
        self.package.validate().map_err(|error| error.under("package"))?;
        self.permissions
            .validate()
            .map_err(|error| error.under("permissions"))?;
        for (table, dependencies) in [
            ("dependencies", &self.dependencies),
            ("dev-dependencies", &self.dev_dependencies),
        ] {
            for (name, dependency) in dependencies {
                let at = |error: Error| error.under(name).under(table);
                check_name(name).map_err(at)?;
                dependency.source().map_err(at)?;
                if *name == self.package.name {
                    return Err(at(Error::input("it cannot depend on itself")
                        .hint("its own modules are imported under its name without that")));
                }
            }
        }
        match self
            .dev_dependencies
            .keys()
            .find(|name| self.dependencies.contains_key(*name))
        {
            Some(name) => Err(
                Error::input(format!("`{name}` is among the dependencies already"))
                    .hint("tests and examples can import those too; take it out here")
                    .under(name)
                    .under("dev-dependencies"),
            ),
            None => Ok(()),
        }
    }
}

impl About {
    fn validate(&self) -> Result<()> {
        check_name(&self.name).map_err(|error| error.under("name"))?;
        for (key, file) in [("library", &self.library), ("main", &self.main)] {
            if let Some(file) = file {
                check_file(file).map_err(|error| error.under(key))?;
            }
        }
        match &self.saescript {
            Some(least) if *least > program_version() => Err(Error::input(format!(
                "`{}` needs saescript {least} or later, and this is {}",
                self.name,
                program_version()
            ))
            .hint("use a newer saescript, or an older version of it")
            .under("saescript")),
            _ => Ok(()),
        }
    }

    /// Returns the file that `import "NAME"` reads, relative to the manifest's folder.
    pub fn library_entry(&self) -> &str {
        self.library.as_deref().unwrap_or(LIBRARY_ENTRY)
    }

    /// Returns the file that `saescript run FOLDER` runs, relative to the manifest's folder.
    pub fn main_entry(&self) -> &str {
        self.main.as_deref().unwrap_or(MAIN_ENTRY)
    }
}

impl Dependency {
    /// Returns where the library comes from, paths as they are written.
    ///
    /// # Errors
    /// The manifest names no source, or several; `rev` for what has no revisions.
    pub fn source(&self) -> Result<Source> {
        let sources = [
            self.path.clone().map(Source::Path),
            self.file.clone().map(Source::File),
            self.git.clone().map(|url| Source::Git {
                url,
                rev: self.rev.clone(),
            }),
            self.hub.clone().map(|id| Source::Hub {
                id,
                rev: self.rev.clone(),
            }),
        ];
        let mut named = sources.into_iter().flatten();
        let (Some(source), None) = (named.next(), named.next()) else {
            return Err(Error::input("it needs exactly one source")
                .hint("one of `path`, `file`, `git` and `hub`, e.g. `{ path = \"../probes\" }`"));
        };
        if self.rev.is_some() && matches!(source, Source::Path(_) | Source::File(_)) {
            return Err(Error::input("a folder and an archive have no revisions").under("rev"));
        }
        source.check()?;
        Ok(source)
    }
}

impl Manifest {
    /// Reads the manifest of the project or library in `folder`.
    ///
    /// # Errors
    /// There is none; whatever is wrong with it, with its place.
    pub fn read(folder: &Path) -> Result<Self> {
        Document::read(&folder.join(MANIFEST))?.build()
    }

    /// Reads a manifest from its text, which errors call `file`.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its place.
    pub fn of_text(file: &str, text: &str) -> Result<Self> {
        Document::of_toml(file, text)?.build()
    }
}

/// This program's version.
fn program_version() -> Version {
    let number = |text: &str| text.parse().unwrap_or_default();
    Version::new(
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (String, usize) {
        let error = Manifest::of_text(MANIFEST, text).expect_err(text);
        let line = error.place().expect("a place").line_column().0;
        (error.to_string(), line)
    }

    #[test]
    fn a_manifest_says_what_it_is_and_needs() {
        let text = "[package]\nname = \"a\"\nversion = \"1.2.3\"\n[dependencies]\nb = { git = \"https://x/b\", rev = \
                    \"v1\", version = \"^1\" }\n[dev-dependencies]\nc = { path = \"../c\" }\n";
        let manifest = Manifest::of_text(MANIFEST, text).expect("valid");
        assert_eq!(manifest.package.library_entry(), "lib.rhai");
        let source = manifest.dependencies["b"].source().expect("one");
        assert_eq!(source.to_string(), "git+https://x/b#v1");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let head = "[package]\nname = \"a\"\nversion = \"1.2.3\"\n";
        for (text, part, line) in [
            (
                "[package]\nname = \"A b\"\nversion = \"1.0.0\"\n".to_string(),
                "no name of a library",
                2,
            ),
            (
                "[package]\nname = \"a\"\nversion = \"1\"\n".into(),
                "package.version",
                3,
            ),
            (
                "[package]\nname = \"a\"\nversion = \"1.0.0\"\nlicence = \"MIT\"\n".into(),
                "`license`",
                4,
            ),
            (
                format!("{head}saescript = \"99.0.0\"\n"),
                "needs saescript 99.0.0",
                4,
            ),
            (format!("{head}main = \"../x.rhai\"\n"), "package.main", 4),
            (
                format!("{head}[dependencies]\nb = {{}}\n"),
                "exactly one source",
                5,
            ),
            (
                format!("{head}[dependencies]\nb = {{ path = \"x\", rev = \"1\" }}\n"),
                "no revisions",
                5,
            ),
            (
                format!("{head}[dependencies]\na = {{ path = \"x\" }}\n"),
                "depend on itself",
                5,
            ),
            (
                format!(
                    "{head}[dependencies]\nb = {{ path = \"x\" }}\n[dev-dependencies]\nb = {{ path = \"x\" }}\n"
                ),
                "already",
                7,
            ),
        ] {
            let (said, at) = refusal(&text);
            assert!(said.contains(part), "{said}");
            assert_eq!(at, line, "{said}");
        }
    }
}
