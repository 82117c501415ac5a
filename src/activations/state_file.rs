//! The file in a checkpoint folder that says where a stream was.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;
use crate::error::{Error, Result};

const NAME: &str = "activation_stream.json";

/// Writes `state` into `folder`.
pub(super) fn write<S: Serialize>(folder: &Path, state: &S) -> Result<()> {
    let text = serde_json::to_vec(state)
        .map_err(|error| Error::run(format!("cannot write the stream's state: {error}")))?;
    atomic::write(folder.join(NAME), text)
}

/// Reads what [`write`] wrote.
pub(super) fn read<S: DeserializeOwned>(folder: &Path) -> Result<S> {
    let path = folder.join(NAME);
    let text = std::fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::input(format!(
            "`{}` holds no state of such a stream: {error}",
            path.display()
        ))
    })
}

/// The state in `folder` belongs to a stream of another configuration.
pub(super) fn foreign(folder: &Path) -> Error {
    Error::input(format!(
        "`{}` was saved by a stream with other sources, another cache or another buffer",
        folder.join(NAME).display()
    ))
}
