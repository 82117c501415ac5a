//! Tensors from nothing, from numbers, by chance, and from several others: functions of `torch::`.

use rhai::Dynamic;

use super::call::{Call, one};
use super::convert::{Options, from_dynamic};
use super::definition::{Body, Function, Home, Memory};
use super::{TensorHandle, input_error};
use crate::error::{Error, Result};
use crate::tensor::{DType, Device, Kind, TchError, Tensor, integer, range, size};

type Maker = fn(&[i64], (Kind, Device)) -> Result<Tensor, TchError>;
type MakerLike = fn(&Tensor) -> Result<Tensor, TchError>;

/// A tensor that keeps gradients if `requires_grad` says so.
fn made(result: Result<Tensor, TchError>, call: &Call<'_>) -> Result<Dynamic> {
    let recorded = call.flag("requires_grad").unwrap_or(false);
    if recorded {
        one(result.and_then(|tensor| tensor.f_set_requires_grad(true)))
    } else {
        one(result)
    }
}

/// Random numbers and constants of a shape.
fn of_shape(call: &Call<'_>, maker: Maker) -> Result<Dynamic> {
    let shape = call.sizes("size")?;
    let (kind, device) = call.kind_and_device(Kind::Float)?;
    size::admit(&shape, kind, device)?;
    made(maker(&shape, (kind, device)), call)
}

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

fn random_integers(call: &Call<'_>) -> Result<Dynamic> {
    let shape = call.sizes("size")?;
    let low = call.optional_int("low")?.unwrap_or(0);
    let high = call.int("high")?;
    if low >= high {
        return Err(Error::input(format!(
            "random whole numbers need `low` below `high`, but were given {low} and {high}"
        )));
    }
    let (kind, device) = call.kind_and_device(Kind::Int64)?;
    size::admit(&shape, kind, device)?;
    one(Tensor::f_randint_low(low, high, shape, (kind, device)))
}

fn permutation(call: &Call<'_>) -> Result<Dynamic> {
    let n = call.int("n")?;
    size::admit(&[n], Kind::Int64, Device::Cpu)?;
    one(Tensor::f_randperm(n, (Kind::Int64, Device::Cpu)))
}

fn filled(call: &Call<'_>) -> Result<Dynamic> {
    let shape = call.sizes("size")?;
    let device = call.kind_and_device(Kind::Float)?.1;
    let value = call.value("fill_value", &Options::new(call.kind("dtype")?, device))?;
    size::admit(&shape, value.kind(), device)?;
    let filled = value
        .f_expand(&shape, false)
        .and_then(|t| t.f_contiguous())
        .and_then(|t| t.f_alias_copy());
    made(filled, call)
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

/// Whole numbers where all that was given is whole, else floats.
fn arange(call: &Call<'_>) -> Result<Dynamic> {
    let given = |name: &str, default: i64| {
        if call.lacks(name) {
            Dynamic::from(default)
        } else {
            call.get(name)
        }
    };
    let values = [given("start", 0), given("end", 0), given("step", 1)];
    let made_of = if values.iter().all(Dynamic::is_int) {
        Kind::Int64
    } else {
        Kind::Float
    };
    let (kind, device) = call.kind_and_device(made_of)?;
    let row = match (made_of, integer::is_integral(kind)) {
        (Kind::Int64, _) => {
            let [start, end, step] = values.map(|value| value.as_int().unwrap_or_default());
            range::whole_range(start, end, step, (kind, device))
        }
        (_, true) => {
            return Err(Error::input(format!(
                "a row of dtype {} needs whole numbers",
                DType::from(kind)
            )));
        }
        _ => {
            let number = |value: &Dynamic| match value.as_int() {
                Ok(number) => number as f64,
                Err(_) => value.as_float().unwrap_or_default(),
            };
            let [start, end, step] = [&values[0], &values[1], &values[2]].map(number);
            range::range(start, end, step, (kind, device))
        }
    };
    made(Ok(row?), call)
}

fn linspace(call: &Call<'_>) -> Result<Dynamic> {
    let to = call.kind_and_device(Kind::Float)?;
    let row = range::linspace(call.number("start")?, call.number("end")?, call.int("steps")?, to)?;
    made(Ok(row), call)
}

fn identity(call: &Call<'_>) -> Result<Dynamic> {
    let n = call.int("n")?;
    let m = call.optional_int("m")?.unwrap_or(n);
    let (kind, device) = call.kind_and_device(Kind::Float)?;
    size::admit(&[n, m], kind, device)?;
    made(Tensor::f_eye_m(n, m, (kind, device)), call)
}

fn from_data(call: &Call<'_>) -> Result<Dynamic> {
    let options = Options::new(call.kind("dtype")?, call.kind_and_device(Kind::Float)?.1);
    let tensor = from_dynamic(&call.get("data"), &options)?;
    made(Ok(tensor), call)
}

/// Lets a tensor of all elements of `tensors` be made.
fn admit_all(tensors: &[Tensor]) -> Result<()> {
    let Some(first) = tensors.first() else {
        return Err(Error::input("there are no tensors in the array"));
    };
    let elements = tensors
        .iter()
        .fold(0i64, |sum, tensor| sum.saturating_add(tensor.numel() as i64));
    size::admit(&[elements], first.kind(), first.device())
}

fn joined(call: &Call<'_>, join: fn(&[Tensor], i64) -> Result<Tensor, TchError>) -> Result<Dynamic> {
    let tensors = call.tensors("tensors")?;
    admit_all(&tensors)?;
    one(join(&tensors, call.int("dim")?))
}

fn choose(call: &Call<'_>) -> Result<Dynamic> {
    let (input, other) = (call.get("input"), call.get("other"));
    let of_tensor = |value: &Dynamic| {
        let handle = value.read_lock::<TensorHandle>();
        handle.map(|handle| handle.tensor().shallow_clone())
    };
    let condition = call.tensor("condition")?;
    // A number takes the dtype of the tensor beside it; two numbers have one together.
    let like = match of_tensor(&input).or_else(|| of_tensor(&other)) {
        Some(like) => like,
        None => {
            let kind = match () {
                () if input.is_int() && other.is_int() => Kind::Int64,
                () if input.is_bool() && other.is_bool() => Kind::Bool,
                () => Kind::Float,
            };
            range::whole_number(0, kind, condition.device()).map_err(input_error)?
        }
    };
    let (input, other) = (call.operand("input", &like)?, call.operand("other", &like)?);
    let values = size::broadcast(&input.size(), &other.size());
    if let Some(shape) = values.and_then(|shape| size::broadcast(&shape, &condition.size())) {
        size::admit(&shape, like.kind(), like.device())?;
    }
    one(input.f_where_self(&condition, &other))
}

const fn free(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Torch, Memory::Own, overloads)
}

const fn of_tensor(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::TorchOf, Memory::Own, overloads)
}

const SHAPE: &str =
    "size: int...|array, *, dtype: dtype? = (), device: string? = (), requires_grad: bool = false";
const LIKE: &str = "*, dtype: dtype? = (), requires_grad: bool = false";

/// The table.
pub const FUNCTIONS: &[Function] = &[
    free(
        "tensor",
        "Returns a tensor of a number or nested arrays: bool, int64 or float32 by what is in them, unless \
         `#{ dtype: torch::float16, device: \"cuda\" }` says otherwise.",
        &[(
            "data: any, *, dtype: dtype? = (), device: string? = (), requires_grad: bool = false",
            Body::Free(from_data),
        )],
    ),
    free(
        "zeros",
        "Returns zeros of a shape: `torch::zeros([2, 3])` or `torch::zeros(2, 3)`.",
        &[(
            SHAPE,
            Body::Free(|call| of_shape(call, |shape, options| Tensor::f_zeros(shape, options))),
        )],
    ),
    free(
        "ones",
        "Returns ones of a shape.",
        &[(
            SHAPE,
            Body::Free(|call| of_shape(call, |shape, options| Tensor::f_ones(shape, options))),
        )],
    ),
    free(
        "rand",
        "Returns uniform random numbers in 0..1; `torch::manual_seed` makes them repeatable.",
        &[(
            SHAPE,
            Body::Free(|call| of_shape(call, |shape, options| Tensor::f_rand(shape, options))),
        )],
    ),
    free(
        "randn",
        "Returns random numbers of the standard normal distribution.",
        &[(
            SHAPE,
            Body::Free(|call| of_shape(call, |shape, options| Tensor::f_randn(shape, options))),
        )],
    ),
    free(
        "randint",
        "Returns random whole numbers from `low` to `high - 1`.",
        &[
            (
                "low: int, high: int, size: int|array, *, dtype: dtype? = (), device: string? = ()",
                Body::Free(random_integers),
            ),
            (
                "high: int, size: array, *, dtype: dtype? = (), device: string? = ()",
                Body::Free(random_integers),
            ),
        ],
    ),
    free(
        "randperm",
        "Returns the numbers 0 to `n - 1` in random order.",
        &[("n: int", Body::Free(permutation))],
    ),
    free(
        "full",
        "Returns a tensor of a shape, filled with one number.",
        &[(
            "size: int|array, fill_value: number|bool, *, dtype: dtype? = (), device: string? = (), \
             requires_grad: bool = false",
            Body::Free(filled),
        )],
    ),
    free(
        "arange",
        "Returns numbers from `start` (0) in steps of `step` (1), without `end`: int64 if all three are whole, else float32.",
        &[
            (
                "end: number, *, dtype: dtype? = (), device: string? = (), requires_grad: bool = false",
                Body::Free(arange),
            ),
            (
                "start: number, end: number, step: number = 1, *, dtype: dtype? = (), device: string? = (), \
                 requires_grad: bool = false",
                Body::Free(arange),
            ),
        ],
    ),
    free(
        "linspace",
        "`steps` numbers evenly spaced from `start` to `end`, both included.",
        &[(
            "start: number, end: number, steps: int, *, dtype: dtype? = (), device: string? = (), requires_grad: \
             bool = false",
            Body::Free(linspace),
        )],
    ),
    free(
        "eye",
        "Returns ones on the diagonal of `n` rows and `m` columns (as many unless given), zeros elsewhere.",
        &[
            (
                "n: int, *, dtype: dtype? = (), device: string? = (), requires_grad: bool = false",
                Body::Free(identity),
            ),
            (
                "n: int, m: int, *, dtype: dtype? = (), device: string? = (), requires_grad: bool = false",
                Body::Free(identity),
            ),
        ],
    ),
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
    free(
        "cat",
        "Returns tensors one after the other along `dim`.",
        &[(
            "tensors: array, dim: int = 0",
            Body::Free(|call| joined(call, Tensor::f_cat)),
        )],
    ),
    free(
        "stack",
        "Returns tensors of one shape side by side in a new dimension `dim`.",
        &[(
            "tensors: array, dim: int = 0",
            Body::Free(|call| joined(call, Tensor::f_stack)),
        )],
    ),
    free(
        "where",
        "`input` where `condition` is true, else `other`; each may be a number.",
        &[(
            "condition: Tensor, input: Tensor|number|bool, other: Tensor|number|bool",
            Body::Free(choose),
        )],
    ),
];
