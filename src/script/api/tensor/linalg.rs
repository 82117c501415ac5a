//! `torch::linalg`: decompositions and solutions.

use rhai::Dynamic;

use super::call::{Call, map, one};
use super::definition::{Body, Function, Home, Memory};
use super::{input_error, shape_text};
use crate::error::{Error, Result};
use crate::tensor::{Device, TchError, Tensor, size};

/// A function of `torch::linalg`.
pub const fn linalg(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Linalg, Memory::Like, overloads)
}

/// A matrix of floats, or several in the last two dimensions.
///
/// # Errors
/// It is none.
pub fn matrix(tensor: &Tensor) -> Result<()> {
    if tensor.dim() < 2 {
        return Err(Error::input(format!(
            "a matrix has two dimensions, but the shape is {}",
            shape_text(tensor)
        )));
    }
    if !tensor.is_floating_point() {
        return Err(Error::input("this is computed of floats only").hint("use `.float()`"));
    }
    Ok(())
}

/// A matrix of as many rows as columns.
fn square(tensor: &Tensor) -> Result<()> {
    matrix(tensor)?;
    match tensor.size()[..] {
        [.., rows, columns] if rows != columns => Err(Error::input(format!(
            "the matrix has to be square, but its shape is {}",
            shape_text(tensor)
        ))),
        _ => Ok(()),
    }
}

fn of_square(tensor: &Tensor, function: fn(&Tensor) -> Result<Tensor, TchError>) -> Result<Dynamic> {
    square(tensor)?;
    one(function(tensor))
}

fn svd(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    let full = call.flag("full_matrices")?;
    if full {
        admit_square(tensor)?;
    }
    let (u, s, v) = tensor.f_svd(!full, true).map_err(input_error)?;
    map([("U", u), ("S", s), ("Vh", v.f_mt().map_err(input_error)?)])
}

/// Lets square matrices of the rows and of the columns be made.
fn admit_square(tensor: &Tensor) -> Result<()> {
    let shape = tensor.size();
    if let [batch @ .., rows, columns] = &shape[..] {
        let side = *rows.max(columns);
        size::admit(&[batch, &[side, side]].concat(), tensor.kind(), tensor.device())?;
    }
    Ok(())
}

fn singular_values(tensor: &Tensor) -> Result<Dynamic> {
    matrix(tensor)?;
    one(tensor.f_svd(true, true).map(|(_, s, _)| s))
}

fn qr(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    let mode = call.text("mode")?;
    if !["reduced", "complete", "r"].contains(&mode.as_str()) {
        return Err(Error::unknown("mode", &mode, &["reduced", "complete", "r"]).under("mode"));
    }
    if mode == "complete" {
        admit_square(tensor)?;
    }
    let (q, r) = Tensor::f_linalg_qr(tensor, &mode).map_err(input_error)?;
    map([("Q", q), ("R", r)])
}

/// "L" or "U".
fn triangle(call: &Call<'_>) -> Result<String> {
    let side = call.text("UPLO")?;
    match side.as_str() {
        "L" | "U" => Ok(side),
        _ => Err(Error::unknown("triangle", &side, &["L", "U"]).under("UPLO")),
    }
}

fn eigh(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    square(tensor)?;
    let (values, vectors) = tensor.f_linalg_eigh(&triangle(call)?).map_err(input_error)?;
    map([("eigenvalues", values), ("eigenvectors", vectors)])
}

fn slogdet(tensor: &Tensor) -> Result<Dynamic> {
    square(tensor)?;
    let (sign, logabsdet) = Tensor::f_linalg_slogdet(tensor).map_err(input_error)?;
    map([("sign", sign), ("logabsdet", logabsdet)])
}

fn lu(tensor: &Tensor) -> Result<Dynamic> {
    matrix(tensor)?;
    let (p, l, u) = Tensor::f_linalg_lu(tensor, true).map_err(input_error)?;
    map([("P", p), ("L", l), ("U", u)])
}

fn solve(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    square(tensor)?;
    one(Tensor::f_linalg_solve(
        tensor,
        &call.tensor("B")?,
        call.flag("left")?,
    ))
}

fn solve_triangular(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    square(tensor)?;
    one(tensor.f_linalg_solve_triangular(
        &call.tensor("B")?,
        call.flag("upper")?,
        call.flag("left")?,
        call.flag("unitriangular")?,
    ))
}

/// By the methods that PyTorch takes unless asked for another.
fn lstsq(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    let method = if tensor.device() == Device::Cpu {
        "gelsy"
    } else {
        "gels"
    };
    let (solution, residuals, rank, singular) = tensor
        .f_linalg_lstsq(&call.tensor("B")?, call.optional_number("rcond")?, method)
        .map_err(input_error)?;
    map([
        ("solution", solution),
        ("residuals", residuals),
        ("rank", rank),
        ("singular_values", singular),
    ])
}

fn multi_dot(call: &Call<'_>) -> Result<Dynamic> {
    let tensors = call.tensors("tensors")?;
    if let [first, .., last] = &tensors[..] {
        let rows = first.size().first().copied().unwrap_or(1);
        let columns = last.size().last().copied().unwrap_or(1);
        size::admit(&[rows, columns], first.kind(), first.device())?;
    }
    one(Tensor::f_linalg_multi_dot(&tensors))
}

fn pinv(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    let [atol, rtol] = ["atol", "rtol"].map(|name| call.optional_number(name));
    one(tensor.f_linalg_pinv_atol_rtol_float(atol?, rtol?, call.flag("hermitian")?))
}

fn rank(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    let [atol, rtol] = ["atol", "rtol"].map(|name| call.optional_number(name));
    one(tensor.f_linalg_matrix_rank_atol_rtol_float(atol?, rtol?, call.flag("hermitian")?))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    linalg(
        "det",
        "Returns the determinant.",
        &[("", Body::Of(|t, _| of_square(t, Tensor::f_linalg_det)))],
    ),
    linalg(
        "slogdet",
        "Returns `#{ sign, logabsdet }` of the determinant.",
        &[("-> map", Body::Of(|t, _| slogdet(t)))],
    ),
    linalg(
        "inv",
        "Returns the inverse.",
        &[("", Body::Of(|t, _| of_square(t, Tensor::f_linalg_inv)))],
    ),
    linalg(
        "pinv",
        "Returns the pseudo-inverse; singular values below `atol` or `rtol` times the largest count as 0.",
        &[(
            "*, atol: number? = (), rtol: number? = (), hermitian: bool = false",
            Body::Of(pinv),
        )],
    ),
    linalg(
        "matrix_rank",
        "Returns the number of singular values above `atol` and `rtol` times the largest.",
        &[(
            "*, atol: number? = (), rtol: number? = (), hermitian: bool = false",
            Body::Of(rank),
        )],
    ),
    linalg(
        "matrix_exp",
        "Returns the exponential of a square matrix.",
        &[("", Body::Of(|t, _| of_square(t, |t| t.f_linalg_matrix_exp())))],
    ),
    linalg(
        "matrix_power",
        "Returns a square matrix times itself `n` times, its inverse where `n` is negative.",
        &[(
            "n: int",
            Body::Of(|t, call| {
                square(t)?;
                one(t.f_linalg_matrix_power(call.int("n")?))
            }),
        )],
    ),
    linalg(
        "svd",
        "Returns `#{ U, S, Vh }` with the matrix `U diag(S) Vh`; without `full_matrices` as narrow as can be.",
        &[("full_matrices: bool = true -> map", Body::Of(svd))],
    ),
    linalg(
        "svdvals",
        "Returns the singular values, the largest first.",
        &[("", Body::Of(|t, _| singular_values(t)))],
    ),
    linalg(
        "qr",
        "Returns `#{ Q, R }` with the matrix `Q R`; `mode` is \"reduced\", \"complete\" or \"r\".",
        &[("mode: string = \"reduced\" -> map", Body::Of(qr))],
    ),
    linalg(
        "eigh",
        "Returns `#{ eigenvalues, eigenvectors }` of a symmetric matrix, the least first, of which the lower or the upper \
         triangle is read.",
        &[("UPLO: string = \"L\" -> map", Body::Of(eigh))],
    ),
    linalg(
        "eigvalsh",
        "Returns the eigenvalues of a symmetric matrix, the least first.",
        &[(
            "UPLO: string = \"L\"",
            Body::Of(|t, call| {
                square(t)?;
                one(t.f_linalg_eigvalsh(&triangle(call)?))
            }),
        )],
    ),
    linalg(
        "cholesky",
        "Returns the triangle L of a positive definite matrix with `L Lᵀ`, or with `upper` its transpose.",
        &[(
            "*, upper: bool = false",
            Body::Of(|t, call| {
                square(t)?;
                one(t.f_linalg_cholesky(call.flag("upper")?))
            }),
        )],
    ),
    linalg(
        "lu",
        "Returns `#{ P, L, U }` with the matrix `P L U`.",
        &[("-> map", Body::Of(|t, _| lu(t)))],
    ),
    linalg(
        "solve",
        "Returns X with `A X = B`, or with `left` false `X A = B`.",
        &[("B: Tensor, *, left: bool = true", Body::Of(solve))],
    ),
    linalg(
        "solve_triangular",
        "Returns X with `A X = B` of a triangle A, `upper` or lower.",
        &[(
            "B: Tensor, *, upper: bool, left: bool = true, unitriangular: bool = false",
            Body::Of(solve_triangular),
        )],
    ),
    linalg(
        "lstsq",
        "Returns `#{ solution, residuals, rank, singular_values }` of the least squares of `A X - B`.",
        &[("B: Tensor, rcond: number? = () -> map", Body::Of(lstsq))],
    ),
    linalg(
        "multi_dot",
        "Returns the product of matrices in an array, in the order that costs least.",
        &[("tensors: array", Body::Free(multi_dot))],
    ),
    linalg(
        "cross",
        "Returns the cross product with `other` along `dim`, of size 3.",
        &[(
            "other: Tensor, *, dim: int = -1",
            Body::Of(|t, call| one(t.f_linalg_cross(&call.tensor("other")?, call.int("dim")?))),
        )],
    ),
    linalg(
        "diagonal",
        "Returns the diagonal of matrices: a view.",
        &[(
            "*, offset: int = 0, dim1: int = -2, dim2: int = -1",
            Body::Of(|t, call| one(t.f_diagonal(call.int("offset")?, call.int("dim1")?, call.int("dim2")?))),
        )],
    ),
    linalg(
        "vecdot",
        "Returns the sums of products along `dim`.",
        &[(
            "y: Tensor, *, dim: int = -1",
            Body::Of(|t, call| one(Tensor::f_linalg_vecdot(t, &call.tensor("y")?, call.int("dim")?))),
        )],
    ),
];
