//! Products of vectors and matrices, and distances between all rows.

use rhai::Dynamic;

use super::arithmetic::matrix_product;
use super::call::{Call, one};
use super::definition::{Body, Function, Home};
use super::{TensorHandle, input_error, operand, shape_text};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// The product of tensors of just these numbers of dimensions.
fn of_ranks(name: &str, tensor: &Tensor, other: &Tensor, ranks: (usize, usize)) -> Result<Tensor> {
    if (tensor.dim(), other.dim()) != ranks {
        return Err(Error::input(format!(
            "`{name}` wants tensors of {} and {} dimensions, but was given shapes {} and {}",
            ranks.0,
            ranks.1,
            shape_text(tensor),
            shape_text(other)
        ))
        .hint("`matmul` multiplies vectors, matrices and batches of them"));
    }
    matrix_product(tensor, other)
}

fn script_value(tensor: Tensor) -> Dynamic {
    Dynamic::from(TensorHandle::new(tensor))
}

fn ranked(
    name: &str,
    argument: &str,
    tensor: &Tensor,
    call: &Call<'_>,
    ranks: (usize, usize),
) -> Result<Dynamic> {
    of_ranks(name, tensor, &call.tensor(argument)?, ranks).map(script_value)
}

/// `beta input + alpha (a b)`.
fn added(tensor: &Tensor, call: &Call<'_>, product: &Tensor) -> Result<Dynamic> {
    let (beta, alpha) = (call.get("beta"), call.get("alpha"));
    let own = tensor.f_mul(&operand(tensor, &beta)?).map_err(input_error)?;
    let product = product.f_mul(&operand(product, &alpha)?).map_err(input_error)?;
    one(own.f_add(&product))
}

fn add_product(
    name: &str,
    [first, second]: [&str; 2],
    tensor: &Tensor,
    call: &Call<'_>,
    ranks: (usize, usize),
) -> Result<Dynamic> {
    let (first, second) = (call.tensor(first)?, call.tensor(second)?);
    added(tensor, call, &of_ranks(name, &first, &second, ranks)?)
}

fn add_outer(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (first, second) = (call.tensor("vec1")?, call.tensor("vec2")?);
    size::admit(
        &[first.numel() as i64, second.numel() as i64],
        first.kind(),
        first.device(),
    )?;
    added(tensor, call, &first.f_outer(&second).map_err(input_error)?)
}

/// Over the last dimensions of one and the first of the other, or over those that are named.
fn tensordot(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("b")?;
    let (own, others): (Vec<i64>, Vec<i64>) = match call.int("dims") {
        Ok(count) if count < 0 || count > tensor.dim().min(other.dim()) as i64 => {
            return Err(Error::input(format!(
                "`dims` is 0 to {} here, but was given {count}",
                tensor.dim().min(other.dim())
            )));
        }
        Ok(count) => ((-count..0).collect(), (0..count).collect()),
        Err(_) => {
            let both = call.get("dims").into_array().unwrap_or_default();
            let [own, others] = both.as_slice() else {
                return Err(
                    Error::input("expected a number, or the dimensions of both: `[[1], [0]]`").under("dims"),
                );
            };
            (super::convert::sizes_of(own)?, super::convert::sizes_of(others)?)
        }
    };
    let rest = |tensor: &Tensor, dims: &[i64]| {
        let size = tensor.size();
        let rank = size.len() as i64;
        let summed = |at: i64| {
            dims.iter()
                .any(|dim| dim.wrapping_add(rank).rem_euclid(rank.max(1)) == at)
        };
        let kept = (0..rank).filter(|at| !summed(*at));
        kept.map(|at| size[at as usize]).collect::<Vec<i64>>()
    };
    let shape = [rest(tensor, &own), rest(&other, &others)].concat();
    size::admit(&shape, tensor.kind(), tensor.device())?;
    one(tensor.f_tensordot(&other, own, others))
}

fn kron(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("other")?;
    let elements = (tensor.numel() as i64).saturating_mul(other.numel() as i64);
    size::admit(&[elements], tensor.kind(), tensor.device())?;
    one(tensor.f_kron(&other))
}

fn inner(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("other")?;
    let rows = |tensor: &Tensor| tensor.numel() as i64 / tensor.size().last().copied().unwrap_or(1).max(1);
    size::admit(&[rows(tensor), rows(&other)], tensor.kind(), tensor.device())?;
    one(tensor.f_inner(&other))
}

fn all_distances(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("x2")?;
    if let ([batch @ .., rows, _], [.., others, _]) = (&tensor.size()[..], &other.size()[..]) {
        let shape = [batch, &[*rows, *others]].concat();
        size::admit(&shape, tensor.kind(), tensor.device())?;
    }
    // 2: by the definition, row for row, which rounds less than by way of a product.
    one(Tensor::f_cdist(tensor, &other, call.number("p")?, 2))
}

/// Both have to be vectors.
fn outer(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("vec2")?;
    size::admit(
        &[tensor.size(), other.size()].concat(),
        tensor.kind(),
        tensor.device(),
    )?;
    one(tensor.f_outer(&other))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::own(
        "mm",
        "Returns the product of two matrices.",
        Home::Both,
        &[(
            "mat2: Tensor",
            Body::Of(|t, call| ranked("mm", "mat2", t, call, (2, 2))),
        )],
    ),
    Function::own(
        "bmm",
        "Returns the products of two batches of matrices `(b, n, k)` and `(b, k, m)`.",
        Home::Both,
        &[(
            "mat2: Tensor",
            Body::Of(|t, call| ranked("bmm", "mat2", t, call, (3, 3))),
        )],
    ),
    Function::own(
        "mv",
        "Returns the product of a matrix and a vector.",
        Home::Both,
        &[(
            "vec: Tensor",
            Body::Of(|t, call| ranked("mv", "vec", t, call, (2, 1))),
        )],
    ),
    Function::own(
        "dot",
        "Returns the sum of products of two vectors.",
        Home::Both,
        &[(
            "tensor: Tensor",
            Body::Of(|t, call| ranked("dot", "tensor", t, call, (1, 1))),
        )],
    ),
    Function::own(
        "vdot",
        "Returns the sum of products of two vectors.",
        Home::Both,
        &[(
            "other: Tensor",
            Body::Of(|t, call| ranked("vdot", "other", t, call, (1, 1))),
        )],
    ),
    Function::own(
        "inner",
        "Returns the sums of products over the last dimension of both.",
        Home::Both,
        &[("other: Tensor", Body::Of(inner))],
    ),
    Function::own(
        "addmm",
        "Returns `beta` times the tensor plus `alpha` times the product of two matrices.",
        Home::Both,
        &[(
            "mat1: Tensor, mat2: Tensor, *, beta: number = 1, alpha: number = 1",
            Body::Of(|t, call| add_product("addmm", ["mat1", "mat2"], t, call, (2, 2))),
        )],
    ),
    Function::own(
        "addmv",
        "Returns `beta` times the tensor plus `alpha` times the product of a matrix and a vector.",
        Home::Both,
        &[(
            "mat: Tensor, vec: Tensor, *, beta: number = 1, alpha: number = 1",
            Body::Of(|t, call| add_product("addmv", ["mat", "vec"], t, call, (2, 1))),
        )],
    ),
    Function::own(
        "baddbmm",
        "Returns `beta` times the tensor plus `alpha` times the products of two batches of matrices.",
        Home::Both,
        &[(
            "batch1: Tensor, batch2: Tensor, *, beta: number = 1, alpha: number = 1",
            Body::Of(|t, call| add_product("baddbmm", ["batch1", "batch2"], t, call, (3, 3))),
        )],
    ),
    Function::own(
        "addr",
        "Returns `beta` times the tensor plus `alpha` times the products of each element of two vectors.",
        Home::Both,
        &[(
            "vec1: Tensor, vec2: Tensor, *, beta: number = 1, alpha: number = 1",
            Body::Of(add_outer),
        )],
    ),
    Function::own(
        "outer",
        "Returns the products `(n, m)` of each element with each of `vec2`, both of one dimension.",
        Home::Both,
        &[("vec2: Tensor", Body::Of(outer))],
    ),
    Function::own(
        "tensordot",
        "Returns the sum of products over `dims`: the last of the tensor and the first of `b`, or those of \
         `[[…], […]]`.",
        Home::Torch,
        &[("b: Tensor, dims: int|array = 2", Body::Of(tensordot))],
    ),
    Function::own(
        "kron",
        "Returns the products of each element with all of `other`, as blocks.",
        Home::Both,
        &[("other: Tensor", Body::Of(kron))],
    ),
    Function::own(
        "cross",
        "Returns the cross product with `other` along `dim`, the first of size 3 unless given.",
        Home::Both,
        &[(
            "other: Tensor, dim: int? = ()",
            Body::Of(|t, call| one(t.f_cross(&call.tensor("other")?, call.optional_int("dim")?))),
        )],
    ),
    Function::own(
        "matrix_power",
        "Returns a square matrix times itself `n` times, its inverse where `n` is negative.",
        Home::Both,
        &[(
            "n: int",
            Body::Of(|t, call| one(t.f_matrix_power(call.int("n")?))),
        )],
    ),
    Function::own(
        "matrix_exp",
        "Returns the exponential of a square matrix.",
        Home::Both,
        &[("", Body::Of(|t, _| one(t.f_matrix_exp())))],
    ),
    Function::own(
        "cdist",
        "Returns the distances, by the `p` norm, of each row to each of `x2`: `(…, n, d)` and `(…, m, d)` give `(…, n, m)`.",
        Home::Torch,
        &[("x2: Tensor, p: number = 2.0", Body::Of(all_distances))],
    ),
];
