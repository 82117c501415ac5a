//! `torch::linalg`: decompositions, solutions, norms of matrices.

use rhai::Dynamic;

use super::call::{Call, map, one};
use super::definition::{Body, Function, Home, Memory};
use super::{input_error, shape_text};
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, TchError, Tensor, norm};

const fn linalg(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Linalg, Memory::Like, overloads)
}

/// A matrix of floats, or several in the last two dimensions.
fn matrix(tensor: &Tensor) -> Result<()> {
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
    let (u, s, v) = tensor
        .f_svd(!call.flag("full_matrices")?, true)
        .map_err(input_error)?;
    map([("U", u), ("S", s), ("Vh", v.f_mt().map_err(input_error)?)])
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

/// The order of a norm: a number, or a name of a norm of matrices.
enum Order {
    Number(f64),
    Named(String),
}

/// The argument `name`: a number, or one of the norms that have a name.
fn order(call: &Call<'_>, name: &str) -> Result<Option<Order>> {
    const NAMES: [&str; 2] = ["fro", "nuc"];
    if call.lacks(name) {
        return Ok(None);
    }
    match (call.number(name), call.text(name)) {
        (Ok(number), _) => Ok(Some(Order::Number(number))),
        (_, Ok(text)) if NAMES.contains(&text.as_str()) => Ok(Some(Order::Named(text))),
        (_, Ok(text)) => Err(Error::unknown("norm", &text, &NAMES)
            .hint("or a number, infinity is `1.0 / 0.0`")
            .under(name)),
        (Err(error), _) => Err(error),
    }
}

/// libtorch's norms, of one dimension for vectors and of two for matrices.
fn linalg_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (dims, keepdim) = (call.ints("dim")?, call.flag("keepdim")?);
    let kind = call.kind("dtype")?;
    one(match order(call, "ord")? {
        None => norm::norm(&in_kind(tensor, kind)?, 2.0, dims.as_deref(), keepdim),
        Some(Order::Number(p)) => tensor.f_linalg_norm(p, dims.as_deref(), keepdim, kind),
        Some(Order::Named(name)) => tensor.f_linalg_norm_ord_str(&name, dims.as_deref(), keepdim, kind),
    })
}

fn in_kind(tensor: &Tensor, kind: Option<Kind>) -> Result<Tensor> {
    tensor
        .f_to_kind(kind.unwrap_or(tensor.kind()))
        .map_err(input_error)
}

fn vector_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let tensor = in_kind(tensor, call.kind("dtype")?)?;
    let dims = call.ints("dim")?;
    one(norm::norm(
        &tensor,
        call.number("ord")?,
        dims.as_deref(),
        call.flag("keepdim")?,
    ))
}

fn matrix_norm(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    let dims = call.ints("dim")?.unwrap_or_else(|| vec![-2, -1]);
    let (keepdim, kind) = (call.flag("keepdim")?, call.kind("dtype")?);
    one(match order(call, "ord")? {
        Some(Order::Number(p)) => tensor.f_linalg_norm(p, Some(&dims[..]), keepdim, kind),
        Some(Order::Named(name)) => tensor.f_linalg_norm_ord_str(&name, Some(&dims[..]), keepdim, kind),
        None => tensor.f_linalg_norm_ord_str("fro", Some(&dims[..]), keepdim, kind),
    })
}

fn condition(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    matrix(tensor)?;
    one(match order(call, "p")? {
        Some(Order::Named(name)) => tensor.f_linalg_cond_p_str(&name),
        Some(Order::Number(p)) => tensor.f_linalg_cond(p),
        None => tensor.f_linalg_cond(2.0),
    })
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    linalg(
        "norm",
        "Returns the norm `ord` of vectors (one `dim`) or matrices (two): a number, \"fro\" or \"nuc\"; unless given the \
         root of the sum of squares.",
        &[(
            "ord: number|string? = (), dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()",
            Body::Of(linalg_norm),
        )],
    ),
    linalg(
        "vector_norm",
        "Returns the norm `ord` of all elements, or along `dim`.",
        &[(
            "ord: number = 2, dim: int|array? = (), keepdim: bool = false, *, dtype: dtype? = ()",
            Body::Of(vector_norm),
        )],
    ),
    linalg(
        "matrix_norm",
        "Returns the norm of matrices: \"fro\", \"nuc\", 1, -1, 2, -2 or an infinity.",
        &[(
            "ord: number|string = \"fro\", dim: array = (), keepdim: bool = false, *, dtype: dtype? = ()",
            Body::Of(matrix_norm),
        )],
    ),
    linalg(
        "cond",
        "Returns the condition number of matrices by the norm `p`.",
        &[("p: number|string? = ()", Body::Of(condition))],
    ),
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
        &[(
            "tensors: array",
            Body::Free(|call| one(Tensor::f_linalg_multi_dot(&call.tensors("tensors")?))),
        )],
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
