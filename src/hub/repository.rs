//! A repository at one revision: its files, from the cache or fetched into it.

use std::path::PathBuf;
use std::sync::OnceLock;

use hf_hub::{Cache, Repo, RepoType};

use super::cache::{Known, RepoCache, is_commit, is_name};
use super::failure::{Subject, commit_of, means_no_file};
use super::listing::{self, Listing};
use super::names::{check_id, check_path};
use super::request::{Client, Metadata};
use super::settings::HubSettings;
use super::transfer;
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};
use crate::transfer::{Patience, Progress, Trouble, escaped, patiently, pool};

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    /// A model, or the weights of a dictionary.
    Model,
    /// A data set.
    Dataset,
}

/// A repository at one revision.
///
/// The first request settles which commit the revision stands for; all files come from that commit, whatever happens
/// on the hub meanwhile. Files that the cache has of it are not asked for again.
#[derive(Debug)]
pub struct Repository {
    id: String,
    repo: Repo,
    folder: PathBuf,
    cache: RepoCache,
    /// `None` when offline.
    client: Option<Client>,
    settled: OnceLock<Settled>,
}

/// Which commit the revision stands for.
#[derive(Clone, Debug)]
struct Settled {
    commit: String,
    /// Why the hub could not be asked, so that the cache has to do.
    unreachable: Option<String>,
}

impl Repository {
    /// Returns the repository `id`, e.g. `EleutherAI/pythia-160m`, at `revision` (`None`: main). Nothing is fetched
    /// yet.
    ///
    /// # Errors
    /// An id or revision that the hub cannot have.
    pub fn open(id: &str, kind: RepoKind, revision: Option<&str>, settings: &HubSettings) -> Result<Self> {
        check_id(id)?;
        let revision = revision.unwrap_or("main");
        check_path(revision).map_err(|_| {
            Error::input(format!(
                "`{revision}` is no revision: expected a branch, a tag or a commit"
            ))
        })?;
        let repo_type = match kind {
            RepoKind::Model => RepoType::Model,
            RepoKind::Dataset => RepoType::Dataset,
        };
        let repo = Repo::with_revision(id.into(), repo_type, revision.into());
        let folder = settings.cache_folder()?;
        let client = (!settings.is_offline()).then(|| Client::new(settings));
        Ok(Repository {
            id: id.into(),
            cache: RepoCache::new(&Cache::new(folder.clone()), &repo),
            repo,
            folder,
            client,
            settled: OnceLock::new(),
        })
    }

    /// Returns the id it was opened with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the commit that its files are from, once that is settled.
    pub fn commit(&self) -> Option<&str> {
        self.settled.get().map(|settled| settled.commit.as_str())
    }

    /// Returns the local path of `file`: from the cache, or downloaded into it.
    ///
    /// # Errors
    /// The hub has no such file or repository, asks for a token, or cannot be reached; offline, a file that is not
    /// in the cache.
    pub fn file(&self, file: &str, context: &RunContext) -> Result<PathBuf> {
        self.file_if(file, context)?.ok_or_else(|| self.missing(file))
    }

    /// Returns what [`file`](Self::file) does, but `None` for a file that the repository does not have; offline, for
    /// one that is not in the cache.
    pub fn file_if(&self, file: &str, context: &RunContext) -> Result<Option<PathBuf>> {
        Ok(self.files_if(&[file], context)?.pop().flatten())
    }

    /// Returns the local paths of several files, fetched a few at a time under one progress bar.
    ///
    /// # Errors
    /// As [`file`](Self::file), of whichever file fails first.
    pub fn files<S: AsRef<str>>(&self, files: &[S], context: &RunContext) -> Result<Vec<PathBuf>> {
        let names: Vec<&str> = files.iter().map(AsRef::as_ref).collect();
        let found = self.files_if(&names, context)?.into_iter().zip(&names);
        found
            .map(|(path, name)| path.ok_or_else(|| self.missing(name)))
            .collect()
    }

    /// Returns what [`files`](Self::files) does, with `None` as [`file_if`](Self::file_if) has it.
    pub fn files_if(&self, files: &[&str], context: &RunContext) -> Result<Vec<Option<PathBuf>>> {
        for file in files {
            check_path(file)?;
        }
        let Some(first) = files.first() else {
            return Ok(Vec::new());
        };
        let Some(settled) = self.settle(first, context)? else {
            return Ok(vec![None; files.len()]);
        };
        let known: Vec<Known> = files
            .iter()
            .map(|file| self.cache.known(&settled.commit, file))
            .collect();
        let unknown = || {
            let both = files.iter().zip(&known);
            both.filter(|(_, known)| matches!(known, Known::Unknown))
                .map(|(file, _)| *file)
        };
        let mut fetched = match self.client.as_ref().filter(|_| settled.unreachable.is_none()) {
            Some(client) => self.fetch(client, &settled.commit, &unknown().collect::<Vec<_>>(), context)?,
            None => unknown().map(|_| None).collect(),
        }
        .into_iter();
        let paths = known.into_iter().map(|known| match known {
            Known::Here(path) => Some(path),
            Known::Absent => None,
            Known::Unknown => fetched.next().flatten(),
        });
        Ok(paths.collect())
    }

    /// Returns the names of all files, sorted. Offline: those that were listed when the hub was asked last, or that are
    /// in the cache.
    ///
    /// # Errors
    /// What the hub has to say; offline, a repository that is not in the cache.
    pub fn list(&self, context: &RunContext) -> Result<Vec<String>> {
        if let (Some(client), None) = (&self.client, self.settled.get())
            && !is_commit(self.repo.revision())
        {
            let known = self.cache.commit();
            match self.fetch_listing(client, known.is_some(), context) {
                Ok(listing) => return Ok(listing.files),
                Err(trouble) => {
                    self.use_cache(known, trouble, client, None, context)?;
                }
            }
        }
        let Some(settled) = self.settle("README.md", context)? else {
            return Err(self.missing("any file"));
        };
        if let (Some(client), None) = (&self.client, &settled.unreachable)
            && !self.cache.listing(&settled.commit).is_file()
        {
            let listing = self.fetch_listing(client, false, context);
            let explained = |trouble| self.subject(client, None).explain(trouble);
            return Ok(listing.map_err(explained)?.files);
        }
        listing::kept(&self.cache, &settled.commit)
    }

    /// The commit that stands for the revision from now on; `None` if the hub is off and the cache has none.
    fn settle(&self, file: &str, context: &RunContext) -> Result<Option<&Settled>> {
        if let Some(settled) = self.settled.get() {
            return Ok(Some(settled));
        }
        let known = self.cache.commit();
        let Some(client) = &self.client else {
            return Ok(known.map(|commit| self.settled.get_or_init(|| Settled::at(commit))));
        };
        if is_commit(self.repo.revision()) {
            let commit = self.repo.revision().to_string();
            return Ok(Some(self.settled.get_or_init(|| Settled::at(commit))));
        }
        let address = self.address(client, self.repo.revision(), file);
        let asked = pool::one(context, |progress| {
            patiently(patience(known.is_some()), progress, || {
                client.metadata(&address, progress)
            })
        });
        let commit = match asked {
            Ok(metadata) => metadata.commit,
            Err(Trouble::Refused(refusal)) if means_no_file(&refusal) => match commit_of(&refusal) {
                Some(commit) => commit,
                None => {
                    let listed = self.fetch_listing(client, known.is_some(), context);
                    let explained = |trouble| self.subject(client, None).explain(trouble);
                    listed.map_err(explained)?.commit
                }
            },
            Err(trouble) => {
                return self
                    .use_cache(known, trouble, client, Some(file), context)
                    .map(Some);
            }
        };
        self.cache.set_commit(&commit)?;
        Ok(Some(self.settled.get_or_init(|| Settled::at(commit))))
    }

    /// Goes on with what the cache has, if it has anything and the trouble is only that the hub cannot be reached.
    fn use_cache(
        &self,
        known: Option<String>,
        trouble: Trouble,
        client: &Client,
        file: Option<&str>,
        context: &RunContext,
    ) -> Result<&Settled> {
        let outage = trouble.is_outage();
        let error = self.subject(client, file).explain(trouble);
        let Some(commit) = known.filter(|_| outage) else {
            return Err(error);
        };
        let why = error.message().to_string();
        context.events.warn(format!(
            "{why}; going on with the files of `{}` in the cache",
            self.id
        ))?;
        Ok(self.settled.get_or_init(|| Settled {
            commit,
            unreachable: Some(why),
        }))
    }

    fn fetch_listing(&self, client: &Client, cached: bool, context: &RunContext) -> Result<Listing, Trouble> {
        let path = if self.repo.url().starts_with("datasets/") {
            self.repo.url()
        } else {
            format!("models/{}", self.repo.url())
        };
        let settled = self.settled.get().map(|settled| settled.commit.as_str());
        let revision = settled.unwrap_or(self.repo.revision());
        let listing = pool::one(context, |progress| {
            patiently(patience(cached), progress, || {
                listing::fetch(client, &path, revision, progress)
            })
        })?;
        if !is_name(&listing.commit) {
            return Err(Trouble::Broken(
                "the hub names no commit with its list of files".into(),
            ));
        }
        listing::keep(&self.cache, &listing)?;
        if settled.is_none() && !is_commit(self.repo.revision()) {
            self.cache.set_commit(&listing.commit)?;
        }
        let commit = listing.commit.clone();
        self.settled.get_or_init(|| Settled::at(commit));
        Ok(listing)
    }

    /// Fetches those of `files` that the commit has.
    fn fetch(
        &self,
        client: &Client,
        commit: &str,
        files: &[&str],
        context: &RunContext,
    ) -> Result<Vec<Option<PathBuf>>> {
        let progress = Progress::default();
        let ask = |file: &&str| {
            let address = self.address(client, commit, file);
            match patiently(Patience::new(), &progress, || {
                client.metadata(&address, &progress)
            }) {
                Ok(metadata) => Ok(Some(metadata)),
                Err(Trouble::Refused(refusal)) if means_no_file(&refusal) => {
                    self.cache.note_absent(commit, file)?;
                    Ok(None)
                }
                Err(trouble) => Err(trouble),
            }
        };
        let explain = |client: &Client, files: &[&str], failed: pool::Failed| {
            let file = failed.item.and_then(|item| files.get(item)).copied();
            self.subject(client, file.or(files.first().copied()))
                .explain(failed.trouble)
        };
        let answers = pool::each(files, &progress, context, false, ask)
            .map_err(|failed| explain(client, files, failed))?;
        let both = files.iter().zip(answers);
        let (present, announced): (Vec<&str>, Vec<Metadata>) = both
            .filter_map(|(file, metadata)| Some((*file, metadata?)))
            .unzip();
        if present.is_empty() {
            return Ok(vec![None; files.len()]);
        }
        self.start_bar(&present, &announced, context)?;
        let jobs: Vec<(&str, &Metadata)> = present.iter().copied().zip(&announced).collect();
        let done = pool::each(&jobs, &progress, context, true, |(file, metadata)| {
            let address = self.address(client, commit, file);
            transfer::fetch(client, &self.cache, &address, metadata, &progress)?;
            Ok(self.cache.link(commit, file, &metadata.etag)?)
        });
        context.events.emit(Event::TaskFinished)?;
        let paths = done.map_err(|failed| explain(client, &present, failed))?;
        let mut paths = present.into_iter().zip(paths).peekable();
        let path_of = |file: &&str| paths.next_if(|(name, _)| name == file).map(|(_, path)| path);
        Ok(files.iter().map(path_of).collect())
    }

    fn start_bar(&self, files: &[&str], announced: &[Metadata], context: &RunContext) -> Result<()> {
        let title = match files {
            [file] => format!("downloading {}/{file}", self.id),
            files => format!("downloading {} files of {}", files.len(), self.id),
        };
        let started = Event::TaskStarted {
            title,
            unit: "bytes",
            total: announced.iter().map(|metadata| metadata.size).sum(),
        };
        context.events.emit(started).map(drop)
    }

    fn address(&self, client: &Client, revision: &str, file: &str) -> String {
        let revision = escaped(revision).replace('/', "%2F");
        format!(
            "{}/{}/resolve/{revision}/{}",
            client.endpoint,
            self.repo.url(),
            escaped(file)
        )
    }

    fn subject<'a>(&'a self, client: &'a Client, file: Option<&'a str>) -> Subject<'a> {
        Subject {
            id: &self.id,
            page: format!("{}/{}", client.endpoint, self.repo.url()),
            revision: self.repo.revision(),
            file,
            client,
        }
    }

    /// Why `file` is not there.
    fn missing(&self, file: &str) -> Error {
        let unreachable = self
            .settled
            .get()
            .and_then(|settled| settled.unreachable.as_ref());
        match (&self.client, unreachable) {
            (Some(_), None) => Error::input(format!("the repository `{}` has no file `{file}`", self.id)),
            (Some(_), Some(why)) => Error::run(format!(
                "`{file}` of `{}` is not in the cache, and the hub is out of reach: {why}",
                self.id
            )),
            (None, _) => Error::input(format!(
                "`{file}` of `{}` is not in the cache `{}`, and the hub is switched off",
                self.id,
                self.folder.display()
            ))
            .hint("unset HF_HUB_OFFLINE and `local_files_only` once to download it"),
        }
    }
}

impl Settled {
    fn at(commit: String) -> Self {
        Settled {
            commit,
            unreachable: None,
        }
    }
}

/// With a copy in the cache, a hub that is out of reach is not waited for long.
fn patience(cached: bool) -> Patience {
    if cached { Patience::of(2) } else { Patience::new() }
}
