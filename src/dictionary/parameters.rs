//! Parameters as data: a name, a tensor, what it is for, and along which dimension it may be divided.

use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

/// What a parameter is to those who draw, move, clip and save it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A matrix that takes part in products.
    Weight,
    /// What is added, or scales: 0 at the start.
    Bias,
    /// The logarithms of an activation's thresholds: a learning rate of their own, at least float32, never clipped.
    Threshold,
}

/// What a dictionary says about a parameter before there are numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Its name in weight files.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<i64>,
    /// What it is for.
    pub role: Role,
    /// The dimension that runs over the latents, along which processes may share it; `None`: each holds all of it.
    pub placement: Option<usize>,
}

impl ParameterSpec {
    /// Describes one parameter.
    pub fn new(name: &'static str, shape: &[i64], role: Role, placement: Option<usize>) -> Self {
        Self {
            name,
            shape: shape.to_vec(),
            role,
            placement,
        }
    }

    /// Returns zeros of its shape. In memory a matrix is one row after the other of its latents, where they are its columns too:
    /// what belongs to one latent is read, changed and written together.
    fn zeros(&self, kind: Kind, device: Device) -> Result<Tensor> {
        let options = (self.role.kind(kind), device);
        let latents = match (self.role, self.placement) {
            (Role::Weight, Some(latents)) if latents + 1 == self.shape.len() => latents,
            _ => return Ok(Tensor::f_zeros(self.shape.as_slice(), options)?),
        };
        let mut shape = self.shape.clone();
        let count = shape.remove(latents);
        shape.insert(0, count);
        Ok(Tensor::f_zeros(shape.as_slice(), options)?.f_movedim_int(0, latents as i64)?)
    }

    /// Returns how many numbers the parameter has.
    pub fn numel(&self) -> u64 {
        let sizes = self.shape.iter().map(|size| (*size).max(0) as u64);
        sizes.fold(1, u64::saturating_mul)
    }
}

/// A trainable tensor with what there is to know about it. The tensor shares its storage with the dictionary.
#[derive(Debug)]
pub struct Parameter {
    /// Its name in weight files.
    pub name: &'static str,
    /// The numbers.
    pub tensor: Tensor,
    /// What it is for.
    pub role: Role,
    /// The dimension that runs over the latents; `None`: it has none.
    pub placement: Option<usize>,
}

/// The parameters of one dictionary, in a fixed order.
#[derive(Debug)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Returns parameters that are all 0.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn zeros(layout: Vec<ParameterSpec>, kind: Kind, device: Device) -> Result<Self> {
        let parameter = |spec: ParameterSpec| -> Result<Parameter> {
            let zeros = spec.zeros(kind, device)?;
            Ok(Parameter {
                name: spec.name,
                tensor: zeros.f_set_requires_grad(true)?,
                role: spec.role,
                placement: spec.placement,
            })
        };
        layout
            .into_iter()
            .map(parameter)
            .collect::<Result<_>>()
            .map(Parameters)
    }

    /// Returns other handles on the same numbers.
    pub(super) fn share(&self) -> Self {
        let shared = |parameter: &Parameter| Parameter {
            name: parameter.name,
            tensor: parameter.tensor.shallow_clone(),
            role: parameter.role,
            placement: parameter.placement,
        };
        Parameters(self.0.iter().map(shared).collect())
    }

    /// Returns all parameters, in order.
    pub fn all(&self) -> &[Parameter] {
        &self.0
    }

    /// Returns the tensor of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        let found = self.0.iter().find(|parameter| parameter.name == name);
        found.map(|parameter| &parameter.tensor)
    }

    /// Returns the tensor of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|parameter| parameter.name).collect();
            Error::unknown("parameter", name, &names)
        })
    }

    /// Puts another tensor in the place of the one of that name.
    pub(super) fn replace(&mut self, name: &str, tensor: Tensor) {
        if let Some(parameter) = self.0.iter_mut().find(|parameter| parameter.name == name) {
            parameter.tensor = tensor;
        }
    }
}

impl Role {
    /// Returns the number format of a parameter in a dictionary of format `kind`. Half precision is too coarse for
    /// logarithms: rounding one by half a unit moves a threshold of 100 by 1%.
    pub(super) fn kind(self, kind: Kind) -> Kind {
        match (self, kind) {
            (Role::Threshold, Kind::Double) => Kind::Double,
            (Role::Threshold, _) => Kind::Float,
            _ => kind,
        }
    }
}
