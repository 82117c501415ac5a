//! Tensors of the shape, dtype or device of another.

use rhai::Dynamic;

use super::call::Call;
use super::convert::Options;
use super::creation::made;
use super::definition::{Body, Function, Home, Memory};
use crate::error::{Error, Result};
use crate::tensor::{Kind, TchError, Tensor, range, size};

type MakerLike = fn(&Tensor) -> Result<Tensor, TchError>;
type Maker = fn(&Tensor, Vec<i64>, Kind) -> Result<Tensor, TchError>;

/// Shape, dtype and device of a tensor, unless others were given.
fn like(tensor: &Tensor, call: &Call<'_>, maker: MakerLike) -> Result<Dynamic> {
    let kind = call.kind("dtype")?.unwrap_or(tensor.kind());
    size::admit_like(tensor, kind)?;
    made(
        tensor
            .f_detach()
            .and_then(|t| t.f_to_kind(kind))
            .and_then(|t| maker(&t)),
        call,
    )
}

fn filled_like(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let kind = call.kind("dtype")?.unwrap_or(tensor.kind());
    size::admit_like(tensor, kind)?;
    let value = call.value("fill_value", &Options::new(Some(kind), tensor.device()))?;
    let filled = value
        .f_expand(tensor.size(), false)
        .and_then(|t| t.f_contiguous())
        .and_then(|t| t.f_alias_copy());
    made(filled, call)
}

fn integers_like(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (low, high) = (call.optional_int("low")?.unwrap_or(0), call.int("high")?);
    if low >= high {
        return Err(Error::input(format!(
            "random whole numbers need `low` below `high`, but were given {low} and {high}"
        )));
    }
    let kind = call.kind("dtype")?.unwrap_or(tensor.kind());
    size::admit_like(tensor, kind)?;
    made(
        Tensor::f_randint_low(low, high, tensor.size(), (kind, tensor.device())),
        call,
    )
}

/// Of another shape, but with the dtype and device of a tensor.
fn new(tensor: &Tensor, call: &Call<'_>, maker: Maker) -> Result<Dynamic> {
    let (shape, kind) = (call.sizes("size")?, call.kind("dtype")?.unwrap_or(tensor.kind()));
    size::admit(&shape, kind, tensor.device())?;
    made(maker(tensor, shape, kind), call)
}

fn new_full(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (shape, kind) = (call.sizes("size")?, call.kind("dtype")?.unwrap_or(tensor.kind()));
    size::admit(&shape, kind, tensor.device())?;
    let value = call.value("fill_value", &Options::new(Some(kind), tensor.device()))?;
    made(
        value
            .f_expand(&shape, false)
            .and_then(|t| t.f_contiguous())
            .and_then(|t| t.f_alias_copy()),
        call,
    )
}

/// Powers of `base`, their exponents evenly spaced.
fn logspace(call: &Call<'_>) -> Result<Dynamic> {
    let (kind, device) = call.kind_and_device(Kind::Float)?;
    let row = range::linspace(
        call.number("start")?,
        call.number("end")?,
        call.int("steps")?,
        (Kind::Double, device),
    )?;
    let base = range::number(call.number("base")?, Kind::Double, device);
    made(
        base.and_then(|base| base.f_pow(&row))
            .and_then(|row| row.f_to_kind(kind)),
        call,
    )
}

const fn of_tensor(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Torch, Memory::Own, overloads)
}

const LIKE: &str = "*, dtype: dtype? = (), requires_grad: bool = false";
const NEW: &str = "size: int...|array, *, dtype: dtype? = (), requires_grad: bool = false";

/// The table.
pub const FUNCTIONS: &[Function] = &[
    of_tensor(
        "zeros_like",
        "Returns zeros of the shape, dtype and device of a tensor.",
        &[(LIKE, Body::Of(|t, call| like(t, call, Tensor::f_zeros_like)))],
    ),
    of_tensor(
        "ones_like",
        "Returns ones of the shape, dtype and device of a tensor.",
        &[(LIKE, Body::Of(|t, call| like(t, call, Tensor::f_ones_like)))],
    ),
    of_tensor(
        "rand_like",
        "Returns uniform random numbers in 0..1 of the shape, dtype and device of a tensor.",
        &[(LIKE, Body::Of(|t, call| like(t, call, Tensor::f_rand_like)))],
    ),
    of_tensor(
        "randn_like",
        "Returns normal random numbers of the shape, dtype and device of a tensor.",
        &[(LIKE, Body::Of(|t, call| like(t, call, Tensor::f_randn_like)))],
    ),
    of_tensor(
        "full_like",
        "Returns one number in the shape, dtype and device of a tensor.",
        &[(
            "fill_value: number, *, dtype: dtype? = (), requires_grad: bool = false",
            Body::Of(filled_like),
        )],
    ),
    of_tensor(
        "empty_like",
        "Returns a tensor of the shape, dtype and device of another whose elements are to be written: zeros until then.",
        &[(LIKE, Body::Of(|t, call| like(t, call, Tensor::f_zeros_like)))],
    ),
    of_tensor(
        "randint_like",
        "Returns random whole numbers from `low` to `high - 1` of the shape, dtype and device of a tensor.",
        &[
            (
                "high: int, *, dtype: dtype? = (), requires_grad: bool = false",
                Body::Of(integers_like),
            ),
            (
                "low: int, high: int, *, dtype: dtype? = (), requires_grad: bool = false",
                Body::Of(integers_like),
            ),
        ],
    ),
    Function::method(
        "new_zeros",
        "Returns zeros of a shape, of the tensor's dtype and device.",
        &[(
            NEW,
            Body::Of(|t, call| new(t, call, |t, size, kind| t.f_new_zeros(size, (kind, t.device())))),
        )],
    ),
    Function::method(
        "new_ones",
        "Returns ones of a shape, of the tensor's dtype and device.",
        &[(
            NEW,
            Body::Of(|t, call| new(t, call, |t, size, kind| t.f_new_ones(size, (kind, t.device())))),
        )],
    ),
    Function::method(
        "new_full",
        "Returns one number in a shape, of the tensor's dtype and device.",
        &[(
            "size: int|array, fill_value: number|bool, *, dtype: dtype? = (), requires_grad: bool = false",
            Body::Of(new_full),
        )],
    ),
    Function::new(
        "logspace",
        "Returns `steps` powers of `base`, their exponents evenly spaced from `start` to `end`, both included.",
        Home::Torch,
        Memory::Own,
        &[(
            "start: number, end: number, steps: int, base: number = 10.0, *, dtype: dtype? = (), device: string? = (), \
             requires_grad: bool = false",
            Body::Free(logspace),
        )],
    ),
];
