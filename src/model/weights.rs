//! Weight files of a model folder: one safetensors file or several with an index, mapped and cast while loading.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::hf_config::read_json_object;
use crate::error::{Error, Result};
use crate::tensor::safetensors::{self, SafeFile};
use crate::tensor::{DType, Device, Kind, Tensor};

/// The file of an unsharded model.
pub(super) const SINGLE_FILE: &str = "model.safetensors";
/// The list of which tensor lies in which shard.
pub(super) const SHARD_INDEX: &str = "model.safetensors.index.json";

/// All weight files of a model, open.
#[derive(Debug)]
pub(super) struct WeightFiles {
    folder: PathBuf,
    files: Vec<SafeFile>,
    /// Tensor name → position in `files`.
    places: BTreeMap<String, usize>,
}

impl WeightFiles {
    /// Opens the weights in `folder`.
    ///
    /// # Errors
    /// There are none, one is broken, or the index names a file that is not there.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let paths = weight_paths(folder)?;
        let listed = !folder.join(SINGLE_FILE).is_file();
        let read = |path: &PathBuf| {
            safetensors::read(path).map_err(|error| {
                if listed {
                    error.context(format!("{SHARD_INDEX} lists it"))
                } else {
                    error
                }
            })
        };
        let files = paths.iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut places = BTreeMap::new();
        for (position, file) in files.iter().enumerate() {
            places.extend(file.names().into_iter().map(|name| (name, position)));
        }
        Ok(WeightFiles {
            folder: folder.to_path_buf(),
            files,
            places,
        })
    }

    /// Returns whether there is a tensor of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Returns the error that there is no tensor `name`.
    pub(super) fn lacks(&self, name: &str) -> Error {
        Error::input(format!(
            "the weights in `{}` lack the tensor `{name}`, which config.json asks for",
            self.folder.display()
        ))
    }

    /// Returns the tensor `name` as `kind` on `device`.
    ///
    /// # Errors
    /// It is not there, or its shape is not `shape`.
    pub(super) fn tensor(&self, name: &str, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor> {
        let Some(file) = self.places.get(name).map(|position| &self.files[*position]) else {
            let names: Vec<&String> = self.places.keys().collect();
            let near = crate::error::nearest(name, names.iter().map(|name| name.as_str()));
            let error = self.lacks(name);
            return Err(match near {
                Some(near) => error.hint(format!("there is a tensor `{near}`")),
                None => error.hint("the weights and config.json belong to different models"),
            });
        };
        let found = file.shape(name).unwrap_or_default();
        if found != shape {
            return Err(Error::input(format!(
                "tensor `{name}` in `{}` has shape {found:?}, but config.json asks for {shape:?}",
                file.path().display()
            ))
            .hint("the weights and config.json belong to different models"));
        }
        file.tensor(name, device, Some(DType::from(kind)))
    }
}

/// Returns the weight files in `folder`, in order.
///
/// # Errors
/// There are none, or the list of them is broken.
pub(super) fn weight_paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join(SINGLE_FILE);
    let index = folder.join(SHARD_INDEX);
    if single.is_file() {
        Ok(vec![single])
    } else if index.is_file() {
        let names = shard_names(&index)?;
        Ok(names.iter().map(|name| folder.join(name)).collect())
    } else {
        Err(no_weights(folder))
    }
}

/// Returns the file names of the shards, each once, in order.
pub(super) fn shard_names(index: &Path) -> Result<Vec<String>> {
    let values = read_json_object(index)?;
    let map = values
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| {
            Error::input(format!(
                "`{}` has no `weight_map`, the list of which tensor lies in which file",
                index.display()
            ))
        })?;
    let mut names: Vec<String> = map.values().filter_map(Value::as_str).map(String::from).collect();
    names.sort();
    names.dedup();
    match names
        .iter()
        .find(|name| Path::new(name).components().count() != 1)
    {
        Some(name) => Err(Error::input(format!(
            "`{}` names the file `{name}`, which is not beside it",
            index.display()
        ))),
        None => Ok(names),
    }
}

fn no_weights(folder: &Path) -> Error {
    let error = Error::input(format!(
        "there are no weights in `{}`: neither {SINGLE_FILE} nor {SHARD_INDEX}",
        folder.display()
    ));
    if folder.join("pytorch_model.bin").exists() {
        error.hint(
            "pytorch_model.bin is a pickle, which is not read here; save the model with \
         `save_pretrained(folder, safe_serialization=True)`",
        )
    } else {
        error.hint("expected a folder written by transformers' `save_pretrained`, or a hub id")
    }
}
