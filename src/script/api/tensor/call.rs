//! The arguments of a call that fits its signature, and what functions give back.

use rhai::{Array, Dynamic, Map};

use super::convert::{Options, dtype_of, from_dynamic, sizes_of};
use super::generator::GeneratorHandle;
use super::signature::Signature;
use super::{TensorHandle, input_error, operand, stored};
use crate::error::{Error, Result};
use crate::script::bridge::kind_of;
use crate::tensor::{DType, Device, DeviceSpec, Kind, Reduction, TchError, Tensor};

/// One call: a value for each parameter of the signature.
pub struct Call<'a> {
    signature: &'a Signature,
    values: Vec<Dynamic>,
}

impl<'a> Call<'a> {
    /// Returns a call with what [`Signature::bind`] found.
    pub fn new(signature: &'a Signature, values: Vec<Dynamic>) -> Self {
        Call { signature, values }
    }

    /// Returns the value as it was given; `()` for what the signature does not name.
    pub fn get(&self, name: &str) -> Dynamic {
        let position = self.signature.position(name);
        let value = position.and_then(|at| self.values.get(at));
        value.cloned().unwrap_or(Dynamic::UNIT)
    }

    /// Was it left out, or given as `()`?
    pub fn lacks(&self, name: &str) -> bool {
        self.get(name).is_unit()
    }

    /// Returns what was given, for an error: shapes and dtypes of tensors, and the rest as it is written.
    pub fn described(&self, this: Option<&Tensor>) -> Option<String> {
        let input = this.map(|tensor| format!("`input` {}", described(tensor)));
        let named = self.signature.names().zip(&self.values);
        let rest = named.filter_map(|(name, value)| match value.read_lock::<TensorHandle>() {
            Some(handle) => Some(format!("`{name}` {}", described(handle.tensor()))),
            None if value.is_array() => {
                let tensors = self.tensors(name).ok()?;
                let all: Vec<String> = tensors.iter().map(described).collect();
                Some(format!("`{name}` {}", all.join(" and ")))
            }
            None if value.is_int() || value.is_float() || value.is_string() => {
                Some(format!("`{name}` {value:?}"))
            }
            None => None,
        });
        let all: Vec<String> = input.into_iter().chain(rest).collect();
        (!all.is_empty()).then(|| format!("given: {}", all.join(", ")))
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        let given = kind_of(&self.get(name));
        Error::input(format!("expected {expected}, but was given {given}")).under(name)
    }

    /// Returns a whole number.
    pub fn int(&self, name: &str) -> Result<i64> {
        self.get(name).as_int().map_err(|_| self.wrong(name, "an int"))
    }

    /// Returns a whole number, or none.
    pub fn optional_int(&self, name: &str) -> Result<Option<i64>> {
        if self.lacks(name) {
            Ok(None)
        } else {
            self.int(name).map(Some)
        }
    }

    /// Returns one whole number or several, or none.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        if self.lacks(name) {
            Ok(None)
        } else {
            sizes_of(&self.get(name))
                .map(Some)
                .map_err(|error| error.under(name))
        }
    }

    /// Returns a shape.
    pub fn sizes(&self, name: &str) -> Result<Vec<i64>> {
        Ok(self.ints(name)?.unwrap_or_default())
    }

    /// Returns a number, whole or not.
    pub fn number(&self, name: &str) -> Result<f64> {
        let value = self.get(name);
        value
            .as_float()
            .or_else(|_| value.as_int().map(|number| number as f64))
            .map_err(|_| self.wrong(name, "a number"))
    }

    /// Returns a truth value.
    pub fn flag(&self, name: &str) -> Result<bool> {
        self.get(name)
            .as_bool()
            .map_err(|_| self.wrong(name, "true or false"))
    }

    /// Returns a text.
    pub fn text(&self, name: &str) -> Result<String> {
        let value = self.get(name);
        value.into_string().map_err(|_| self.wrong(name, "a string"))
    }

    /// Returns a number format, or none.
    pub fn kind(&self, name: &str) -> Result<Option<Kind>> {
        if self.lacks(name) {
            Ok(None)
        } else {
            dtype_of(&self.get(name))
                .map(|dtype| Some(dtype.kind()))
                .map_err(|error| error.under(name))
        }
    }

    /// Returns `dtype` and `device` of a tensor to be made; `default` is the dtype if none was given.
    pub fn kind_and_device(&self, default: Kind) -> Result<(Kind, Device)> {
        let device = if self.lacks("device") {
            DeviceSpec::Cpu
        } else {
            self.text("device")?
                .parse()
                .map_err(|error: Error| error.under("device"))?
        };
        Ok((self.kind("dtype")?.unwrap_or(default), device.resolve()?))
    }

    /// Returns a tensor.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.get(name).read_lock::<TensorHandle>() {
            Some(handle) => Ok(handle.tensor().shallow_clone()),
            None => Err(self.wrong(name, "a Tensor")),
        }
    }

    /// Returns a tensor, or a number as one that does not change the dtype of `like` more than PyTorch would.
    pub fn operand(&self, name: &str, like: &Tensor) -> Result<Tensor> {
        operand(like, &self.get(name)).map_err(|error| error.under(name))
    }

    /// Returns a tensor, a number or an array, in the dtype of the tensor that it is stored in.
    pub fn stored(&self, name: &str, target: &Tensor) -> Result<Tensor> {
        stored(target, &self.get(name)).map_err(|error| error.under(name))
    }

    /// Returns a number or an array, as a tensor of `options`.
    pub fn value(&self, name: &str, options: &Options) -> Result<Tensor> {
        from_dynamic(&self.get(name), options).map_err(|error| error.under(name))
    }

    /// Returns a tensor, or none.
    pub fn optional_tensor(&self, name: &str) -> Result<Option<Tensor>> {
        if self.lacks(name) {
            Ok(None)
        } else {
            self.tensor(name).map(Some)
        }
    }

    /// Returns a number, or none.
    pub fn optional_number(&self, name: &str) -> Result<Option<f64>> {
        if self.lacks(name) {
            Ok(None)
        } else {
            self.number(name).map(Some)
        }
    }

    /// Returns the source of chance that was given, if any.
    pub fn generator(&self) -> Option<GeneratorHandle> {
        self.get("generator").try_cast::<GeneratorHandle>()
    }

    /// Returns how a loss is brought together: "mean", "sum" or "none".
    pub fn reduction(&self) -> Result<Reduction> {
        match self.text("reduction")?.as_str() {
            "none" => Ok(Reduction::None),
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            other => Err(Error::unknown("reduction", other, &["mean", "sum", "none"]).under("reduction")),
        }
    }

    /// Returns the tensors of an array, or the one that was given.
    pub fn tensors(&self, name: &str) -> Result<Vec<Tensor>> {
        if let Ok(tensor) = self.tensor(name) {
            return Ok(vec![tensor]);
        }
        let array = self.get(name).into_array();
        let array = array.map_err(|_| self.wrong(name, "an array of tensors"))?;
        let tensor = |(index, value): (usize, &Dynamic)| match value.read_lock::<TensorHandle>() {
            Some(handle) => Ok(handle.tensor().shallow_clone()),
            None => {
                let given = kind_of(value);
                let error = Error::input(format!("expected a Tensor, but was given {given}"));
                Err(error.under(format!("[{index}]")).under(name))
            }
        };
        array.iter().enumerate().map(tensor).collect()
    }
}

/// Shape and dtype: `[2, 3] of float32`.
fn described(tensor: &Tensor) -> String {
    format!("{:?} of {}", tensor.size(), DType::from(tensor.kind()))
}

type Fallible<T> = Result<T, TchError>;

/// Returns one tensor, as a script's value.
pub fn one(result: Fallible<Tensor>) -> Result<Dynamic> {
    result
        .map(|tensor| Dynamic::from(TensorHandle::new(tensor)))
        .map_err(input_error)
}

/// Returns `#{ values, indices }`.
pub fn values_and_indices(result: Fallible<(Tensor, Tensor)>) -> Result<Dynamic> {
    let (values, indices) = result.map_err(input_error)?;
    map([("values", values), ("indices", indices)])
}

/// Returns tensors by their names, as PyTorch's named tuples.
pub fn map<const N: usize>(named: [(&str, Tensor); N]) -> Result<Dynamic> {
    let map: Map = named
        .into_iter()
        .map(|(name, tensor)| (name.into(), Dynamic::from(TensorHandle::new(tensor))))
        .collect();
    Ok(map.into())
}

/// Returns an array of tensors.
pub fn several(result: Fallible<Vec<Tensor>>) -> Result<Dynamic> {
    let tensors = result.map_err(input_error)?;
    let array: Array = tensors
        .into_iter()
        .map(|tensor| Dynamic::from(TensorHandle::new(tensor)))
        .collect();
    Ok(array.into())
}
