//! Tensors from nothing, from numbers, by chance, and from several others: functions of `torch::`.

use rhai::Dynamic;

use super::call::{Call, one, several};
use super::convert::{Options, from_dynamic};
use super::definition::{Body, Function, Home, Memory};
use super::generator::GeneratorHandle;
use super::{TensorHandle, input_error};
use crate::error::{Error, Result};
use crate::tensor::{DType, Device, Kind, TchError, Tensor, integer, range, size};

type Maker = fn(&[i64], (Kind, Device)) -> Result<Tensor, TchError>;
type Draw = fn(&GeneratorHandle, &[i64], (Kind, Device)) -> Result<Tensor>;

/// A tensor that keeps gradients if `requires_grad` says so.
///
/// # Errors
/// Those of the result.
pub fn made(result: Result<Tensor, TchError>, call: &Call<'_>) -> Result<Dynamic> {
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

/// Random numbers of a shape, from the generator that was given or by `maker`.
fn random(call: &Call<'_>, maker: Maker, drawn: Draw) -> Result<Dynamic> {
    let Some(generator) = call.generator() else {
        return of_shape(call, maker);
    };
    let (shape, to) = (call.sizes("size")?, call.kind_and_device(Kind::Float)?);
    size::admit(&shape, to.0, to.1)?;
    made(Ok(drawn(&generator, &shape, to)?), call)
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
    if let Some(generator) = call.generator() {
        let drawn = generator.draw(|draws| draws.integers(low, high, &shape))?;
        return one(drawn.f_to_kind(kind).and_then(|t| t.f_to_device(device)));
    }
    one(Tensor::f_randint_low(low, high, shape, (kind, device)))
}

fn permutation(call: &Call<'_>) -> Result<Dynamic> {
    let n = call.int("n")?;
    size::admit(&[n], Kind::Int64, Device::Cpu)?;
    if let Some(generator) = call.generator() {
        let order = generator.draw(|draws| draws.generator().permutation(n.max(0) as usize));
        let order: Vec<i64> = order.into_iter().map(|at| at as i64).collect();
        return one(Tensor::f_from_slice(&order));
    }
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
///
/// # Errors
/// There are none; too little memory.
pub fn admit_all(tensors: &[Tensor]) -> Result<()> {
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

/// Where the condition is true: one vector for each dimension.
fn places_of_true(call: &Call<'_>) -> Result<Dynamic> {
    let condition = call.tensor("condition")?;
    size::admit(
        &[condition.numel() as i64, condition.dim() as i64],
        Kind::Int64,
        condition.device(),
    )?;
    several(condition.f_nonzero().and_then(|places| places.f_unbind(1)))
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

const SHAPE: &str =
    "size: int...|array, *, dtype: dtype? = (), device: string? = (), requires_grad: bool = false";
const RANDOM: &str = "size: int...|array, *, generator: Generator? = (), dtype: dtype? = (), device: string? = (), \
                      requires_grad: bool = false";

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
        "empty",
        "Returns a tensor of a shape whose elements are to be written: zeros until then.",
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
            RANDOM,
            Body::Free(|call| {
                random(
                    call,
                    |shape, options| Tensor::f_rand(shape, options),
                    GeneratorHandle::uniform,
                )
            }),
        )],
    ),
    free(
        "randn",
        "Returns random numbers of the standard normal distribution.",
        &[(
            RANDOM,
            Body::Free(|call| {
                random(
                    call,
                    |shape, options| Tensor::f_randn(shape, options),
                    GeneratorHandle::normal,
                )
            }),
        )],
    ),
    free(
        "randint",
        "Returns random whole numbers from `low` to `high - 1`.",
        &[
            (
                "low: int, high: int, size: int|array, *, generator: Generator? = (), dtype: dtype? = (), device: string? = ()",
                Body::Free(random_integers),
            ),
            (
                "high: int, size: array, *, generator: Generator? = (), dtype: dtype? = (), device: string? = ()",
                Body::Free(random_integers),
            ),
        ],
    ),
    free(
        "randperm",
        "Returns the numbers 0 to `n - 1` in random order.",
        &[("n: int, *, generator: Generator? = ()", Body::Free(permutation))],
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
        "`input` where `condition` is true, else `other`; each may be a number. Of `condition` alone: where it is true, an \
         array with the places along each dimension.",
        &[
            (
                "condition: Tensor, input: Tensor|number|bool, other: Tensor|number|bool",
                Body::Free(choose),
            ),
            ("condition: Tensor -> array", Body::Free(places_of_true)),
        ],
    ),
];
