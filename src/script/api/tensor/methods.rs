//! Shape, dtype, device, linear algebra and the other methods of tensors.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

use super::{TensorHandle, handle, input_error, matrix_product, operand, sizes_of};
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::script::guard;
use crate::tensor::{DType, Tensor};

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "tensor_methods", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// A map of named tensors, as `topk` and `sort` return.
fn named(parts: [(&str, Tensor); 2]) -> Map {
    parts
        .into_iter()
        .map(|(name, tensor)| (name.into(), Dynamic::from(TensorHandle::new(tensor))))
        .collect()
}

#[export_module(manifest)]
mod functions {
    /// Sizes of the dimensions, e.g. `[4096, 768]`.
    #[rhai_fn(get = "shape", pure)]
    pub fn shape(tensor: &mut TensorHandle) -> Array {
        tensor.tensor().size().into_iter().map(Dynamic::from).collect()
    }

    /// Number format, e.g. `torch::float32`.
    #[rhai_fn(get = "dtype", pure)]
    pub fn dtype(tensor: &mut TensorHandle) -> DType {
        tensor.tensor().kind().into()
    }

    /// Number of dimensions.
    #[rhai_fn(get = "ndim", name = "dim", pure)]
    pub fn ndim(tensor: &mut TensorHandle) -> i64 {
        tensor.tensor().dim() as i64
    }

    /// Number of elements.
    #[rhai_fn(pure)]
    pub fn numel(tensor: &mut TensorHandle) -> i64 {
        tensor.tensor().numel() as i64
    }

    /// Size of the first dimension.
    #[rhai_fn(pure)]
    pub fn len(tensor: &mut TensorHandle) -> i64 {
        tensor.tensor().size().first().copied().unwrap_or(0)
    }

    /// Size of one dimension; negative numbers count from the end.
    #[rhai_fn(return_raw, pure)]
    pub fn size(tensor: &mut TensorHandle, dim: i64) -> RhaiResultOf<i64> {
        let sizes = tensor.tensor().size();
        let index = if dim < 0 { dim + sizes.len() as i64 } else { dim };
        let size = usize::try_from(index)
            .ok()
            .and_then(|index| sizes.get(index).copied());
        size.ok_or_else(|| {
            raise(crate::Error::input(format!(
                "there is no dimension {dim} in shape {sizes:?}"
            )))
        })
    }

    /// Matrix product with `other`, batched as in PyTorch.
    #[rhai_fn(return_raw, pure)]
    pub fn matmul(tensor: &mut TensorHandle, other: TensorHandle) -> RhaiResultOf<TensorHandle> {
        matrix_product(tensor.tensor(), other.tensor())
    }

    /// Swaps two dimensions.
    #[rhai_fn(return_raw, pure)]
    pub fn transpose(tensor: &mut TensorHandle, first: i64, second: i64) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_transpose(first, second))
    }

    /// The matrix transposed.
    #[rhai_fn(get = "T", name = "t", return_raw, pure)]
    pub fn transposed(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_tr())
    }

    /// Dimensions in the given order.
    #[rhai_fn(return_raw, pure)]
    pub fn permute(tensor: &mut TensorHandle, dims: Array) -> RhaiResultOf<TensorHandle> {
        let dims = sizes_of(&dims.into()).raise()?;
        handle(tensor.tensor().f_permute(dims))
    }

    /// The same elements in another shape; one size may be -1.
    #[rhai_fn(return_raw, pure)]
    pub fn reshape(tensor: &mut TensorHandle, shape: Array) -> RhaiResultOf<TensorHandle> {
        let shape = sizes_of(&shape.into()).raise()?;
        handle(tensor.tensor().f_reshape(shape))
    }

    /// All elements in one dimension.
    #[rhai_fn(return_raw, pure)]
    pub fn flatten(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_flatten(0, -1))
    }

    /// With a new dimension of size 1 at `dim`.
    #[rhai_fn(return_raw, pure)]
    pub fn unsqueeze(tensor: &mut TensorHandle, dim: i64) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_unsqueeze(dim))
    }

    /// Without dimensions of size 1.
    #[rhai_fn(return_raw, pure)]
    pub fn squeeze(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_squeeze())
    }

    /// Without dimension `dim`, if its size is 1.
    #[rhai_fn(name = "squeeze", return_raw, pure)]
    pub fn squeeze_dim(tensor: &mut TensorHandle, dim: i64) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_squeeze_dim(dim))
    }

    /// Probabilities along `dim`: exp(x) over their sum.
    #[rhai_fn(return_raw, pure)]
    pub fn softmax(tensor: &mut TensorHandle, dim: i64) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_softmax(dim, None))
    }

    /// Logarithms of the probabilities along `dim`.
    #[rhai_fn(return_raw, pure)]
    pub fn log_softmax(tensor: &mut TensorHandle, dim: i64) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_log_softmax(dim, None))
    }

    /// The `k` largest elements of the last dimension, largest first: `#{ values, indices }`.
    #[rhai_fn(return_raw, pure)]
    pub fn topk(tensor: &mut TensorHandle, k: i64) -> RhaiResultOf<Map> {
        let (values, indices) = tensor
            .tensor()
            .f_topk(k, -1, true, true)
            .map_err(input_error)
            .raise()?;
        Ok(named([("values", values), ("indices", indices)]))
    }

    /// Sorted along the last dimension: `#{ values, indices }`.
    #[rhai_fn(return_raw, pure)]
    pub fn sort(tensor: &mut TensorHandle, descending: bool) -> RhaiResultOf<Map> {
        let (values, indices) = tensor
            .tensor()
            .f_sort(-1, descending)
            .map_err(input_error)
            .raise()?;
        Ok(named([("values", values), ("indices", indices)]))
    }

    /// Sums so far along `dim`.
    #[rhai_fn(return_raw, pure)]
    pub fn cumsum(tensor: &mut TensorHandle, dim: i64) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_cumsum(dim, None))
    }

    /// Each element, but no less than `low` and no more than `high`.
    #[rhai_fn(return_raw, pure)]
    pub fn clamp(tensor: &mut TensorHandle, low: Dynamic, high: Dynamic) -> RhaiResultOf<TensorHandle> {
        let low = operand(tensor.tensor(), &low).raise()?;
        let high = operand(tensor.tensor(), &high).raise()?;
        handle(tensor.tensor().f_clamp_tensor(Some(low), Some(high)))
    }

    /// The larger of each element and `other`'s, which may be a number.
    #[rhai_fn(return_raw, pure)]
    pub fn maximum(tensor: &mut TensorHandle, other: Dynamic) -> RhaiResultOf<TensorHandle> {
        let other = operand(tensor.tensor(), &other).raise()?;
        handle(tensor.tensor().f_maximum(&other))
    }

    /// The smaller of each element and `other`'s, which may be a number.
    #[rhai_fn(return_raw, pure)]
    pub fn minimum(tensor: &mut TensorHandle, other: Dynamic) -> RhaiResultOf<TensorHandle> {
        let other = operand(tensor.tensor(), &other).raise()?;
        handle(tensor.tensor().f_minimum(&other))
    }

    /// Are all elements true (not 0)?
    #[rhai_fn(return_raw, pure)]
    pub fn all(tensor: &mut TensorHandle) -> RhaiResultOf<bool> {
        let result = tensor.tensor().f_all().and_then(|all| all.f_int64_value(&[]));
        result.map(|value| value != 0).map_err(input_error).raise()
    }

    /// Is any element true (not 0)?
    #[rhai_fn(return_raw, pure)]
    pub fn any(tensor: &mut TensorHandle) -> RhaiResultOf<bool> {
        let result = tensor.tensor().f_any().and_then(|any| any.f_int64_value(&[]));
        result.map(|value| value != 0).map_err(input_error).raise()
    }

    /// Are all elements close to `other`'s? `|a - b| <= 1e-8 + 1e-5 |b|`.
    #[rhai_fn(return_raw, pure)]
    pub fn allclose(tensor: &mut TensorHandle, other: TensorHandle) -> RhaiResultOf<bool> {
        allclose_within(tensor, other, 1e-5, 1e-8)
    }

    /// Are all elements close to `other`'s? `|a - b| <= atol + rtol |b|`.
    #[rhai_fn(name = "allclose", return_raw, pure)]
    pub fn allclose_within(
        tensor: &mut TensorHandle,
        other: TensorHandle,
        rtol: f64,
        atol: f64,
    ) -> RhaiResultOf<bool> {
        let result = tensor.tensor().f_allclose(other.tensor(), rtol, atol, false);
        result.map_err(input_error).raise()
    }

    /// A copy with memory of its own.
    #[rhai_fn(return_raw, pure)]
    pub fn clone(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_alias_copy())
    }

    /// The same values, without the history that gradients need.
    #[rhai_fn(return_raw, pure)]
    pub fn detach(tensor: &mut TensorHandle) -> RhaiResultOf<TensorHandle> {
        handle(tensor.tensor().f_detach())
    }

    /// As PyTorch prints it; large tensors in part and with statistics.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(tensor: &mut TensorHandle) -> String {
        crate::tensor::show(tensor.tensor())
    }
}
