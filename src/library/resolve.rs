//! What a project depends on, by way of others too: one version of each major.
//!
//! A source names one version, so there is nothing to search. What the project itself names goes before what its
//! libraries name, if it is as new; any other difference is a conflict that its people have to settle.

use std::collections::VecDeque;
use std::path::Path;

use semver::Version;

use super::contents::Contents;
use super::fetch::{Fetched, fetch};
use super::locked::Locked;
use super::manifest::{Dependency, Manifest};
use super::source::Source;
use super::store;
use crate::error::{Error, Result};
use crate::event::RunContext;

/// One dependency that is not followed yet.
struct Wanted {
    name: String,
    dependency: Dependency,
    /// The folder that its paths are relative to; `None` in what was fetched from elsewhere.
    folder: Option<String>,
    /// Which of the chosen libraries names it; `None`: the project.
    by: Option<usize>,
    /// The names on the way to it, from the project on.
    way: Vec<String>,
}

/// A library that the project uses.
struct Chosen {
    locked: Locked,
    contents: Contents,
    way: Vec<String>,
}

/// Returns the libraries that the project at `root` uses, with their contents. Those of `kept` whose source is still
/// wanted stay as they were locked; others are fetched.
///
/// # Errors
/// A library cannot be fetched or loaded, is called otherwise, is of a version that somebody refuses; two contents of one
/// major are wanted.
pub fn resolve(
    root: &Path,
    manifest: &Manifest,
    kept: &[Locked],
    context: &RunContext,
) -> Result<Vec<(Locked, Contents)>> {
    let mut resolution = Resolution {
        root,
        kept,
        context,
        project: &manifest.package.name,
        chosen: Vec::new(),
        queue: VecDeque::new(),
    };
    let way = [manifest.package.name.clone()];
    resolution.follow(manifest, true, Some(String::new()), None, &way);
    while let Some(wanted) = resolution.queue.pop_front() {
        context.check("resolving libraries")?;
        resolution.settle(&wanted)?;
    }
    let all = resolution.chosen.into_iter();
    Ok(all.map(|chosen| (chosen.locked, chosen.contents)).collect())
}

struct Resolution<'a> {
    root: &'a Path,
    kept: &'a [Locked],
    context: &'a RunContext,
    project: &'a str,
    chosen: Vec<Chosen>,
    queue: VecDeque<Wanted>,
}

impl Resolution<'_> {
    /// Puts what `manifest` names into the queue.
    fn follow(
        &mut self,
        manifest: &Manifest,
        with_dev: bool,
        folder: Option<String>,
        by: Option<usize>,
        way: &[String],
    ) {
        let dev = manifest.dev_dependencies.iter().filter(|_| with_dev);
        for (name, dependency) in manifest.dependencies.iter().chain(dev) {
            self.queue.push_back(Wanted {
                name: name.clone(),
                dependency: dependency.clone(),
                folder: folder.clone(),
                by,
                way: way.iter().chain([name]).cloned().collect(),
            });
        }
    }

    fn settle(&mut self, wanted: &Wanted) -> Result<()> {
        let explain = |error: Error| error.context(format!("for {}", shown(&wanted.way)));
        if wanted.name == self.project {
            return Err(explain(Error::input(format!(
                "`{}` depends on itself by way of others",
                wanted.name
            ))));
        }
        let source = source_of(wanted).map_err(explain)?;
        let is_it = |chosen: &Chosen| chosen.locked.name == wanted.name && chosen.locked.source == source;
        let index = match self.chosen.iter().position(is_it) {
            Some(known) => known,
            None => self.choose(wanted, source).map_err(explain)?,
        };
        let id = self.chosen[index].locked.id();
        match &wanted.dependency.version {
            Some(range) if !range.matches(&id.version) => {
                let other = &self.chosen[index].way;
                let error = Error::input(format!(
                    "{} wants `{}` {range}, and it is {}",
                    shown(&wanted.way),
                    id.name,
                    id.version
                ));
                return Err(if *other == wanted.way {
                    error
                } else {
                    error.hint(format!("that version is there for {}", shown(other)))
                });
            }
            _ => (),
        }
        if let Some(by) = wanted.by {
            self.chosen[by].locked.dependencies.push(id);
        }
        Ok(())
    }

    /// Which library stands for what is wanted, by its place among the chosen.
    fn choose(&mut self, wanted: &Wanted, source: Source) -> Result<usize> {
        let found = self.get(wanted, &source)?;
        let about = &found.manifest.package;
        if about.name != wanted.name {
            return Err(Error::input(format!(
                "the library from {source} is called `{}`, not `{}`",
                about.name, wanted.name
            ))
            .hint("a dependency stands under the name that its own manifest gives it"));
        }
        let (version, hash) = (about.version.clone(), found.contents.hash());
        let rival = self.chosen.iter().position(|chosen| {
            chosen.locked.name == wanted.name && major(&chosen.locked.version) == major(&version)
        });
        if let Some(index) = rival {
            let rival = &self.chosen[index];
            let of_project = rival.way.len() == 2;
            return if rival.locked.contents == hash || of_project && rival.locked.version >= version {
                Ok(index)
            } else {
                Err(conflict(rival, wanted, &version, &source))
            };
        }
        let index = self.chosen.len();
        let folder = match &source {
            Source::Path(path) => Some(path.clone()),
            _ => None,
        };
        self.chosen.push(Chosen {
            locked: Locked {
                name: wanted.name.clone(),
                version,
                source,
                commit: found.commit,
                contents: hash,
                dependencies: Vec::new(),
            },
            contents: found.contents,
            way: wanted.way.clone(),
        });
        self.follow(&found.manifest, false, folder, Some(index), &wanted.way);
        Ok(index)
    }

    /// The library as it was locked, or else as its source gives it now.
    fn get(&self, wanted: &Wanted, source: &Source) -> Result<Fetched> {
        let is_it = |locked: &&Locked| locked.name == wanted.name && locked.source == *source;
        let Some(locked) = self.kept.iter().find(is_it) else {
            return fetch(source, self.root, None, self.context);
        };
        if store::is_here(self.root, locked) {
            let stored = store::load(self.root, locked)?;
            return Fetched::new(stored.contents, locked.commit.clone(), source);
        }
        fetch_again(self.root, locked, self.context)
    }
}

/// Fetches what is locked from its source, which has to give the same contents.
///
/// # Errors
/// It cannot be fetched; the source gives something else now; the lock calls it otherwise than itself.
pub fn fetch_again(root: &Path, locked: &Locked, context: &RunContext) -> Result<Fetched> {
    let found = fetch(&locked.source, root, locked.commit.as_deref(), context)?;
    let hash = found.contents.hash();
    if hash == locked.contents {
        locked.check_against(&found.manifest)?;
        return Ok(found);
    }
    Err(Error::input(format!(
        "{} gives other contents of `{}` than were locked: {hash} instead of {}",
        locked.source,
        locked.id(),
        locked.contents
    ))
    .hint(format!(
        "ask its authors why; to use what is there now, run `saescript update {}`",
        locked.name
    )))
}

fn source_of(wanted: &Wanted) -> Result<Source> {
    let source = wanted.dependency.source()?;
    match &wanted.folder {
        Some(folder) => Ok(source.seen_from(folder)),
        None if source.is_local() => Err(Error::input(format!(
            "a library from elsewhere cannot depend on {source}, a place on its author's machine"
        ))
        .hint("ask its authors to name a git repository or one on the hub")),
        None => Ok(source),
    }
}

/// What versions have to have in common to be used for each other: the first number that is not 0, and those before.
fn major(version: &Version) -> (u64, u64, u64) {
    match (version.major, version.minor) {
        (0, 0) => (0, 0, version.patch),
        (0, minor) => (0, minor, 0),
        (major, _) => (major, 0, 0),
    }
}

fn conflict(rival: &Chosen, wanted: &Wanted, version: &Version, source: &Source) -> Error {
    Error::input(format!(
        "two versions of `{}` with one major number are wanted: {} from {}, for {}, and {version} from {source}, for {}",
        wanted.name,
        rival.locked.version,
        rival.locked.source,
        shown(&rival.way),
        shown(&wanted.way)
    ))
    .hint(format!(
        "a project uses one version of each major; name the newer `{}` among your own dependencies, which then serves both",
        wanted.name
    ))
}

/// The way to a library: `app → probes → tables`.
fn shown(way: &[String]) -> String {
    format!("`{}`", way.join(" → "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_one_major_can_stand_for_each_other() {
        let of = |text: &str| major(&text.parse().expect("a version"));
        assert_eq!(of("1.2.3"), of("1.9.0"));
        assert_ne!(of("1.2.3"), of("2.0.0"));
        assert_eq!(of("0.2.3"), of("0.2.9"));
        assert_ne!(of("0.2.3"), of("0.3.0"));
        assert_ne!(of("0.0.3"), of("0.0.4"));
    }
}
