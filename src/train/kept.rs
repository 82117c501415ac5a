//! What a checkpoint keeps of a training: each part saves itself, and takes itself up again, under names of its own. A part
//! that comes later shifts no other.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{Map, Value, parse, to_value};
use crate::error::{Error, Result};
use crate::tensor::safetensors::{self, SafeFile};
use crate::tensor::{Device, Tensor};

/// A part of a training that checkpoints keep.
pub(super) trait Kept {
    /// Puts what it has to remember into `checkpoint`.
    ///
    /// # Errors
    /// The device failed.
    fn save(&self, checkpoint: &mut Saving) -> Result<()>;

    /// Becomes what it was when `checkpoint` was saved.
    ///
    /// # Errors
    /// Something is missing, or of another shape.
    fn restore(&mut self, checkpoint: &Saved) -> Result<()>;
}

/// A checkpoint that is being saved: tensors, and facts beside them.
#[derive(Default)]
pub(super) struct Saving {
    tensors: Vec<(String, Tensor)>,
    facts: Map<String, Value>,
}

impl Saving {
    /// Keeps a tensor as it is now.
    pub(super) fn tensor(&mut self, name: impl Into<String>, tensor: &Tensor) {
        self.tensors.push((name.into(), tensor.shallow_clone()));
    }

    /// Keeps plain data.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn fact(&mut self, name: impl Into<String>, fact: impl Serialize) -> Result<()> {
        self.facts.insert(name.into(), to_value(&fact)?);
        Ok(())
    }

    /// Writes the tensors to `path`, and returns the facts.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(self, path: &Path) -> Result<Map<String, Value>> {
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        safetensors::write(path, &tensors.collect::<Vec<_>>(), &BTreeMap::new())?;
        Ok(self.facts)
    }
}

/// A checkpoint that was saved.
pub(super) struct Saved {
    file: SafeFile,
    facts: Map<String, Value>,
    device: Device,
}

impl Saved {
    /// Opens the tensors at `path`, to be read to `device`, with the facts beside them.
    ///
    /// # Errors
    /// The file is missing or broken.
    pub(super) fn open(path: &Path, facts: Map<String, Value>, device: Device) -> Result<Self> {
        let file = safetensors::read(path)?;
        Ok(Self { file, facts, device })
    }

    /// Returns the tensor of that name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        self.file.tensor(name, self.device, None)
    }

    /// Puts the tensor of that name in the place of `target`, which has its shape.
    ///
    /// # Errors
    /// There is none, or it has another shape.
    pub(super) fn fill(&self, target: &mut Tensor, name: &str) -> Result<()> {
        let values = self.tensor(name)?;
        if values.size() != target.size() {
            return Err(Error::input(format!(
                "`{name}` has shape {:?}, but {:?} is needed",
                values.size(),
                target.size()
            )));
        }
        if target.is_contiguous() {
            *target = values;
        } else {
            // Files hold numbers in the order of the shape; a matrix may lie otherwise in memory.
            target.f_copy_(&values)?;
        }
        Ok(())
    }

    /// Returns the fact of that name.
    ///
    /// # Errors
    /// There is none, or it is of another type.
    pub(super) fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let fact = self.facts.get(name).cloned();
        let fact = fact.ok_or_else(|| Error::input(format!("the checkpoint does not say `{name}`")))?;
        parse(fact).map_err(|error| error.under(name))
    }
}
