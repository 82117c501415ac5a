//! Operators between tensors and numbers.

use rhai::{FuncRegistration, Module};

use super::{TensorHandle, handle, input_error, shape_text};
use crate::error::Error;
use crate::script::failure::{RhaiResultOf, raise};
use crate::script::guard::SetGuarded;
use crate::tensor::{Kind, Tensor};

type Fallible = Result<Tensor, tch::TchError>;
type Binary = fn(&Tensor, &Tensor) -> Fallible;

/// Operator in scripts → libtorch's function. Comparisons give bool tensors, `/` always divides truly.
const OPERATORS: &[(&str, Binary)] = &[
    ("+", |a, b| a.f_add(b)),
    ("-", |a, b| a.f_sub(b)),
    ("*", |a, b| a.f_mul(b)),
    ("/", |a, b| a.f_div(b)),
    ("%", |a, b| a.f_remainder_tensor(b)),
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

/// `number` as a scalar that does not change the dtype of a tensor of the same or a richer category.
pub fn integer_like(like: &Tensor, number: i64) -> Fallible {
    let kind = match like.kind() {
        Kind::Bool => Kind::Int64,
        kind => kind,
    };
    Tensor::f_scalar_tensor(number, (kind, like.device()))
}

/// `number` as a scalar of the tensor's floating dtype, or float32 beside whole numbers.
pub fn float_like(like: &Tensor, number: f64) -> Fallible {
    let kind = if like.is_floating_point() {
        like.kind()
    } else {
        Kind::Float
    };
    Tensor::f_scalar_tensor(number, (kind, like.device()))
}

fn apply(name: &str, function: Binary, a: &Tensor, b: Fallible) -> RhaiResultOf<TensorHandle> {
    let b = b.map_err(|error| raise(input_error(error)))?;
    function(a, &b).map(TensorHandle::new).map_err(|error| {
        let error = input_error(error);
        if a.kind() == b.kind() && a.device() == b.device() {
            let sentence = format!(
                "`{name}` cannot combine shapes {} and {}",
                shape_text(a),
                shape_text(&b)
            );
            return raise(Error::input(sentence).hint(error.message().to_string()));
        }
        raise(error)
    })
}

/// Matrix product, batched as in PyTorch.
pub fn matrix_product(a: &Tensor, b: &Tensor) -> RhaiResultOf<TensorHandle> {
    apply("matmul", |a, b| a.f_matmul(b), a, Ok(b.shallow_clone()))
}

/// Puts the operators into `module`.
pub fn register(module: &mut Module) {
    for &(name, function) in OPERATORS {
        let add = || FuncRegistration::new(name).in_global_namespace();
        add().set_guarded(module, move |a: &mut TensorHandle, b: TensorHandle| {
            apply(name, function, a.tensor(), Ok(b.tensor().shallow_clone()))
        });
        add().set_guarded(module, move |a: &mut TensorHandle, b: i64| {
            apply(name, function, a.tensor(), integer_like(a.tensor(), b))
        });
        add().set_guarded(module, move |a: &mut TensorHandle, b: f64| {
            apply(name, function, a.tensor(), float_like(a.tensor(), b))
        });
        add().set_guarded(module, move |a: i64, b: TensorHandle| {
            let a = integer_like(b.tensor(), a).map_err(|error| raise(input_error(error)))?;
            apply(name, function, &a, Ok(b.tensor().shallow_clone()))
        });
        add().set_guarded(module, move |a: f64, b: TensorHandle| {
            let a = float_like(b.tensor(), a).map_err(|error| raise(input_error(error)))?;
            apply(name, function, &a, Ok(b.tensor().shallow_clone()))
        });
    }
    FuncRegistration::new("-").set_guarded(module, |a: &mut TensorHandle| handle(a.tensor().f_neg()));
    FuncRegistration::new("!").set_guarded(module, |a: &mut TensorHandle| handle(a.tensor().f_logical_not()));
}
