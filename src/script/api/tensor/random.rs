//! Functions of chance of a tensor; those of a shape are in `creation`.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor, no_grad_guard, size};

/// Uniform numbers of the shape of a tensor, from the generator that was given or libtorch's own.
fn uniform(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    match call.generator() {
        Some(generator) => generator.uniform(&tensor.size(), (tensor.kind(), tensor.device())),
        None => tensor.f_rand_like().map_err(input_error),
    }
}

fn normal(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    match call.generator() {
        Some(generator) => generator.normal(&tensor.size(), (tensor.kind(), tensor.device())),
        None => tensor.f_randn_like().map_err(input_error),
    }
}

/// 1 with the probability that each element says, or `p` for all.
fn bernoulli(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    let given = call.optional_number("p")?;
    let least = given.map_or_else(|| tensor.f_min().and_then(|min| min.f_double_value(&[])), Ok);
    let most = given.map_or_else(|| tensor.f_max().and_then(|max| max.f_double_value(&[])), Ok);
    if tensor.numel() > 0 {
        let (least, most) = (least.map_err(input_error)?, most.map_err(input_error)?);
        if !(least >= 0.0 && most <= 1.0) {
            return Err(Error::input(format!(
                "probabilities are 0 to 1, but {} was given",
                if least >= 0.0 { most } else { least }
            )));
        }
    }
    let drawn = match call.generator() {
        None => match given {
            Some(p) => tensor.f_bernoulli_p(p),
            None => tensor.f_bernoulli(),
        },
        Some(_) => {
            let drawn = uniform(tensor, call)?;
            match given {
                Some(p) => drawn.f_lt(p),
                None => drawn.f_lt_tensor(tensor),
            }
            .and_then(|drawn| drawn.f_to_kind(tensor.kind()))
        }
    };
    drawn.map_err(input_error)
}

/// Which entries are drawn, by weights along the last dimension.
fn multinomial(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (samples, again) = (call.int("num_samples")?, call.flag("replacement")?);
    let entries = tensor.size().last().copied().unwrap_or(0);
    if samples < 1 || (!again && samples > entries) {
        return Err(Error::input(format!(
            "1 to {entries} samples can be drawn, but {samples} were asked for"
        ))
        .hint("with `replacement` an entry is drawn as often as it comes"));
    }
    let rows = tensor.numel() as i64 / entries.max(1);
    size::admit(&[rows, samples], Kind::Int64, tensor.device())?;
    let Some(generator) = call.generator() else {
        return one(tensor.f_multinomial(samples, again));
    };
    let to = (Kind::Double, tensor.device());
    let weights = tensor.f_to_kind(Kind::Double).map_err(input_error)?;
    if again {
        let mut shape = tensor.size();
        shape.pop();
        shape.push(samples);
        let drawn = generator.uniform(&shape, to)?;
        let result = || {
            let sums = weights.f_cumsum(-1, None::<Kind>)?;
            let all = sums.f_narrow(-1, entries - 1, 1)?;
            drawn
                .f_mul(&all)?
                .f_searchsorted(&sums, false, true, "right", None::<Tensor>)
        };
        return one(result());
    }
    let drawn = generator.uniform(&tensor.size(), to)?;
    let result = || {
        // The largest of weights over exponential numbers are drawn as without putting back.
        let exponential = drawn.f_neg()?.f_log1p()?.f_neg()?;
        let (_, indices) = weights.f_div(&exponential)?.f_topk(samples, -1, true, true)?;
        Ok(indices)
    };
    one(result())
}

/// Writes `drawn` into the tensor.
fn fill(tensor: &Tensor, drawn: &Tensor) -> Result<Dynamic> {
    let _guard = no_grad_guard();
    let mut target = tensor.shallow_clone();
    one(target.f_copy_(drawn).map(|()| target))
}

/// `low + (high - low) u`.
fn uniform_(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (low, high) = (call.number("from")?, call.number("to")?);
    if low > high {
        return Err(Error::input(format!("`from` {low} is above `to` {high}")));
    }
    let drawn = uniform(tensor, call)?;
    let drawn = drawn
        .f_mul_scalar(high - low)
        .and_then(|t| t.f_add_scalar(low))
        .map_err(input_error)?;
    fill(tensor, &drawn)
}

fn normal_(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (mean, std) = (call.number("mean")?, deviation(call)?);
    let drawn = normal(tensor, call)?
        .f_mul_scalar(std)
        .and_then(|t| t.f_add_scalar(mean))
        .map_err(input_error)?;
    fill(tensor, &drawn)
}

fn deviation(call: &Call<'_>) -> Result<f64> {
    match call.number("std")? {
        std if std >= 0.0 => Ok(std),
        std => {
            Err(Error::input(format!("a standard deviation is at least 0, but {std} was given")).under("std"))
        }
    }
}

fn exponential_(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let rate = call.number("lambd")?;
    if rate <= 0.0 {
        return Err(Error::input(format!("a rate is above 0, but {rate} was given")).under("lambd"));
    }
    let drawn = uniform(tensor, call)?;
    let drawn = drawn
        .f_neg()
        .and_then(|t| t.f_log1p())
        .and_then(|t| t.f_mul_scalar(-1.0 / rate))
        .map_err(input_error)?;
    fill(tensor, &drawn)
}

/// Of a shape, with one mean and one deviation.
fn normal_of_shape(call: &Call<'_>) -> Result<Dynamic> {
    let (shape, to) = (call.sizes("size")?, call.kind_and_device(Kind::Float)?);
    size::admit(&shape, to.0, to.1)?;
    let (mean, std) = (call.number("mean")?, deviation(call)?);
    let drawn = match call.generator() {
        Some(generator) => generator.normal(&shape, to)?,
        None => Tensor::f_randn(&shape, to).map_err(input_error)?,
    };
    one(drawn.f_mul_scalar(std).and_then(|t| t.f_add_scalar(mean)))
}

/// Each with a mean and a deviation of its own.
fn normal_around(call: &Call<'_>) -> Result<Dynamic> {
    let mean = call.tensor("mean")?;
    let std = call.operand("std", &mean)?;
    let shape = size::broadcast(&mean.size(), &std.size()).unwrap_or_default();
    size::admit(&shape, mean.kind(), mean.device())?;
    let drawn = normal(&mean.f_expand(&shape, false).map_err(input_error)?, call)?;
    one(drawn.f_mul(&std).and_then(|t| t.f_add(&mean)))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::new(
        "bernoulli",
        "Returns 1 with the probability that each element says, or `p` for all, else 0.",
        Home::Both,
        Memory::Like,
        &[
            (
                "*, generator: Generator? = ()",
                Body::Of(|t, call| one(Ok(bernoulli(t, call)?))),
            ),
            (
                "p: number, *, generator: Generator? = ()",
                Body::Of(|t, call| one(Ok(bernoulli(t, call)?))),
            ),
        ],
    ),
    Function::new(
        "multinomial",
        "Returns the indices of `num_samples` entries that are drawn by weights along the last dimension.",
        Home::Both,
        Memory::Own,
        &[(
            "num_samples: int, replacement: bool = false, *, generator: Generator? = ()",
            Body::Of(multinomial),
        )],
    ),
    Function::new(
        "normal",
        "Returns random numbers of normal distributions: of a shape, or around each element of `mean`.",
        Home::Torch,
        Memory::Own,
        &[
            (
                "mean: Tensor, std: Tensor|number = 1, *, generator: Generator? = ()",
                Body::Free(normal_around),
            ),
            (
                "mean: number, std: number, size: int|array, *, generator: Generator? = (), dtype: dtype? = (), device: \
                 string? = ()",
                Body::Free(normal_of_shape),
            ),
        ],
    ),
    Function::new(
        "uniform_",
        "Fills the tensor with uniform random numbers in `from`..`to` and returns it; gradients do not see it.",
        Home::Method,
        Memory::Like,
        &[(
            "from: number = 0, to: number = 1, *, generator: Generator? = ()",
            Body::Of(uniform_),
        )],
    ),
    Function::new(
        "normal_",
        "Fills the tensor with normal random numbers and returns it; gradients do not see it.",
        Home::Method,
        Memory::Like,
        &[(
            "mean: number = 0, std: number = 1, *, generator: Generator? = ()",
            Body::Of(normal_),
        )],
    ),
    Function::new(
        "exponential_",
        "Fills the tensor with exponential random numbers of rate `lambd` and returns it; gradients do not see it.",
        Home::Method,
        Memory::Like,
        &[(
            "lambd: number = 1, *, generator: Generator? = ()",
            Body::Of(exponential_),
        )],
    ),
    Function::new(
        "bernoulli_",
        "Fills the tensor with 1, drawn with probability `p`, and 0 and returns it; gradients do not see it.",
        Home::Method,
        Memory::Like,
        &[(
            "p: number = 0.5, *, generator: Generator? = ()",
            Body::Of(|t, call| fill(t, &bernoulli(t, call)?)),
        )],
    ),
];
