//! The stores that are looked at, each opened once and watched: what is told of one is always of the file that lies there
//! now, and of the analysis that a page was opened on.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::findings::{Access, Analysis, Store, StoreSummary, Vocabulary};

/// Whether labels and bookmarks may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writing {
    /// Into stores that this user made on this machine, and that may be written.
    #[default]
    Own,
    /// Into all that may be written.
    All,
    /// Into none.
    None,
}

/// Stores in the order in which they were named.
pub struct OpenStores {
    stores: Vec<Mutex<OpenStore>>,
    names: Vec<String>,
    writing: Writing,
}

/// One open store.
pub(super) struct OpenStore {
    store: Store,
    path: PathBuf,
    file: (u64, u64),
    /// Why nothing may be written, if so.
    closed: Option<String>,
    vocabulary: Option<Arc<Vocabulary>>,
    columns: Option<Columns>,
}

/// Columns that were read.
struct Columns {
    /// Of which version of the analysis, and after which changes by other programs.
    of: (String, i64),
    numbers: Arc<Vec<u8>>,
}

/// Why a page does not get what it asked for.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What was asked for is wrong, or could not be done.
    Error(Error),
    /// The analysis that the page shows is no longer there as it was.
    Rewritten,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

/// A page's view of a store: the analysis it names, unchanged since the page was opened.
pub(super) struct Page<'a> {
    pub(super) opened: &'a mut OpenStore,
    pub(super) analysis: Analysis,
    pub(super) version: String,
}

impl OpenStores {
    /// Opens the stores at `paths`: files, or folders in which one lies.
    ///
    /// # Errors
    /// What is there is no store, of a newer program, damaged, or may not be read.
    pub fn open(paths: &[PathBuf], writing: Writing) -> Result<Self> {
        let mut stores = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for path in paths {
            let path = located(path)?;
            names.push(name(&path));
            stores.push(Mutex::new(OpenStore::open(&path, writing)?));
        }
        Ok(OpenStores {
            stores,
            names,
            writing,
        })
    }

    /// Returns what the first store holds.
    ///
    /// # Errors
    /// A damaged store.
    pub fn summary(&self) -> Result<StoreSummary> {
        let opened = self
            .stores
            .first()
            .ok_or_else(|| Error::input("there is no store"))?;
        opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .store
            .summary()
    }

    /// Refuses stores that have nothing to show.
    ///
    /// # Errors
    /// One that holds no analysis yet; a damaged one.
    pub fn require_analyses(&self) -> Result<()> {
        for opened in &self.stores {
            let opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.store.analysis(None)?;
        }
        Ok(())
    }

    /// Returns the names of the stores, as a choice between them shows them.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Calls `work` with the store of this number and its analysis `analysis` (that of `Store::analysis` without a name).
    ///
    /// # Errors
    /// There is no such store or analysis; the store was written anew since `version` was told; what `work` says.
    pub(super) fn read<T>(
        &self,
        number: usize,
        analysis: Option<&str>,
        version: Option<&str>,
        work: impl FnOnce(Page<'_>) -> Result<T>,
    ) -> Result<T, Refusal> {
        let opened = self.stores.get(number).ok_or_else(|| {
            Error::input(format!(
                "there is no store {number}: they are numbered from 0 to {}",
                self.stores.len().saturating_sub(1)
            ))
        })?;
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.follow(self.writing)?;
        let found = opened.store.analysis(analysis);
        let found = match (found, version) {
            (Err(_), Some(_)) => return Err(Refusal::Rewritten),
            (found, _) => found?,
        };
        let now = opened.version(&found);
        if version.is_some_and(|version| version != now) {
            return Err(Refusal::Rewritten);
        }
        let page = Page {
            opened: &mut opened,
            analysis: found,
            version: now,
        };
        Ok(work(page)?)
    }
}

impl OpenStore {
    fn open(path: &Path, writing: Writing) -> Result<Self> {
        let file = identity(path)?;
        let (store, closed) = open_file(path, writing)?;
        Ok(OpenStore {
            store,
            path: path.to_path_buf(),
            file,
            closed,
            vocabulary: None,
            columns: None,
        })
    }

    /// Opens the file anew if another lies in its place.
    fn follow(&mut self, writing: Writing) -> Result<()> {
        if identity(&self.path)? != self.file {
            *self = Self::open(&self.path, writing)?;
        }
        Ok(())
    }

    /// Returns what is different as soon as figures of the analysis are.
    fn version(&self, analysis: &Analysis) -> String {
        let finished = analysis.finished.as_deref().unwrap_or("running");
        format!(
            "{:x}.{:x}.{}.{}.{finished}",
            self.file.0, self.file.1, analysis.id, analysis.created
        )
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns why labels and bookmarks may not be written; `None` if they may.
    pub(super) fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Refuses to write where that was not allowed.
    pub(super) fn require_open(&self) -> Result<()> {
        match &self.closed {
            None => Ok(()),
            Some(why) => Err(Error::input(format!("nothing is written into this store: {why}"))),
        }
    }

    pub(super) fn vocabulary(&mut self) -> Result<Arc<Vocabulary>> {
        match &self.vocabulary {
            Some(known) => Ok(known.clone()),
            None => {
                let read = Arc::new(self.store.vocabulary()?);
                self.vocabulary = Some(read.clone());
                Ok(read)
            }
        }
    }

    /// Returns the columns that `make` makes, which are remembered as long as they are of `version` and no other program
    /// writes into the store.
    pub(super) fn columns(
        &mut self,
        version: &str,
        make: impl FnOnce(&Store) -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        // Asked before reading: what is written meanwhile is read next time.
        let now = (version.to_string(), self.store.changes_by_others()?);
        if let Some(known) = &self.columns
            && known.of == now
        {
            return Ok(known.numbers.clone());
        }
        let numbers = Arc::new(make(&self.store)?);
        self.columns = Some(Columns {
            of: now,
            numbers: numbers.clone(),
        });
        Ok(numbers)
    }

    /// Forgets the columns: something in them was changed.
    pub(super) fn changed(&mut self) {
        self.columns = None;
    }
}

/// Opens a store for as much as is allowed; with why nothing may be written.
fn open_file(path: &Path, writing: Writing) -> Result<(Store, Option<String>)> {
    let for_reading = |why: &str| Ok((Store::open_for(path, Access::Read)?, Some(why.to_string())));
    if writing == Writing::None {
        return for_reading("that was asked for with `--read-only`");
    }
    // Said by the file as it stands: one from elsewhere is not even brought to this program's version.
    if writing == Writing::Own && !Store::is_from_here(path)? {
        return for_reading("it was made elsewhere; `--write` allows it");
    }
    let store = Store::open(path)?;
    let closed =
        (store.access() == Access::Read).then(|| "its file or folder may not be written".to_string());
    Ok((store, closed))
}

/// The name under which analyses write a store into a folder of results.
const IN_FOLDER: &str = "analysis.sqlite";

fn located(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let inside = path.join(IN_FOLDER);
    if inside.is_file() {
        return Ok(inside);
    }
    let error = Error::input(format!("the folder `{}` has no `{IN_FOLDER}`", path.display()));
    Err(match within(path).as_slice() {
        [] => error.hint("`saescript analyze` makes one; a store of another name is given by its own path"),
        folders => error.hint(format!("there is one in {}", folders.join(", "))),
    })
}

/// The folders in a folder of results that hold a store, sorted, the first few.
fn within(path: &Path) -> Vec<String> {
    const MOST: usize = 5;
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut with: Vec<String> = folders
        .filter(|folder| folder.join(IN_FOLDER).is_file())
        .map(|folder| format!("`{}`", folder.display()))
        .collect();
    with.sort();
    with.truncate(MOST);
    with
}

/// Returns what tells a store from others: its name, or that of its folder where all are called the same.
fn name(path: &Path) -> String {
    let named = if path.file_name().is_some_and(|name| name == IN_FOLDER) {
        path.parent().and_then(Path::file_name)
    } else {
        path.file_name()
    };
    named.unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Returns which file lies at `path`.
fn identity(path: &Path) -> Result<(u64, u64)> {
    let found = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::serve::view::changes::{NewBookmark, set_bookmark};
    use crate::serve::view::{columns, found};

    /// Opens a store of two latents, twice: for pages, and as another program does.
    fn opened(folder: &Path) -> (OpenStores, Store) {
        let path = folder.join("a.sqlite");
        crate::findings::tests::old(&path);
        let stores = OpenStores::open(std::slice::from_ref(&path), Writing::All).expect("a store");
        (stores, Store::open(&path).expect("the same"))
    }

    fn numbers(stores: &OpenStores) -> Vec<u8> {
        let read = stores.read(0, None, None, |page| {
            let (analysis, version) = (page.analysis, page.version);
            page.opened
                .columns(&version, |store| columns::numbers(store, &analysis))
        });
        read.expect("columns").to_vec()
    }

    #[test]
    fn what_others_write_is_in_the_next_columns() {
        let folder = tempfile::tempdir().expect("a folder");
        let (stores, other) = opened(folder.path());
        let before = numbers(&stores);
        assert_eq!(numbers(&stores), before);
        other
            .set_metric("a b", &BTreeMap::from([(0, 1.0)]))
            .expect("written");
        let with_one = numbers(&stores);
        let column = 4 * other.analysis(None).expect("an analysis").latents as usize;
        assert_eq!(with_one.len(), before.len() + column);
        other
            .set_metric("a-b", &BTreeMap::from([(0, 2.0)]))
            .expect("written");
        let names = serde_json::to_string(&columns::columns(&other).expect("columns")).expect("JSON");
        assert!(
            names.contains("\"metric.a_b\"") && names.contains("\"metric.a_b_2\""),
            "{names}"
        );
        other.set_label(1, "new", "user").expect("labelled");
        assert_ne!(
            numbers(&stores)[with_one.len() + 8 - 8..],
            with_one[with_one.len() - 8..]
        );
    }

    #[test]
    fn notes_of_tags_stay_until_they_are_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (stores, other) = opened(folder.path());
        other.bookmark(1, "aa", "of aa").expect("written");
        other.bookmark(1, "bb", "of bb").expect("written");
        let change = |tags: &[&str], note: &str| {
            let new = serde_json::json!({"latent": 1, "on": true, "tags": tags, "note": note});
            let new: NewBookmark = serde_json::from_value(new).expect("a bookmark");
            let changed = stores.read(0, None, None, |mut page| set_bookmark(&mut page, &new));
            changed.expect("changed");
        };
        let notes = || -> Vec<(String, String)> {
            let all = other.bookmarks().expect("read").into_iter();
            let mut all: Vec<_> = all
                .filter(|mark| mark.latent == 1)
                .map(|mark| (mark.tag, mark.note))
                .collect();
            all.sort();
            all
        };
        let shown = || serde_json::to_value(found::bookmarks(&other).expect("read")).expect("JSON");
        let pair = |tag: &str, note: &str| (tag.to_string(), note.to_string());
        assert!(shown().to_string().contains("of aa\\n\\nof bb"), "{}", shown());
        change(&["aa", "bb", "cc"], "of aa\n\nof bb");
        assert_eq!(
            notes(),
            [pair("aa", "of aa"), pair("bb", "of bb"), pair("cc", "")]
        );
        change(&["aa", "bb"], "another");
        assert_eq!(notes(), [pair("aa", "another"), pair("bb", "another")]);
    }
}
