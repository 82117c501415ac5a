//! `torch::nn::functional`: losses, distances and similarities.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function, Home, Memory};
use super::input_error;
use super::select::check_indices;
use crate::error::{Error, Result};
use crate::tensor::{Reduction, TchError, Tensor, size};

type Fallible = Result<Tensor, TchError>;

const fn loss(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Functional, Memory::Like, overloads)
}

/// The target, whose shape has to be the prediction's: a broadcast would be a loss of something else.
fn target(tensor: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    let target = call.tensor("target")?;
    if target.size() == tensor.size() {
        return Ok(target);
    }
    Err(Error::input(format!(
        "the target has shape {:?}, but the input {:?}",
        target.size(),
        tensor.size()
    ))
    .hint("give both the same shape, e.g. with `unsqueeze` or `expand_as`"))
}

fn of_target(
    tensor: &Tensor,
    call: &Call<'_>,
    function: fn(&Tensor, &Tensor, Reduction) -> Fallible,
) -> Result<Dynamic> {
    one(function(tensor, &target(tensor, call)?, call.reduction()?))
}

fn huber(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (target, delta) = (target(tensor, call)?, call.number("delta")?);
    one(tensor.f_huber_loss(&target, call.reduction()?, delta))
}

fn smooth_l1(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (target, beta) = (target(tensor, call)?, call.number("beta")?);
    one(tensor.f_smooth_l1_loss(&target, call.reduction()?, beta))
}

/// Classes by number have to be there; libtorch on a GPU finds out too late.
fn check_classes(tensor: &Tensor, target: &Tensor, ignored: i64) -> Result<()> {
    let classes = tensor.size().get(usize::from(tensor.dim() > 1)).copied();
    match classes {
        Some(classes) if target.kind() == crate::tensor::Kind::Int64 && ignored < 0 => {
            let counted = target.f_clamp_min(0i64).map_err(input_error)?;
            check_indices(&counted, classes)
        }
        _ => Ok(()),
    }
}

fn cross_entropy(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (target, ignored) = (call.tensor("target")?, call.int("ignore_index")?);
    check_classes(tensor, &target, ignored)?;
    one(tensor.f_cross_entropy_loss(
        &target,
        call.optional_tensor("weight")?,
        call.reduction()?,
        ignored,
        call.number("label_smoothing")?,
    ))
}

fn nll(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (target, ignored) = (call.tensor("target")?, call.int("ignore_index")?);
    check_classes(tensor, &target, ignored)?;
    one(tensor.f_nll_loss_nd(
        &target,
        call.optional_tensor("weight")?,
        call.reduction()?,
        ignored,
    ))
}

fn binary_cross_entropy(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (target, weight) = (target(tensor, call)?, call.optional_tensor("weight")?);
    one(tensor.f_binary_cross_entropy(&target, weight, call.reduction()?))
}

fn with_logits(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let target = target(tensor, call)?;
    let [weight, positive] = ["weight", "pos_weight"].map(|name| call.optional_tensor(name));
    one(tensor.f_binary_cross_entropy_with_logits(&target, weight?, positive?, call.reduction()?))
}

/// libtorch's own mean is over all elements; "batchmean" divides by the rows.
fn kl_divergence(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let (target, is_log) = (target(tensor, call)?, call.flag("log_target")?);
    if call.text("reduction")? != "batchmean" {
        return one(tensor.f_kl_div(&target, call.reduction()?, is_log));
    }
    let rows = tensor.size().first().copied().unwrap_or(1).max(1);
    one(tensor
        .f_kl_div(&target, Reduction::Sum, is_log)
        .and_then(|sum| sum.f_div_scalar(rows)))
}

fn cosine_embedding(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(Tensor::f_cosine_embedding_loss(
        tensor,
        &call.tensor("input2")?,
        &call.tensor("target")?,
        call.number("margin")?,
        call.reduction()?,
    ))
}

fn triplet(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    one(Tensor::f_triplet_margin_loss(
        tensor,
        &call.tensor("positive")?,
        &call.tensor("negative")?,
        call.number("margin")?,
        call.number("p")?,
        call.number("eps")?,
        call.flag("swap")?,
        call.reduction()?,
    ))
}

/// Shapes of two tensors that are compared along a dimension.
fn admit_both(tensor: &Tensor, other: &Tensor) -> Result<()> {
    match size::broadcast(&tensor.size(), &other.size()) {
        Some(shape) => size::admit(&shape, tensor.kind(), tensor.device()),
        None => Err(Error::input(format!(
            "shapes {:?} and {:?} do not go together",
            tensor.size(),
            other.size()
        ))
        .hint("from the last dimension on, sizes must be equal, or one of them 1")),
    }
}

fn cosine_similarity(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("x2")?;
    admit_both(tensor, &other)?;
    one(Tensor::f_cosine_similarity(
        tensor,
        &other,
        call.int("dim")?,
        call.number("eps")?,
    ))
}

fn pairwise_distance(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let other = call.tensor("x2")?;
    admit_both(tensor, &other)?;
    let (p, eps) = (call.number("p")?, call.number("eps")?);
    one(Tensor::f_pairwise_distance(
        tensor,
        &other,
        p,
        eps,
        call.flag("keepdim")?,
    ))
}

/// The table. `reduction` is "mean", "sum" or "none".
pub const FUNCTIONS: &[Function] = &[
    loss(
        "mse_loss",
        "Returns the squared difference to `target`: its mean, its \"sum\", or \"none\" for one each.",
        &[(
            "target: Tensor, *, reduction: string = \"mean\"",
            Body::Of(|t, call| of_target(t, call, Tensor::f_mse_loss)),
        )],
    ),
    loss(
        "l1_loss",
        "Returns the absolute difference to `target`: its mean, its \"sum\", or \"none\" for one each.",
        &[(
            "target: Tensor, *, reduction: string = \"mean\"",
            Body::Of(|t, call| of_target(t, call, |a, b, reduction| a.f_l1_loss(b, reduction))),
        )],
    ),
    loss(
        "huber_loss",
        "Returns half the squared difference to `target`, beyond `delta` in a straight line.",
        &[(
            "target: Tensor, reduction: string = \"mean\", delta: number = 1.0",
            Body::Of(huber),
        )],
    ),
    loss(
        "smooth_l1_loss",
        "Returns the absolute difference to `target`, within `beta` as a parabola.",
        &[(
            "target: Tensor, *, reduction: string = \"mean\", beta: number = 1.0",
            Body::Of(smooth_l1),
        )],
    ),
    loss(
        "cross_entropy",
        "Returns the cross entropy of logits `(n, classes)` with `target`: classes by number `(n)`, or probabilities.",
        &[(
            "target: Tensor, weight: Tensor? = (), *, ignore_index: int = -100, reduction: string = \"mean\", \
             label_smoothing: number = 0.0",
            Body::Of(cross_entropy),
        )],
    ),
    loss(
        "nll_loss",
        "Returns the negative log-likelihood of log-probabilities `(n, classes)` at the classes `target` `(n)`.",
        &[(
            "target: Tensor, weight: Tensor? = (), *, ignore_index: int = -100, reduction: string = \"mean\"",
            Body::Of(nll),
        )],
    ),
    loss(
        "binary_cross_entropy",
        "Returns the cross entropy of probabilities with `target`, 0 to 1, of one shape.",
        &[(
            "target: Tensor, weight: Tensor? = (), *, reduction: string = \"mean\"",
            Body::Of(binary_cross_entropy),
        )],
    ),
    loss(
        "binary_cross_entropy_with_logits",
        "Returns the cross entropy of the sigmoids of logits with `target`, 0 to 1, of one shape.",
        &[(
            "target: Tensor, weight: Tensor? = (), *, reduction: string = \"mean\", pos_weight: Tensor? = ()",
            Body::Of(with_logits),
        )],
    ),
    loss(
        "kl_div",
        "Returns the Kullback-Leibler divergence of `target`, probabilities or with `log_target` their logarithms, \
         from log-probabilities; \"batchmean\" divides the sum by the rows.",
        &[(
            "target: Tensor, *, reduction: string = \"mean\", log_target: bool = false",
            Body::Of(kl_divergence),
        )],
    ),
    loss(
        "soft_margin_loss",
        "Returns log(1 + exp(-`target` x)) of each element x, with `target` -1 or 1.",
        &[(
            "target: Tensor, *, reduction: string = \"mean\"",
            Body::Of(|t, call| of_target(t, call, Tensor::f_soft_margin_loss)),
        )],
    ),
    loss(
        "cosine_embedding_loss",
        "Returns 1 - cos of pairs whose `target` is 1, and of others how far their cosine is above `margin`.",
        &[(
            "input2: Tensor, target: Tensor, margin: number = 0, *, reduction: string = \"mean\"",
            Body::Of(cosine_embedding),
        )],
    ),
    loss(
        "triplet_margin_loss",
        "Returns how much nearer than by `margin` an anchor fails to be to `positive` than to `negative`, by the `p` norm.",
        &[(
            "positive: Tensor, negative: Tensor, margin: number = 1.0, p: number = 2, eps: number = 1e-6, swap: bool = \
             false, *, reduction: string = \"mean\"",
            Body::Of(triplet),
        )],
    ),
    Function::new(
        "cosine_similarity",
        "Returns the cosine of the angle between vectors along `dim`.",
        Home::Modules,
        Memory::Own,
        &[(
            "x2: Tensor, dim: int = 1, eps: number = 1e-8",
            Body::Of(cosine_similarity),
        )],
    ),
    Function::new(
        "pairwise_distance",
        "Returns the `p` norm of the difference of vectors along the last dimension; `eps` is added to it first.",
        Home::Modules,
        Memory::Own,
        &[(
            "x2: Tensor, p: number = 2, eps: number = 1e-6, keepdim: bool = false",
            Body::Of(pairwise_distance),
        )],
    ),
];
