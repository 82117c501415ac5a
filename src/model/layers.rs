//! The parts that blocks are made of: linear maps, norms and the MLP.

use super::config::{Activation, Norm, precise};
use super::hooks::{Halt, Hooks};
use super::sites::{BlockSite, Site};
use crate::tensor::{Device, Kind, TchError, Tensor, builds_graph, product};

/// `x Wᵀ + b`.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor, TchError> {
        product::linear(x, &self.weight, self.bias.as_ref())
    }
}

/// LayerNorm or RMSNorm over the last dimension.
#[derive(Debug)]
pub(super) struct NormLayer {
    pub norm: Norm,
    /// `[width]`, in single precision at least; an offset of 1 is added already.
    pub weight: Tensor,
    /// `[width]`; LayerNorm only.
    pub bias: Option<Tensor>,
    /// Weight and bias in the model's own format, which a GPU's LayerNorm wants; where that holds them exactly.
    pub own: Option<(Tensor, Tensor)>,
    /// Hooks see what is normalised before weight and bias are applied. RMSNorm's always do.
    pub bare_hooks: bool,
}

impl NormLayer {
    /// Returns weight and bias as `kind`, if that is another format and changes no number.
    pub(super) fn own(
        weight: &Tensor,
        bias: &Tensor,
        kind: Kind,
    ) -> Result<Option<(Tensor, Tensor)>, TchError> {
        let own = (weight.f_to_kind(kind)?, bias.f_to_kind(kind)?);
        let same = |own: &Tensor, x: &Tensor| own.f_to_kind(x.kind())?.f_equal(x);
        let exact = kind != weight.kind() && same(&own.0, weight)? && same(&own.1, bias)?;
        Ok(exact.then_some(own))
    }

    /// Normalises `x`, with hooks at `scale` (the divisor, `[…, 1]`) and `normalized`.
    pub(super) fn apply(&self, x: &Tensor, hooks: &mut Hooks<'_>, at: (Site, Site)) -> Result<Tensor, Halt> {
        if hooks.wants(at.0) || hooks.wants(at.1) {
            return self.by_parts(x, hooks, at);
        }
        let kind = x.kind();
        if let (Norm::Layer { eps }, Some((weight, bias))) = (self.norm, &self.own) {
            return Ok(x.f_layer_norm(weight.size(), Some(weight), Some(bias), eps, true)?);
        }
        let wide = match self.norm {
            // On the CPU it reads half precision by itself, computes in single precision, and writes what it has read.
            Norm::Layer { .. } if x.device() == Device::Cpu => x.shallow_clone(),
            _ => x.f_to_kind(precise(kind))?,
        };
        let width = self.weight.size();
        let y = match self.norm {
            Norm::Layer { eps } => {
                wide.f_layer_norm(&width, Some(&self.weight), self.bias.as_ref(), eps, true)?
            }
            Norm::Rms { eps, .. } => wide.f_rms_norm(&width, Some(&self.weight), eps)?,
        };
        Ok(y.f_to_kind(kind)?)
    }

    /// The same with every intermediate result, so that hooks can see and change it.
    fn by_parts(&self, x: &Tensor, hooks: &mut Hooks<'_>, at: (Site, Site)) -> Result<Tensor, Halt> {
        let kind = x.kind();
        let mut wide = x.f_to_kind(precise(kind))?;
        let eps = match self.norm {
            Norm::Layer { eps } => {
                wide = wide.f_sub(&wide.f_mean_dim(-1, true, None)?)?;
                eps
            }
            Norm::Rms { eps, .. } => eps,
        };
        let square = wide.f_square()?.f_mean_dim(-1, true, None)?;
        let scale = hooks.visit(at.0, square.f_add_scalar(eps)?.f_sqrt()?)?;
        let mut y = wide.f_div(&scale)?;
        let bare = self.bare_hooks || matches!(self.norm, Norm::Rms { .. });
        if bare {
            y = hooks.visit(at.1, y)?;
        }
        y = y.f_mul(&self.weight)?;
        if let Some(bias) = &self.bias {
            y = y.f_add(bias)?;
        }
        if !bare {
            y = hooks.visit(at.1, y)?;
        }
        Ok(y.f_to_kind(kind)?)
    }
}

/// The MLP of a block.
#[derive(Debug)]
pub(super) struct MlpLayer {
    /// `[d_mlp, d_model]`, or with a gate `[2 · d_mlp, d_model]`: the gate's rows, then the linear part's.
    pub read: Linear,
    /// `[d_model, d_mlp]`.
    pub write: Linear,
    pub activation: Activation,
    pub gated: bool,
}

impl MlpLayer {
    pub(super) fn apply(&self, x: &Tensor, hooks: &mut Hooks<'_>, layer: usize) -> Result<Tensor, Halt> {
        let at = |site| Site::Block(layer, site);
        let read = self.read.apply(x)?;
        let hidden = if self.gated {
            let half = self.read.weight.size()[0] / 2;
            let gate = hooks.visit(at(BlockSite::MlpPre), read.f_narrow(-1, 0, half)?)?;
            let linear = hooks.visit(at(BlockSite::MlpPreLinear), read.f_narrow(-1, half, half)?)?;
            let mut gate = self.activation.apply(&gate)?;
            if builds_graph() {
                gate.f_mul(&linear)?
            } else {
                gate.f_mul_(&linear)?
            }
        } else {
            let mut pre = hooks.visit(at(BlockSite::MlpPre), read)?;
            if hooks.may_overwrite(at(BlockSite::MlpPre)) {
                self.activation.apply_to(&mut pre)?
            } else {
                self.activation.apply(&pre)?
            }
        };
        let hidden = hooks.visit(at(BlockSite::MlpPost), hidden)?;
        Ok(self.write.apply(&hidden)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_in_the_models_own_format_is_the_same_and_only_there_where_it_is_exact() {
        let float = (Kind::Float, Device::Cpu);
        let weight = Tensor::arange(24, float) / 16.0 + 0.5;
        let bias = Tensor::arange(24, float) / 8.0;
        let own = |weight: &Tensor, kind: Kind| NormLayer::own(weight, &bias, kind).expect("numbers");
        assert!(own(&weight, Kind::Float).is_none());
        assert!(own(&(&weight / 3.0), Kind::BFloat16).is_none());
        for kind in [Kind::BFloat16, Kind::Half] {
            let layer = |own| NormLayer {
                norm: Norm::Layer { eps: 1e-5 },
                weight: weight.shallow_clone(),
                bias: Some(bias.shallow_clone()),
                own,
                bare_hooks: false,
            };
            let x = (Tensor::arange(72, float) * 0.7)
                .sin()
                .view([3, 24])
                .to_kind(kind);
            let normalised = |layer: NormLayer| {
                let at = (Site::FinalScale, Site::FinalNormalized);
                let y = layer.apply(&x, &mut Hooks::default(), at);
                y.unwrap_or_else(|_| panic!("no hook stops it"))
            };
            let (ours, wide) = (normalised(layer(own(&weight, kind))), normalised(layer(None)));
            assert_eq!(ours.kind(), kind);
            assert!(ours.allclose(&wide, 1e-3, 1e-3, false), "{kind:?}");
        }
    }
}
