//! Self-attention: queries, keys and values in one product, libtorch's fused kernel unless a hook asks for scores.

use super::config::{Attention, QkNorm, Span, precise};
use super::hooks::{Halt, Hooks};
use super::layers::{Linear, NormLayer};
use super::prompts::Padding;
use super::rotary::Rotation;
use super::sites::{BlockSite, Site};
use crate::tensor::{Device, Kind, TchError, Tensor, product};

/// The attention of a block.
#[derive(Debug)]
pub(super) struct AttentionLayer {
    pub attention: Attention,
    pub span: Span,
    pub heads: Heads,
    /// `[(n_heads + 2 n_kv_heads) · d_head, d_model]`: query rows, key rows, value rows.
    pub qkv: Linear,
    /// `[d_model, n_heads · d_head]`.
    pub out: Linear,
    /// Norms of queries and of keys.
    pub qk_norm: Option<(NormLayer, NormLayer)>,
}

/// Numbers of heads and their width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub queries: i64,
    pub keys: i64,
    pub width: i64,
}

/// Keys and values of the tokens that came before, `[batch, n_kv_heads, seq, d_head]` each.
#[derive(Debug)]
pub(super) struct LayerCache {
    pub keys: Tensor,
    pub values: Tensor,
}

/// What all blocks of one forward pass have in common.
#[derive(Debug)]
pub(super) struct Pass {
    /// Number of tokens that came before.
    pub start: i64,
    /// Of queries and keys, where positions are rotations.
    pub rotations: Option<Rotations>,
    /// Padding that stands in front of tokens.
    pub padding: Option<Padding>,
}

/// The rotations of all blocks.
#[derive(Debug)]
pub(super) struct Rotations {
    /// Those of blocks with a full span.
    pub full: Rotation,
    /// Those of blocks with a window, where they differ.
    pub window: Option<Rotation>,
}

impl Rotations {
    fn of(&self, span: Span) -> &Rotation {
        match span {
            Span::Full => &self.full,
            Span::Window(_) => self.window.as_ref().unwrap_or(&self.full),
        }
    }
}

/// The normalised residual stream that attention reads.
#[derive(Debug)]
pub(super) enum Reads {
    /// The same for all heads, `[batch, seq, d_model]`.
    Shared(Tensor),
    /// One for each head's queries, keys and values, `[batch, seq, heads, d_model]`.
    PerHead { q: Tensor, k: Tensor, v: Tensor },
}

impl AttentionLayer {
    /// Returns what attention adds to the residual stream.
    pub(super) fn apply(
        &self,
        x: &Reads,
        pass: &Pass,
        layer: usize,
        hooks: &mut Hooks<'_>,
        cache: Option<&mut Option<LayerCache>>,
    ) -> Result<Tensor, Halt> {
        let at = |site| Site::Block(layer, site);
        let unseen = |site| hooks.may_overwrite(at(site));
        let rotation = pass.rotations.as_ref().map(|rotations| rotations.of(self.span));
        // Queries and keys lie side by side, and turn alike.
        let together = self.qk_norm.is_none() && unseen(BlockSite::Q) && unseen(BlockSite::K);
        let (q, k, v, turned) = self.queries_keys_values(x, rotation.filter(|_| together))?;
        let mut q = hooks.visit(at(BlockSite::Q), q)?;
        let mut k = hooks.visit(at(BlockSite::K), k)?;
        let v = hooks.visit(at(BlockSite::V), v)?;
        if let Some((q_norm, k_norm)) = &self.qk_norm {
            let sites = (at(BlockSite::QNormScale), at(BlockSite::QNormNormalized));
            q = self.normalise(q_norm, &q, hooks, sites)?;
            let sites = (at(BlockSite::KNormScale), at(BlockSite::KNormNormalized));
            k = self.normalise(k_norm, &k, hooks, sites)?;
        }
        if let Some(rotation) = rotation {
            if !turned {
                (q, k) = (rotation.apply(&q)?, rotation.apply(&k)?);
            }
            q = hooks.visit(at(BlockSite::RotQ), q)?;
            k = hooks.visit(at(BlockSite::RotK), k)?;
        }
        let (q, k, v) = (q.f_transpose(1, 2)?, k.f_transpose(1, 2)?, v.f_transpose(1, 2)?);
        let (k, v) = match cache {
            Some(cache) => remember(cache, k, v)?,
            None => (k, v),
        };
        let by_parts = hooks.wants(at(BlockSite::Scores)) || hooks.wants(at(BlockSite::Pattern));
        let z = if by_parts || self.attention.soft_cap.is_some() {
            self.attend_by_parts(&q, &k, &v, pass, layer, hooks)?
        } else {
            self.attend(&q, &k, &v, pass)?
        };
        let z = hooks.visit(at(BlockSite::Z), z.f_transpose(1, 2)?)?;
        self.write(&z, layer, hooks)
    }

    /// Three tensors `[batch, seq, heads, d_head]`; and whether queries and keys have been turned by `rotation`, as they are
    /// where they lie side by side.
    fn queries_keys_values(
        &self,
        x: &Reads,
        rotation: Option<&Rotation>,
    ) -> Result<(Tensor, Tensor, Tensor, bool), Halt> {
        let Heads { queries, keys, width } = self.heads;
        let x = match x {
            Reads::Shared(x) => x,
            Reads::PerHead { q, k, v } => {
                return Ok((
                    self.of_each_head(q, 0, queries)?,
                    self.of_each_head(k, queries, keys)?,
                    self.of_each_head(v, queries + keys, keys)?,
                    false,
                ));
            }
        };
        let (batch, seq) = (x.size()[0], x.size()[1]);
        let product = self.qkv.apply(x)?;
        let part = |start: i64, heads: i64| {
            let columns = product.f_narrow(-1, start * width, heads * width)?;
            columns.f_view([batch, seq, heads, width])
        };
        if let Some(rotation) = rotation {
            rotation.apply_to(&part(0, queries + keys)?)?;
        }
        Ok((
            part(0, queries)?,
            part(queries, keys)?,
            part(queries + keys, keys)?,
            rotation.is_some(),
        ))
    }

    /// What `heads` heads from number `start` of the stacked map make of an input for each.
    fn of_each_head(&self, x: &Tensor, start: i64, heads: i64) -> Result<Tensor, TchError> {
        let width = self.heads.width;
        let rows = self.qkv.weight.f_narrow(0, start * width, heads * width)?;
        let made = einsum("bshm,hdm->bshd", x, &rows.f_view([heads, width, -1])?)?;
        match &self.qkv.bias {
            Some(bias) => made.f_add(
                &bias
                    .f_narrow(0, start * width, heads * width)?
                    .f_view([heads, width])?,
            ),
            None => Ok(made),
        }
    }

    fn normalise(
        &self,
        norm: &NormLayer,
        x: &Tensor,
        hooks: &mut Hooks<'_>,
        at: (Site, Site),
    ) -> Result<Tensor, Halt> {
        match self.attention.qk_norm {
            QkNorm::Whole => {
                let rows = norm.apply(&x.f_flatten(2, 3)?, hooks, at)?;
                Ok(rows.f_view_as(x)?)
            }
            QkNorm::PerHead | QkNorm::Off => norm.apply(x, hooks, at),
        }
    }

    /// The fused kernel: `[batch, heads, seq, d_head]` in and out, scores never exist as a whole.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, pass: &Pass) -> Result<Tensor, Halt> {
        let mask = self.mask(q, k, pass)?;
        let is_causal = mask.is_none() && q.size()[2] > 1;
        let attended = product::done(&[q, k, v], |inputs| {
            Tensor::f_scaled_dot_product_attention(
                &inputs[0],
                &inputs[1],
                &inputs[2],
                mask.as_ref(),
                0.0,
                is_causal,
                self.attention.scale,
                self.heads.queries != self.heads.keys,
            )
        });
        Ok(attended?)
    }

    /// The same step by step, for hooks on scores and patterns and for soft caps.
    fn attend_by_parts(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        pass: &Pass,
        layer: usize,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor, Halt> {
        let kind = precise(q.kind());
        let groups = self.heads.queries / self.heads.keys;
        let (k, v) = match groups {
            1 => (k.shallow_clone(), v.shallow_clone()),
            _ => (
                k.f_repeat_interleave_self_int(groups, 1, None)?,
                v.f_repeat_interleave_self_int(groups, 1, None)?,
            ),
        };
        let (q, k) = (q.f_to_kind(kind)?, k.f_to_kind(kind)?);
        let mut scores = product::matmul(&q, &k.f_transpose(2, 3)?)?.f_mul_scalar(self.attention.scale)?;
        if let Some(cap) = self.attention.soft_cap {
            scores = scores.f_div_scalar(cap)?.f_tanh()?.f_mul_scalar(cap)?;
        }
        let visible = self.visible(&q, &k, pass)?;
        scores = scores.f_masked_fill(&visible.f_logical_not()?, f64::NEG_INFINITY)?;
        scores = hooks.visit(Site::Block(layer, BlockSite::Scores), scores)?;
        let pattern = scores.f_softmax(-1, None)?;
        // A row without anything to see is all NaN; it attends to nothing.
        let pattern = pattern.f_nan_to_num(0.0, None, None)?;
        let pattern = hooks.visit(Site::Block(layer, BlockSite::Pattern), pattern)?;
        Ok(product::matmul(&pattern.f_to_kind(v.kind())?, &v)?)
    }

    /// Which keys each query sees, `[seq, key_seq]`, or `None` where the kernel's own causal rule says it all.
    fn mask(&self, q: &Tensor, k: &Tensor, pass: &Pass) -> Result<Option<Tensor>, Halt> {
        let (seq, key_seq) = (q.size()[2], k.size()[2]);
        let narrow = matches!(self.span, Span::Window(width) if key_seq > width);
        let continued = pass.start > 0 && seq > 1;
        if narrow || continued || pass.padding.is_some() {
            Ok(Some(self.visible(q, k, pass)?))
        } else {
            Ok(None)
        }
    }

    /// Which keys each query sees, `[seq, key_seq]`, or with padding `[batch, 1, seq, key_seq]`.
    fn visible(&self, q: &Tensor, k: &Tensor, pass: &Pass) -> Result<Tensor, TchError> {
        let visible = visible(self.span, q.size()[2], k.size()[2], pass.start, q.device())?;
        match &pass.padding {
            Some(padding) => padding.visible(&visible, pass.start),
            None => Ok(visible),
        }
    }

    /// `[batch, seq, n_heads, d_head]` → `[batch, seq, d_model]`.
    fn write(&self, z: &Tensor, layer: usize, hooks: &mut Hooks<'_>) -> Result<Tensor, Halt> {
        let at = Site::Block(layer, BlockSite::AttnResult);
        if hooks.wants(at) {
            let Heads { queries, width, .. } = self.heads;
            let weight = self.out.weight.f_view([-1, queries, width])?;
            let result = einsum("bshd,mhd->bshm", z, &weight)?;
            let result = hooks.visit(at, result)?;
            if hooks.edits(at) {
                let sum = result.f_sum_dim_intlist(2, false, None)?;
                return Ok(match &self.out.bias {
                    Some(bias) => sum.f_add(bias)?,
                    None => sum,
                });
            }
        }
        Ok(self.out.apply(&z.f_flatten(2, 3)?)?)
    }
}

/// A product of two tensors, summed as `equation` says.
fn einsum(equation: &str, a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    product::done(&[a, b], |inputs| Tensor::f_einsum(equation, inputs, None::<i64>))
}

/// True where query `start + i` may look at key `j`.
fn visible(span: Span, seq: i64, key_seq: i64, start: i64, device: Device) -> Result<Tensor, TchError> {
    let queries = Tensor::f_arange_start(start, start + seq, (Kind::Int64, device))?.f_unsqueeze(1)?;
    let keys = Tensor::f_arange(key_seq, (Kind::Int64, device))?.f_unsqueeze(0)?;
    let distance = queries.f_sub(&keys)?;
    let earlier = distance.f_ge(0)?;
    match span {
        Span::Full => Ok(earlier),
        Span::Window(width) => earlier.f_logical_and(&distance.f_lt(width)?),
    }
}

/// Adds keys and values to those of earlier tokens and returns all of them.
fn remember(cache: &mut Option<LayerCache>, k: Tensor, v: Tensor) -> Result<(Tensor, Tensor), TchError> {
    let (keys, values) = match cache.take() {
        Some(old) => (
            Tensor::f_cat(&[&old.keys, &k], 2)?,
            Tensor::f_cat(&[&old.values, &v], 2)?,
        ),
        None => (k, v),
    };
    let shared = (keys.shallow_clone(), values.shallow_clone());
    *cache = Some(LayerCache { keys, values });
    Ok(shared)
}
