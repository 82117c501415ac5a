//! Functions of each element, as methods (`t.relu()`) and in `torch::` (`torch::relu(t)`).

use rhai::{FuncRegistration, Module};

use super::{TensorHandle, handle};
use crate::script::guard::SetGuarded;
use crate::tensor::Tensor;

type Unary = fn(&Tensor) -> Result<Tensor, tch::TchError>;

/// Name, what it computes, libtorch's function.
pub const POINTWISE: &[(&str, &str, Unary)] = &[
    ("relu", "The larger of each element and 0.", |t| t.f_relu()),
    ("gelu", "Gaussian error linear unit, exact.", |t| t.f_gelu("none")),
    ("sigmoid", "1 / (1 + exp(-x)).", |t| t.f_sigmoid()),
    ("tanh", "Hyperbolic tangent.", |t| t.f_tanh()),
    ("exp", "e to the power of each element.", |t| t.f_exp()),
    ("log", "Natural logarithm.", |t| t.f_log()),
    ("log2", "Logarithm to base 2.", |t| t.f_log2()),
    ("log10", "Logarithm to base 10.", |t| t.f_log10()),
    ("log1p", "Natural logarithm of 1 + x.", |t| t.f_log1p()),
    ("sqrt", "Square root.", |t| t.f_sqrt()),
    ("rsqrt", "1 / square root.", |t| t.f_rsqrt()),
    ("square", "Each element times itself.", |t| t.f_square()),
    ("abs", "Absolute value.", |t| t.f_abs()),
    ("sign", "-1, 0 or 1.", |t| t.f_sign()),
    ("sin", "Sine of radians.", |t| t.f_sin()),
    ("cos", "Cosine of radians.", |t| t.f_cos()),
    ("floor", "The next whole number below.", |t| t.f_floor()),
    ("ceil", "The next whole number above.", |t| t.f_ceil()),
    ("round", "The nearest whole number, halves to even.", |t| {
        t.f_round()
    }),
    ("isnan", "true where an element is not a number.", |t| t.f_isnan()),
    (
        "isfinite",
        "true where an element is neither infinite nor not a number.",
        |t| t.f_isfinite(),
    ),
];

/// The functions as methods.
pub fn register_methods(module: &mut Module) {
    for &(name, docs, function) in POINTWISE {
        FuncRegistration::new(name)
            .with_params_info(["tensor: &mut TensorHandle", "RhaiResultOf<TensorHandle>"])
            .with_comments([format!("/// {docs}")])
            .set_guarded(module, move |t: &mut TensorHandle| handle(function(t.tensor())));
    }
}

/// The functions in `torch::`.
pub fn register_functions(module: &mut Module) {
    for &(name, docs, function) in POINTWISE {
        FuncRegistration::new(name)
            .with_params_info(["tensor: TensorHandle", "RhaiResultOf<TensorHandle>"])
            .with_comments([format!("/// {docs}")])
            .set_guarded(module, move |t: TensorHandle| handle(function(t.tensor())));
    }
}
