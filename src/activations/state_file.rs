//! The files in a checkpoint folder that say where a stream was.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;
use crate::error::{Error, Result};
use crate::files;

/// Where a producer got to.
pub(super) const ENGINE: &str = "activation_stream.json";

/// Writes `state` into the file `name` of `folder`.
pub(super) fn write<S: Serialize>(folder: &Path, name: &str, state: &S) -> Result<()> {
    let text = serde_json::to_vec(state)
        .map_err(|error| Error::run(format!("cannot write the stream's state: {error}")))?;
    atomic::write(folder.join(name), text)
}

/// Reads what [`write()`] wrote.
pub(super) fn read<S: DeserializeOwned>(folder: &Path, name: &str) -> Result<S> {
    let path = folder.join(name);
    let text = files::read(&path, u64::MAX).map_err(|error| Error::io("read", &path, error))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::input(format!(
            "`{}` holds no state of such a stream: {error}",
            path.display()
        ))
    })
}

/// Says that the state in `folder` belongs to a stream of another configuration.
pub(super) fn foreign(folder: &Path) -> Error {
    Error::input(format!(
        "`{}` was saved by a stream with other sources, another cache or another buffer",
        folder.join(ENGINE).display()
    ))
}
