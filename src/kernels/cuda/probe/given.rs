//! What the comparison is made on, and how far apart numbers may be.

use crate::error::{Error, Result};
use crate::kernels::cuda::pairs::Pairs;
use crate::tensor::{Device, Kind, Tensor};

/// Sizes that are no multiples of anything.
pub(super) const LATENTS: i64 = 301;
const WIDTH: i64 = 70;
pub(super) const K: i64 = 9;
/// The largest difference, relative to the largest number.
const ALLOWED: f64 = 1e-4;
/// Numbers that are the same at every start, and disturb nobody's draws.
pub(super) struct Given {
    pub(super) x: Tensor,
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

impl Given {
    pub(super) fn new(tokens: i64) -> Result<Self> {
        let waves = |rows: i64, step: f64| -> Result<Tensor> {
            let places = Tensor::f_arange(rows * WIDTH, (Kind::Double, Device::Cpu))?;
            let waves = places.f_square()?.f_mul_scalar(step)?.f_sin()?;
            Ok(waves.f_to_kind(Kind::Float)?.f_view([rows, WIDTH])?)
        };
        Ok(Self {
            x: waves(tokens, 0.37)?,
            weight: waves(LATENTS, 0.61)?,
            bias: Tensor::f_full([LATENTS], 0.1, (Kind::Float, Device::Cpu))?,
        })
    }

    /// Returns the pre-activations, `(T, S)`.
    pub(super) fn pre(&self) -> Result<Tensor> {
        Ok(self.x.f_matmul(&self.weight.f_tr()?)?.f_add(&self.bias)?)
    }

    /// Returns the activations, `(T, S)`.
    pub(super) fn activations(&self) -> Result<Tensor> {
        let all = self.pre()?.f_relu()?;
        let (value, index) = all.f_topk(K, 1, true, true)?;
        Ok(all.f_zeros_like()?.f_scatter(1, &index, &value)?)
    }
}

/// Returns the values of pairs among 0 for all others, `(T, S)` on the processor.
pub(super) fn spread(pairs: &Pairs) -> Result<Tensor> {
    let there = |x: &Tensor| x.f_view([-1])?.f_to_device(Device::Cpu);
    // Places that nothing was written to hold anything.
    let latent = there(&pairs.index)?.f_to_kind(Kind::Int64)?.f_clamp(0, LATENTS)?;
    let tokens = pairs.tokens();
    let token = there(&pairs.token()?)?.f_clamp(0, tokens - 1)?;
    let place = token.f_mul_scalar(LATENTS + 1)?.f_add(&latent)?;
    let all = Tensor::f_zeros([tokens * (LATENTS + 1)], (Kind::Float, Device::Cpu))?;
    let spread = all.f_scatter(0, &place, &there(&pairs.value)?)?;
    Ok(spread.f_view([tokens, LATENTS + 1])?.f_narrow(1, 0, LATENTS)?)
}

/// Refuses what differs from what is expected.
///
/// # Errors
/// It does.
pub(super) fn agree(what: &str, found: &Tensor, expected: &Tensor) -> Result<()> {
    let found = found.f_to_device(Device::Cpu)?;
    let apart = found.f_sub(expected)?.f_abs()?.f_max()?.f_double_value(&[])?;
    let size = expected.f_abs()?.f_max()?.f_double_value(&[])?;
    // NaN is not at most anything.
    if apart <= ALLOWED * size {
        return Ok(());
    }
    Err(Error::run(format!(
        "our kernels do not compute what libtorch computes on this GPU: {what} differs by {apart:.3e} of {size:.3e}"
    )))
}
