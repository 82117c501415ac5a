//! Functions that reduce a tensor to one number, or along one dimension.

use rhai::{FuncRegistration, Module};

use super::{TensorHandle, handle};
use crate::script::guard::SetGuarded;
use crate::tensor::{Kind, Tensor};

type Fallible = Result<Tensor, tch::TchError>;

/// One reduction: over everything, and along a dimension with or without keeping it.
struct Reduction {
    name: &'static str,
    docs: &'static str,
    whole: fn(&Tensor) -> Fallible,
    along: fn(&Tensor, i64, bool) -> Fallible,
}

/// Sums of whole numbers and truth values are whole numbers; means of them are float32.
fn floating(tensor: &Tensor) -> Fallible {
    match tensor.is_floating_point() {
        true => Ok(tensor.shallow_clone()),
        false => tensor.f_to_kind(Kind::Float),
    }
}

fn no_kind() -> Option<Kind> {
    None
}

const REDUCTIONS: &[Reduction] = &[
    Reduction {
        name: "sum",
        docs: "Sum of the elements.",
        whole: |t| t.f_sum(no_kind()),
        along: |t, dim, keep| t.f_sum_dim_intlist(dim, keep, no_kind()),
    },
    Reduction {
        name: "mean",
        docs: "Mean of the elements.",
        whole: |t| floating(t)?.f_mean(no_kind()),
        along: |t, dim, keep| floating(t)?.f_mean_dim(dim, keep, no_kind()),
    },
    Reduction {
        name: "std",
        docs: "Standard deviation, with n - 1 in the denominator.",
        whole: |t| floating(t)?.f_std(true),
        along: |t, dim, keep| floating(t)?.f_std_dim(dim, true, keep),
    },
    Reduction {
        name: "var",
        docs: "Variance, with n - 1 in the denominator.",
        whole: |t| floating(t)?.f_var(true),
        along: |t, dim, keep| floating(t)?.f_var_dim(dim, true, keep),
    },
    Reduction {
        name: "norm",
        docs: "Euclidean norm.",
        whole: |t| floating(t)?.f_norm(),
        along: |t, dim, keep| floating(t)?.f_norm_scalaropt_dim(2.0, dim, keep),
    },
    Reduction {
        name: "max",
        docs: "The largest element; where it stands is `argmax`.",
        whole: |t| t.f_max(),
        along: |t, dim, keep| t.f_amax(dim, keep),
    },
    Reduction {
        name: "min",
        docs: "The smallest element; where it stands is `argmin`.",
        whole: |t| t.f_min(),
        along: |t, dim, keep| t.f_amin(dim, keep),
    },
    Reduction {
        name: "argmax",
        docs: "Index of the largest element.",
        whole: |t| t.f_argmax(None, false),
        along: |t, dim, keep| t.f_argmax(dim, keep),
    },
    Reduction {
        name: "argmin",
        docs: "Index of the smallest element.",
        whole: |t| t.f_argmin(None, false),
        along: |t, dim, keep| t.f_argmin(dim, keep),
    },
    Reduction {
        name: "prod",
        docs: "Product of the elements.",
        whole: |t| t.f_prod(no_kind()),
        along: |t, dim, keep| t.f_prod_dim_int(dim, keep, no_kind()),
    },
    Reduction {
        name: "logsumexp",
        docs: "log(sum(exp(x))), computed without overflow.",
        whole: |t| floating(t)?.f_flatten(0, -1)?.f_logsumexp(0, false),
        along: |t, dim, keep| floating(t)?.f_logsumexp(dim, keep),
    },
    Reduction {
        name: "median",
        docs: "The middle element; of two, the lower.",
        whole: |t| t.f_median(),
        along: |t, dim, keep| Ok(t.f_median_dim(dim, keep)?.0),
    },
];

/// The reductions as methods: `t.sum()`, `t.sum(dim)`, `t.sum(dim, keepdim)`.
pub fn register_methods(module: &mut Module) {
    for reduction in REDUCTIONS {
        let Reduction {
            name,
            docs,
            whole,
            along,
        } = *reduction;
        let comment = [format!(
            "/// {docs} Along `dim` only if one is given; it stays, with size 1, if `keepdim` is true."
        )];
        let this = "tensor: &mut TensorHandle";
        let result = "RhaiResultOf<TensorHandle>";
        FuncRegistration::new(name)
            .with_params_info([this, result])
            .with_comments(&comment)
            .set_guarded(module, move |t: &mut TensorHandle| handle(whole(t.tensor())));
        FuncRegistration::new(name)
            .with_params_info([this, "dim: i64", result])
            .with_comments(&comment)
            .set_guarded(module, move |t: &mut TensorHandle, dim: i64| {
                handle(along(t.tensor(), dim, false))
            });
        FuncRegistration::new(name)
            .with_params_info([this, "dim: i64", "keepdim: bool", result])
            .with_comments(&comment)
            .set_guarded(module, move |t: &mut TensorHandle, dim: i64, keepdim: bool| {
                handle(along(t.tensor(), dim, keepdim))
            });
    }
}
