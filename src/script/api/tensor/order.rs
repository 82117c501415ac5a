//! Functions that order elements, find them in an order, or count them.

use rhai::Dynamic;

use super::call::{Call, map, one, values_and_indices};
use super::convert::Options;
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use crate::error::{Error, Result};
use crate::tensor::{Kind, TchError, Tensor, integer, size};

const fn ordering(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Both, Memory::Like, overloads)
}

type Along = fn(&Tensor, i64, bool) -> Result<(Tensor, Tensor), TchError>;

/// Values and indices along one dimension.
fn along(tensor: &Tensor, call: &Call<'_>, function: Along) -> Result<Dynamic> {
    let keepdim = call.flag("keepdim").unwrap_or(false);
    values_and_indices(function(tensor, call.int("dim")?, keepdim))
}

fn kth(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    values_and_indices(tensor.f_kthvalue(call.int("k")?, call.int("dim")?, call.flag("keepdim")?))
}

/// A tensor, or with what was asked for beside it a map.
fn distinct(found: (Tensor, Tensor, Tensor), call: &Call<'_>) -> Result<Dynamic> {
    let (output, inverse, counts) = found;
    match (call.flag("return_inverse")?, call.flag("return_counts")?) {
        (false, false) => one(Ok(output)),
        (true, false) => map([("output", output), ("inverse_indices", inverse)]),
        (false, true) => map([("output", output), ("counts", counts)]),
        (true, true) => map([
            ("output", output),
            ("inverse_indices", inverse),
            ("counts", counts),
        ]),
    }
}

fn unique(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (inverse, counts) = (call.flag("return_inverse")?, call.flag("return_counts")?);
    let sorted = call.flag("sorted")?;
    let found = match call.optional_int("dim")? {
        Some(dim) => tensor.f_unique_dim(dim, sorted, inverse, counts),
        None => tensor.f_internal_unique2(sorted, inverse, counts),
    };
    distinct(found.map_err(input_error)?, call)
}

fn unique_consecutive(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let found = tensor.f_unique_consecutive(
        call.flag("return_inverse")?,
        call.flag("return_counts")?,
        call.optional_int("dim")?,
    );
    distinct(found.map_err(input_error)?, call)
}

/// As many numbers as the largest element says.
fn bincount(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let least = call.int("minlength")?;
    if !integer::is_integral(tensor.kind()) || tensor.dim() != 1 {
        return Err(
            Error::input("`bincount` counts the whole numbers of one dimension")
                .hint("use `.flatten().long()`, or `histc` for floats"),
        );
    }
    let mut bins = least;
    if tensor.numel() > 0 {
        let highest = tensor.f_max().and_then(|highest| highest.f_int64_value(&[]));
        bins = bins.max(highest.map_err(input_error)?.saturating_add(1));
    }
    size::admit(&[bins], Kind::Int64, tensor.device())?;
    one(tensor.f_bincount(call.optional_tensor("weights")?, least))
}

/// From `min` to `max`, or from the least to the largest element where both are the same.
fn histc(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (bins, low, high) = (call.int("bins")?, call.number("min")?, call.number("max")?);
    size::admit(&[bins], tensor.kind(), tensor.device())?;
    if low == high {
        return one(tensor.f_histc(bins));
    }
    if low > high {
        return Err(Error::input(format!("`min` {low} is above `max` {high}")));
    }
    let counts = tensor
        .f_flatten(0, -1)
        .and_then(|t| t.f_histogram_bin_ct(bins, [low, high], None::<Tensor>, false));
    one(counts.map(|(counts, _)| counts))
}

/// "left" and "right" mean the same as `right`.
fn side(call: &Call<'_>) -> Result<String> {
    if call.lacks("side") {
        return Ok(if call.flag("right")? { "right" } else { "left" }.into());
    }
    let side = call.text("side")?;
    match side.as_str() {
        "left" | "right" => Ok(side),
        _ => Err(Error::unknown("side", &side, &["left", "right"]).under("side")),
    }
}

fn searchsorted(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let values = call.operand("values", tensor)?;
    let side = side(call)?;
    let sorter = call.optional_tensor("sorter")?;
    one(values.f_searchsorted(tensor, call.flag("out_int32")?, side == "right", &side, sorter))
}

fn isin(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let options = Options::new(None, tensor.device());
    let others = call.value("test_elements", &options)?;
    one(Tensor::f_isin(
        tensor,
        &others,
        call.flag("assume_unique")?,
        call.flag("invert")?,
    ))
}

fn count(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    match call.ints("dim")? {
        None => one(tensor.f_count_nonzero(None)),
        Some(dims) => one(tensor.f_count_nonzero_dim_intlist(dims)),
    }
}

fn extremes(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let both = tensor.f_aminmax(call.optional_int("dim")?, call.flag("keepdim")?);
    let (min, max) = both.map_err(input_error)?;
    map([("min", min), ("max", max)])
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    ordering(
        "kthvalue",
        "Returns the `k`th smallest element along `dim`, counted from 1: `#{ values, indices }`.",
        &[(
            "k: int, dim: int = -1, keepdim: bool = false -> map",
            Body::Of(kth),
        )],
    ),
    ordering(
        "mode",
        "Returns the element that is most frequent along `dim`: `#{ values, indices }`.",
        &[(
            "dim: int = -1, keepdim: bool = false -> map",
            Body::Of(|t, call| along(t, call, |t, dim, keepdim| t.f_mode(dim, keepdim))),
        )],
    ),
    ordering(
        "msort",
        "Returns the elements sorted along the first dimension.",
        &[("", Body::Of(|t, _| one(t.f_msort())))],
    ),
    ordering(
        "cummax",
        "Returns the largest elements so far along `dim`: `#{ values, indices }`.",
        &[(
            "dim: int -> map",
            Body::Of(|t, call| along(t, call, |t, dim, _| t.f_cummax(dim))),
        )],
    ),
    ordering(
        "cummin",
        "Returns the smallest elements so far along `dim`: `#{ values, indices }`.",
        &[(
            "dim: int -> map",
            Body::Of(|t, call| along(t, call, |t, dim, _| t.f_cummin(dim))),
        )],
    ),
    ordering(
        "unique",
        "Returns the different elements, sorted, or the different entries along `dim`; with `return_inverse` or \
         `return_counts` `#{ output, inverse_indices, counts }`.",
        &[(
            "sorted: bool = true, return_inverse: bool = false, return_counts: bool = false, dim: int? = ()",
            Body::Of(unique),
        )],
    ),
    ordering(
        "unique_consecutive",
        "Returns the elements, or the entries along `dim`, without those that are as the one before; with \
         `return_inverse` or `return_counts` `#{ output, inverse_indices, counts }`.",
        &[(
            "return_inverse: bool = false, return_counts: bool = false, dim: int? = ()",
            Body::Of(unique_consecutive),
        )],
    ),
    Function::new(
        "bincount",
        "Returns how often each whole number from 0 on occurs, or the sum of its `weights`.",
        Home::Both,
        Memory::Own,
        &[("weights: Tensor? = (), minlength: int = 0", Body::Of(bincount))],
    ),
    Function::new(
        "histc",
        "Returns how many elements lie in each of `bins` intervals of one width from `min` to `max`, from the least to the \
         largest element where these are the same.",
        Home::Both,
        Memory::Own,
        &[(
            "bins: int = 100, min: number = 0, max: number = 0",
            Body::Of(histc),
        )],
    ),
    Function::new(
        "searchsorted",
        "Returns where each of `values` belongs in a sorted tensor: before those that are equal, or with `right` behind.",
        Home::Torch,
        Memory::Own,
        &[(
            "values: Tensor|number, *, out_int32: bool = false, right: bool = false, side: string? = (), sorter: Tensor? \
             = ()",
            Body::Of(searchsorted),
        )],
    ),
    Function::new(
        "bucketize",
        "Returns the interval between sorted `boundaries` that each element lies in.",
        Home::Torch,
        Memory::Like,
        &[(
            "boundaries: Tensor, *, out_int32: bool = false, right: bool = false",
            Body::Of(|t, call| {
                let boundaries = call.tensor("boundaries")?;
                one(t.f_bucketize(&boundaries, call.flag("out_int32")?, call.flag("right")?))
            }),
        )],
    ),
    Function::new(
        "isin",
        "Returns true where an element is one of `test_elements`, or with `invert` where it is none.",
        Home::Torch,
        Memory::Like,
        &[(
            "test_elements: Tensor|number|array, *, assume_unique: bool = false, invert: bool = false",
            Body::Of(isin),
        )],
    ),
    Function::new(
        "count_nonzero",
        "Returns how many elements are not 0, of all or along `dim`.",
        Home::Both,
        Memory::Own,
        &[("dim: int|array? = ()", Body::Of(count))],
    ),
    Function::new(
        "aminmax",
        "Returns `#{ min, max }` of all elements, or along `dim`.",
        Home::Both,
        Memory::Own,
        &[(
            "*, dim: int? = (), keepdim: bool = false -> map",
            Body::Of(extremes),
        )],
    ),
];
