//! Operators between tensors and numbers.

use std::fmt;

use rhai::{Dynamic, FuncRegistration, Module};

use super::{TensorHandle, handle, input_error, shape_text};
use crate::error::{Error, Result, Subject};
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard::SetGuarded;
use crate::tensor::{DType, Kind, TchError, Tensor, integer, product, range, size};

type Fallible = Result<Tensor, TchError>;

/// A function of two tensors that are broadcast.
pub type Binary = fn(&Tensor, &Tensor) -> Fallible;

/// Operator in scripts → libtorch's function. Comparisons give bool tensors, `/` always divides truly.
const OPERATORS: &[(&str, Binary)] = &[
    ("+", |a, b| a.f_add(b)),
    ("-", |a, b| a.f_sub(b)),
    ("*", |a, b| a.f_mul(b)),
    ("/", |a, b| a.f_div(b)),
    ("%", integer::remainder),
    ("**", |a, b| a.f_pow(b)),
    ("==", |a, b| a.f_eq_tensor(b)),
    ("!=", |a, b| a.f_ne_tensor(b)),
    ("<", |a, b| a.f_lt_tensor(b)),
    ("<=", |a, b| a.f_le_tensor(b)),
    (">", |a, b| a.f_gt_tensor(b)),
    (">=", |a, b| a.f_ge_tensor(b)),
    ("&", |a, b| a.f_bitwise_and_tensor(b)),
    ("|", |a, b| a.f_bitwise_or_tensor(b)),
    ("^", |a, b| a.f_bitwise_xor_tensor(b)),
];

/// The least and the greatest number of a dtype of whole numbers; bool takes any for true.
fn bounds(kind: Kind) -> Option<(i64, i64)> {
    match kind {
        Kind::Int8 => Some((i8::MIN.into(), i8::MAX.into())),
        Kind::Uint8 => Some((0, u8::MAX.into())),
        Kind::Int16 => Some((i16::MIN.into(), i16::MAX.into())),
        Kind::Int => Some((i32::MIN.into(), i32::MAX.into())),
        Kind::Int64 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}

/// Does a dtype hold the numbers from `low` to `high`, without what is after the point? None holds NaN but floats.
pub fn is_held(low: f64, high: f64, kind: Kind) -> bool {
    bounds(kind).is_none_or(|(least, greatest)| {
        low.trunc() >= least as f64 && high.trunc() < greatest as f64 + f64::from(kind != Kind::Int64)
    })
}

/// Returns the error of a number that a dtype of whole numbers does not hold.
pub fn not_held(number: impl fmt::Debug, kind: Kind) -> Error {
    let dtype = DType::from(kind);
    let (least, greatest) = bounds(kind).unwrap_or((i64::MIN, i64::MAX));
    let error = Error::input(format!(
        "{number:?} is not a number of dtype {dtype}, which holds {least} to {greatest}"
    ));
    match kind {
        Kind::Int64 => error.hint("use floats: `.float()`"),
        _ => error.hint("turn the tensor into int64 with `.long()` first"),
    }
}

/// Numbers that a script stores in a tensor of dtype `kind`, as that dtype; one of whole numbers leaves out what is
/// after the point.
///
/// # Errors
/// A number that the dtype does not hold, or more than the memory does.
pub fn stored_as(value: &Tensor, kind: Kind) -> Result<Tensor> {
    if value.kind() == kind {
        return Ok(value.shallow_clone());
    }
    if let Some((least, greatest)) = bounds(kind)
        && value.kind() != Kind::Bool
        && value.numel() > 0
    {
        let value = value.f_detach().map_err(input_error)?;
        let (low, high) = (
            value.f_min().map_err(input_error)?,
            value.f_max().map_err(input_error)?,
        );
        if integer::is_integral(value.kind()) {
            let low = low.f_int64_value(&[]).map_err(input_error)?;
            let high = high.f_int64_value(&[]).map_err(input_error)?;
            if low < least || high > greatest {
                return Err(not_held(if low < least { low } else { high }, kind));
            }
        } else {
            let low = low.f_double_value(&[]).map_err(input_error)?;
            let high = high.f_double_value(&[]).map_err(input_error)?;
            if !is_held(low, high, kind) {
                return Err(not_held(if is_held(low, low, kind) { high } else { low }, kind));
            }
        }
    }
    size::admit_like(value, kind)?;
    value.f_to_kind(kind).map_err(input_error)
}

/// Returns `number` as a scalar that does not change the dtype of a tensor of the same or a richer category, as
/// PyTorch's Python numbers do.
///
/// # Errors
/// A tensor of whole numbers whose dtype does not hold it.
pub fn integer_like(like: &Tensor, number: i64) -> Result<Tensor> {
    let kind = like.kind();
    if let Some((least, greatest)) = bounds(kind)
        && !(least..=greatest).contains(&number)
    {
        return Err(not_held(number, kind));
    }
    // One of no dimensions decides the dtype together with another of none, but not beside others.
    let kind = match kind {
        Kind::Bool => Kind::Int64,
        _ if like.dim() > 0 && integer::is_integral(kind) => kind,
        _ if like.dim() > 0 => Kind::Int64,
        kind => kind,
    };
    range::whole_number(number, kind, like.device()).map_err(input_error)
}

/// Returns `number` as a scalar that leaves the dtype of floats as it is; beside whole numbers it is float32.
pub fn float_like(like: &Tensor, number: f64) -> Result<Tensor> {
    let kind = match like.is_floating_point() {
        // Not rounded to the tensor's own dtype: 65504 * 1e-5 is fine in float16, 1e-8 is not.
        true if like.dim() > 0 => Kind::Double,
        true => like.kind(),
        false => Kind::Float,
    };
    range::number(number, kind, like.device()).map_err(input_error)
}

/// A truth value as a scalar beside a tensor.
fn truth_like(like: &Tensor, value: bool) -> Result<Tensor> {
    range::whole_number(value.into(), Kind::Bool, like.device()).map_err(input_error)
}

/// Combines two tensors element by element; `name` is for the error.
///
/// # Errors
/// Shapes, dtypes or devices that do not go together; a result that the memory does not hold.
pub fn combine(name: &str, function: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let Some(shape) = size::broadcast(&a.size(), &b.size()) else {
        return Err(Error::input(format!(
            "`{name}` cannot combine shapes {} and {}",
            shape_text(a),
            shape_text(b)
        ))
        .hint("from the last dimension on, sizes must be equal, or one of them 1"));
    };
    let kind = if a.kind().elt_size_in_bytes() >= b.kind().elt_size_in_bytes() {
        a.kind()
    } else {
        b.kind()
    };
    size::admit(&shape, kind, a.device())?;
    function(a, b).map_err(|error| division_error(input_error(error)))
}

/// libtorch's word for a division of whole numbers by 0 is the name of a Python class.
fn division_error(error: Error) -> Error {
    if *error.subject() == Subject::DivisionByZero {
        Error::input("whole numbers cannot be divided by 0").hint("use floats: `.float()`")
    } else {
        error
    }
}

/// Returns the matrix product, batched as in PyTorch.
///
/// # Errors
/// Shapes, dtypes or devices that do not go together; a result that the memory does not hold.
pub fn matrix_product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let misfit = |error: Error| {
        let sentence = format!(
            "`matmul` cannot combine shapes {} and {}",
            shape_text(a),
            shape_text(b)
        );
        if a.kind() == b.kind() && a.device() == b.device() {
            Error::input(sentence).hint(error.message().to_string())
        } else {
            error
        }
    };
    size::admit(&product_shape(&a.size(), &b.size()), a.kind(), a.device())?;
    product::matmul(a, b).map_err(|error| misfit(input_error(error)))
}

/// Shape of a matrix product, or something smaller where libtorch refuses it anyway.
fn product_shape(a: &[i64], b: &[i64]) -> Vec<i64> {
    match (a, b) {
        ([batch_a @ .., rows, _], [batch_b @ .., _, columns]) => {
            let mut shape = size::broadcast(batch_a, batch_b).unwrap_or_default();
            shape.extend([*rows, *columns]);
            shape
        }
        _ => Vec::new(),
    }
}

/// A whole number to the power of a negative one is no whole number.
fn check_power(a: &Tensor, exponent: i64) -> Result<()> {
    if integer::is_integral(a.kind()) && exponent < 0 {
        Err(Error::input("whole numbers cannot be raised to a negative power").hint("use floats: `.float()`"))
    } else {
        Ok(())
    }
}

/// `0 < x < 1` compares the truth values of `0 < x` with 1, which nobody means.
fn check_chain(name: &str, a: &Tensor, b: Option<&Tensor>) -> Result<()> {
    let is_order = matches!(name, "<" | "<=" | ">" | ">=");
    let is_mask = |tensor: &Tensor| tensor.kind() == Kind::Bool;
    if is_order && is_mask(a) && !b.is_some_and(is_mask) {
        return Err(
            Error::input(format!("`{name}` does not compare truth values with numbers"))
                .hint("two bounds are written `(x > 0) & (x < 1)`; a mask is a number after `.long()`"),
        );
    }
    Ok(())
}

fn tensor(result: Result<Tensor>) -> RhaiResultOf<TensorHandle> {
    result.map(TensorHandle::new).raise()
}

/// Puts the operators into `module`.
pub fn register(module: &mut Module) {
    for &(name, function) in OPERATORS {
        let add = || FuncRegistration::new(name).in_global_namespace();
        add().set_guarded(module, move |a: &mut TensorHandle, b: TensorHandle| {
            let (a, b) = (a.tensor(), b.tensor());
            tensor(check_chain(name, a, Some(b)).and_then(|()| combine(name, function, a, b)))
        });
        add().set_guarded(module, move |a: &mut TensorHandle, b: i64| {
            let a = a.tensor();
            let checked = match name {
                "**" => check_power(a, b),
                _ => check_chain(name, a, None),
            };
            let b = checked.and_then(|()| integer_like(a, b));
            tensor(b.and_then(|b| combine(name, function, a, &b)))
        });
        add().set_guarded(module, move |a: &mut TensorHandle, b: f64| {
            let a = a.tensor();
            let b = check_chain(name, a, None).and_then(|()| float_like(a, b));
            tensor(b.and_then(|b| combine(name, function, a, &b)))
        });
        add().set_guarded(module, move |a: &mut TensorHandle, b: bool| {
            let a = a.tensor();
            tensor(truth_like(a, b).and_then(|b| combine(name, function, a, &b)))
        });
        add().set_guarded(module, move |a: bool, b: TensorHandle| {
            let b = b.tensor();
            tensor(truth_like(b, a).and_then(|a| combine(name, function, &a, b)))
        });
        add().set_guarded(module, move |a: i64, b: TensorHandle| {
            let b = b.tensor();
            tensor(integer_like(b, a).and_then(|a| combine(name, function, &a, b)))
        });
        add().set_guarded(module, move |a: f64, b: TensorHandle| {
            let b = b.tensor();
            tensor(float_like(b, a).and_then(|a| combine(name, function, &a, b)))
        });
    }
    FuncRegistration::new("@")
        .in_global_namespace()
        .set_guarded(module, |a: &mut TensorHandle, b: TensorHandle| {
            tensor(matrix_product(a.tensor(), b.tensor()))
        });
    let negate = |a: &mut TensorHandle| handle(a.tensor().f_neg());
    FuncRegistration::new("-").set_guarded(module, negate);
    let not = |a: &mut TensorHandle| handle(a.tensor().f_logical_not());
    FuncRegistration::new("!").set_guarded(module, not);
}

/// Returns a script's value for a combination.
pub fn combined(name: &str, function: Binary, a: &Tensor, b: &Tensor) -> Result<Dynamic> {
    combine(name, function, a, b).map(|tensor| Dynamic::from(TensorHandle::new(tensor)))
}
