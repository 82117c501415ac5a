//! Where the files of a cache lie.

use std::path::Path;

use super::folder::ChunkFolder;
use crate::activations::CachePath;
use crate::activations::cache::chunk_name::sub_folders;
use crate::error::{Error, Result};
use crate::store::{RemoteFolder, is_remote};
use crate::transfer::Progress;

/// The folder of a hook point's chunks.
///
/// # Errors
/// No folder of that name; lists the hook points that the cache has.
pub(super) fn folder_of(path: &CachePath, hook_point: &str, progress: &Progress) -> Result<ChunkFolder> {
    let found = match path {
        CachePath::Root(root) if is_remote(root) => remote_folder(root, hook_point, progress),
        CachePath::Root(root) => local_folder(Path::new(root), hook_point),
        CachePath::ByHookPoint(folders) => {
            let folder = folders.get(hook_point).ok_or_else(|| {
                let names: Vec<&String> = folders.keys().collect();
                Error::unknown("hook point", hook_point, &names).under("path")
            })?;
            let found = match is_remote(folder) {
                true => RemoteFolder::open(folder).and_then(|folder| ChunkFolder::remote(folder, progress)),
                false if Path::new(folder).is_dir() => Ok(ChunkFolder::Local(folder.into())),
                false => Err(Error::input(format!("there is no folder `{folder}`"))),
            };
            found.map_err(|error| error.under(hook_point))
        }
    };
    found.map_err(|error| error.under("path"))
}

fn local_folder(root: &Path, hook_point: &str) -> Result<ChunkFolder> {
    if !root.is_dir() {
        return Err(Error::input(format!(
            "there is no cache folder `{}`",
            root.display()
        )));
    }
    let folder = root.join(hook_point);
    if folder.is_dir() {
        Ok(ChunkFolder::Local(folder))
    } else {
        Err(no_hook_point(
            &root.display().to_string(),
            hook_point,
            &sub_folders(root)?,
        ))
    }
}

fn remote_folder(root: &str, hook_point: &str, progress: &Progress) -> Result<ChunkFolder> {
    let root = RemoteFolder::open(root)?;
    let folder = ChunkFolder::remote(root.below(hook_point), progress)?;
    match &folder {
        ChunkFolder::Remote {
            listing: Some(listing),
            ..
        } if listing.files.is_empty() => {
            let names = root.list(progress)?.unwrap_or_default().folders;
            Err(no_hook_point(&root.to_string(), hook_point, &names))
        }
        _ => Ok(folder),
    }
}

fn no_hook_point(root: &str, hook_point: &str, names: &[String]) -> Error {
    if names.is_empty() {
        Error::input(format!("the cache folder `{root}` is empty"))
    } else {
        Error::unknown("hook point in the cache", hook_point, names).context(format!("in `{root}`"))
    }
}
