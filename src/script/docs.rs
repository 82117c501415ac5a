//! What scripts can use, by name: the one source for `:help`, completion, error hints and generated documentation.
//!
//! Functions come from the engine's own metadata (the `///` of each bound function), those under PyTorch's names and
//! constants from the tables that register them, configuration fields from their classes' schemas.

mod builder;
mod entry;
mod module;
mod text;
mod types;

use rhai::{AST, Engine};

use self::builder::{Builder, Metadata};
pub use self::entry::{Entry, Kind};
pub(super) use self::text::strip_comment;
pub use self::types::script_type;
use crate::error::{Error, Result};

/// Every name that scripts of one host can use.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
}

impl Catalog {
    /// Reads the engine's metadata, the configuration classes and the constants.
    pub fn from_engine(engine: &Engine) -> Result<Catalog> {
        let read = |standard: bool| -> Result<Metadata> {
            let text = engine.gen_fn_metadata_to_json(standard);
            text.and_then(|text| serde_json::from_str(&text))
                .map_err(|error| Error::run(format!("cannot read the engine's documentation: {error}")))
        };
        let own = read(false)?;
        let all = read(true)?;
        let mut builder = Builder::default();
        builder.add_module(&own, None, false);
        builder.standard_after(&all);
        builder.sort_signatures();
        builder.add_functions();
        builder.add_classes();
        builder.add_constants();
        Ok(Catalog {
            entries: builder.finish(),
        })
    }

    /// Reads what a script module documents, under the name that it is imported as; `others` are the further modules of
    /// its library.
    pub fn of_module(name: &str, ast: &AST, others: &[String]) -> Catalog {
        Catalog {
            entries: module::entries_of(name, ast, others),
        }
    }

    /// Returns all entries, sorted by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns everything called `name`: a bare name, `module::name` or `Type.name`.
    pub fn find(&self, name: &str) -> Vec<&Entry> {
        let name = name.trim();
        let exact: Vec<&Entry> = self.entries.iter().filter(|entry| entry.path() == name).collect();
        if exact.is_empty() {
            self.entries.iter().filter(|entry| entry.name == name).collect()
        } else {
            exact
        }
    }

    /// Returns the methods, properties and fields of a type, by the type's name in scripts (`type_of(x)`).
    pub fn members(&self, type_name: &str) -> Vec<&Entry> {
        let of_type = |entry: &&Entry| {
            matches!(entry.kind, Kind::Method | Kind::Property | Kind::Field)
                && entry.owner.as_deref() == Some(type_name)
        };
        self.entries.iter().filter(of_type).collect()
    }

    /// Returns what is in a module, e.g. `torch`.
    pub fn module(&self, module: &str) -> Vec<&Entry> {
        let inside = |entry: &&Entry| {
            !matches!(entry.kind, Kind::Method | Kind::Property | Kind::Field)
                && entry.owner.as_deref() == Some(module)
        };
        self.entries.iter().filter(inside).collect()
    }

    /// Returns the nearest name, if one is near: for "did you mean".
    pub fn nearest(&self, name: &str, wanted: impl Fn(&Entry) -> bool) -> Option<String> {
        // What a module is called makes no two names in it more alike.
        if let Some((module, bare)) = name.rsplit_once("::")
            && let inside = self.module(module)
            && !inside.is_empty()
        {
            let names = inside
                .iter()
                .filter(|entry| wanted(entry))
                .map(|entry| entry.name.as_str());
            return crate::error::nearest(bare, names).map(|near| format!("{module}::{near}"));
        }
        let paths: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| wanted(entry))
            .map(Entry::path)
            .collect();
        let by_path = crate::error::nearest(name, paths.iter().map(String::as_str));
        by_path.map(str::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Host;

    #[test]
    fn everything_of_ours_is_documented_in_the_words_of_scripts() {
        let host = Host::builder().output(|_| ()).build().expect("a host");
        let catalog = host.catalog().expect("the catalog");
        let ours = || catalog.entries().iter().filter(|entry| !entry.standard);
        let silent: Vec<String> = ours()
            .filter(|entry| {
                entry.docs.is_empty() && entry.kind != Kind::Module && !entry.signatures.is_empty()
            })
            .map(Entry::path)
            .collect();
        assert!(silent.is_empty(), "these have no documentation: {silent:?}");
        for entry in ours() {
            for signature in &entry.signatures {
                for rust in [
                    "Handle",
                    "RhaiResultOf",
                    "i64",
                    "f64",
                    "ImmutableString",
                    "&mut",
                    "Dynamic",
                ] {
                    assert!(
                        !signature.contains(rust),
                        "{}: `{signature}` speaks of `{rust}`",
                        entry.path()
                    );
                }
            }
        }
    }

    #[test]
    fn methods_are_found_by_the_type_of_their_object() {
        let host = Host::builder().output(|_| ()).build().expect("a host");
        let catalog = host.catalog().expect("the catalog");
        for (kind, member) in [
            ("Tensor", "reshape"),
            ("Trainer", "fit"),
            ("ActivationStream", "next"),
            ("SAEConfig", "d_model"),
        ] {
            let members = catalog.members(kind);
            assert!(
                members.iter().any(|entry| entry.name == member),
                "{kind} has no {member}"
            );
        }
        assert!(
            catalog
                .module("torch")
                .iter()
                .any(|entry| entry.name == "float32")
        );
        assert_eq!(catalog.find("torch::zeros").len(), 1);
    }
}
