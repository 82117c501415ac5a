//! The one decoder behind every family: embeddings, blocks, unembedding, with hooks all along.

use super::attention::{AttentionLayer, LayerCache, Pass, Reads, Rotations};
use super::config::{DecoderConfig, Placement, Position, Residual};
use super::hooks::{Halt, Hooks};
use super::layers::{Linear, MlpLayer, NormLayer};
use super::prompts::{Input, Padding};
use super::rotary::Rotation;
use super::sites::{BlockSite, Site};
use crate::tensor::{Device, Kind, TchError, Tensor};

/// A decoder with its weights. Nothing changes them after loading.
#[derive(Debug)]
pub(super) struct Decoder {
    pub config: DecoderConfig,
    /// `[d_vocab, d_model]`.
    pub embed: Tensor,
    /// `[n_ctx, d_model]`.
    pub pos_embed: Option<Tensor>,
    pub blocks: Vec<Block>,
    pub ln_final: NormLayer,
    /// `[d_vocab, d_model]`.
    pub unembed: Linear,
    /// The residual stream is centred, as TransformerLens does for LayerNorm models.
    pub centred: bool,
    /// Weights are processed as TransformerLens does.
    pub processed: bool,
    /// Logits lose their mean, as TransformerLens's unembedding does where no soft cap follows.
    pub centred_logits: bool,
}

// SAFETY: after loading the decoder is only read. libtorch's tensors may be read from several threads at once
// (their reference counts are atomic), and no method here writes to a weight.
unsafe impl Sync for Decoder {}

/// One block.
#[derive(Debug)]
pub(super) struct Block {
    pub ln1: NormLayer,
    pub attention: AttentionLayer,
    pub ln1_post: Option<NormLayer>,
    pub ln2: NormLayer,
    pub mlp: MlpLayer,
    pub ln2_post: Option<NormLayer>,
}

/// Keys and values of the tokens that a model has seen.
#[derive(Debug, Default)]
pub(super) struct KeyValueCache {
    layers: Vec<Option<LayerCache>>,
    tokens: i64,
}

impl KeyValueCache {
    /// Returns the number of tokens in it.
    pub(super) fn tokens(&self) -> i64 {
        self.tokens
    }
}

impl Decoder {
    /// Returns the number format and device of the weights.
    pub(super) fn target(&self) -> (Kind, Device) {
        (self.unembed.weight.kind(), self.unembed.weight.device())
    }

    /// Returns whether keys and values of `before` tokens still serve once there are `after`.
    pub(super) fn keeps_cache(&self, before: i64, after: i64) -> bool {
        match &self.config.position {
            Position::Rotary { full, window, .. } => {
                !full.changes_between(before, after) && !window.changes_between(before, after)
            }
            _ => true,
        }
    }

    /// Logits `[batch, seq, d_vocab]` of `input`, on the decoder's device. Where a cache holds earlier tokens, its mask is
    /// that of them all.
    pub(super) fn logits(
        &self,
        input: Input<'_>,
        hooks: &mut Hooks<'_>,
        cache: Option<&mut KeyValueCache>,
    ) -> Result<Tensor, Halt> {
        let residual = self.residual(input, hooks, cache)?;
        let last = self
            .ln_final
            .apply(&residual, hooks, (Site::FinalScale, Site::FinalNormalized))?;
        self.unembedded(&last)
    }

    /// Logits of the normalised residual stream.
    fn unembedded(&self, x: &Tensor) -> Result<Tensor, Halt> {
        let mut logits = self.unembed.apply(x)?;
        if self.centred_logits {
            logits = centre(&logits)?;
        }
        if let Some(cap) = self.config.logit_soft_cap {
            logits = logits.f_div_scalar(cap)?.f_tanh()?.f_mul_scalar(cap)?;
        }
        Ok(logits)
    }

    /// The residual stream after the last block, `[batch, seq, d_model]`.
    fn residual(
        &self,
        input: Input<'_>,
        hooks: &mut Hooks<'_>,
        mut cache: Option<&mut KeyValueCache>,
    ) -> Result<Tensor, Halt> {
        let seq = input.tokens.size()[1];
        let start = cache.as_ref().map_or(0, |cache| cache.tokens);
        let padding = input.mask.map(Padding::of).transpose()?.flatten();
        let pass = Pass {
            start,
            rotations: self.rotations(start, seq, padding.as_ref())?,
            padding,
        };
        let mut x = self.embedded(input.tokens, &pass, hooks)?;
        if let Some(cache) = &mut cache {
            cache.layers.resize_with(self.blocks.len(), || None);
            cache.tokens += seq;
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            let layer_cache = cache.as_deref_mut().map(|cache| &mut cache.layers[layer]);
            x = block.apply(x, &self.config, &pass, layer, hooks, layer_cache)?;
        }
        Ok(x)
    }

    fn rotations(&self, start: i64, seq: i64, padding: Option<&Padding>) -> Result<Option<Rotations>, Halt> {
        let Position::Rotary { dims, full, window } = &self.config.position else {
            return Ok(None);
        };
        let rotation = |rope| -> Result<Rotation, Halt> {
            match padding {
                None => Ok(Rotation::new(rope, *dims, start, seq, self.target())?),
                Some(padding) => {
                    let all = Rotation::new(rope, *dims, 0, start + seq, self.target())?;
                    Ok(all.at(&padding.positions(start, seq)?)?)
                }
            }
        };
        Ok(Some(Rotations {
            full: rotation(full)?,
            window: (window != full).then(|| rotation(window)).transpose()?,
        }))
    }

    /// By what embeddings are multiplied: a number of the model's own format, as it was in training: in bfloat16 50.6
    /// is 50.5.
    pub(super) fn embedding_scale(&self) -> Result<Option<f64>, TchError> {
        let rounded = |scale| {
            Tensor::f_from_slice(&[scale])?
                .f_to_kind(self.embed.kind())?
                .f_double_value(&[0])
        };
        self.config.embedding_scale.map(rounded).transpose()
    }

    fn embedded(&self, tokens: &Tensor, pass: &Pass, hooks: &mut Hooks<'_>) -> Result<Tensor, Halt> {
        let mut x = Tensor::f_embedding(&self.embed, tokens, -1, false, false)?;
        if let Some(scale) = self.embedding_scale()? {
            x = x.f_mul_scalar(scale)?;
        }
        if self.centred {
            x = centre(&x)?;
        }
        x = hooks.visit(Site::Embed, x)?;
        if let Some(table) = &self.pos_embed {
            let seq = tokens.size()[1];
            let places = match &pass.padding {
                None => table
                    .f_narrow(0, pass.start, seq)?
                    .f_unsqueeze(0)?
                    .f_expand_as(&x)?,
                Some(padding) => {
                    let positions = padding.positions(pass.start, seq)?;
                    let places = Tensor::f_embedding(table, &positions, -1, false, false)?;
                    places.f_mul(&padding.counts(pass.start, seq, x.kind())?)?
                }
            };
            let places = hooks.visit(Site::PosEmbed, places)?;
            x = x.f_add(&places)?;
        }
        Ok(x)
    }
}

impl Block {
    fn apply(
        &self,
        x: Tensor,
        config: &DecoderConfig,
        pass: &Pass,
        layer: usize,
        hooks: &mut Hooks<'_>,
        cache: Option<&mut Option<LayerCache>>,
    ) -> Result<Tensor, Halt> {
        let at = |site| Site::Block(layer, site);
        let x = hooks.visit(at(BlockSite::ResidPre), x)?;
        if config.residual == Residual::Parallel && hooks.ends_within(|site| site.is_of_mlp(layer)) {
            // Attention would be for nothing: the MLP reads what it reads.
            return self.mlp_out(&x, config, layer, hooks);
        }
        let read = self.attention_input(&x, config, layer, hooks)?;
        let mut attn_out = self.attention.apply(&read, pass, layer, hooks, cache)?;
        if config.placement == Placement::After {
            attn_out = self.ln1.apply(&attn_out, hooks, self.ln1_sites(layer))?;
        }
        if let Some(norm) = &self.ln1_post {
            let sites = (at(BlockSite::Ln1PostScale), at(BlockSite::Ln1PostNormalized));
            attn_out = norm.apply(&attn_out, hooks, sites)?;
        }
        let attn_out = hooks.visit(at(BlockSite::AttnOut), attn_out)?;
        // What a norm hands to hooks may be what comes out of the norm.
        let may_overwrite = |sites: [BlockSite; 3], hooks: &Hooks<'_>| {
            sites.into_iter().all(|site| hooks.may_overwrite(at(site)))
        };
        let overwrites = may_overwrite(
            [
                BlockSite::AttnOut,
                BlockSite::Ln1Normalized,
                BlockSite::Ln1PostNormalized,
            ],
            hooks,
        );
        let after_attention = added(attn_out, &x, overwrites)?;
        let overwrites = may_overwrite(
            [
                BlockSite::MlpOut,
                BlockSite::Ln2Normalized,
                BlockSite::Ln2PostNormalized,
            ],
            hooks,
        );
        let y = match config.residual {
            Residual::Sequential => {
                let middle = hooks.visit(at(BlockSite::ResidMid), after_attention)?;
                let mlp_out = self.mlp_out(&middle, config, layer, hooks)?;
                added(mlp_out, &middle, overwrites)?
            }
            Residual::Parallel => {
                let mlp_out = self.mlp_out(&x, config, layer, hooks)?;
                added(mlp_out, &after_attention, overwrites)?
            }
        };
        hooks.visit(at(BlockSite::ResidPost), y)
    }

    fn ln1_sites(&self, layer: usize) -> (Site, Site) {
        let at = |site| Site::Block(layer, site);
        (at(BlockSite::Ln1Scale), at(BlockSite::Ln1Normalized))
    }

    /// What attention reads: one normalised stream, or one for each head where a hook gives heads inputs of their own.
    fn attention_input(
        &self,
        x: &Tensor,
        config: &DecoderConfig,
        layer: usize,
        hooks: &mut Hooks<'_>,
    ) -> Result<Reads, Halt> {
        let at = |site| Site::Block(layer, site);
        let for_heads = |x: &Tensor, heads: i64| x.f_unsqueeze(2)?.f_expand([-1, -1, heads, -1], false);
        let mut per_head = None;
        if hooks.wants(at(BlockSite::AttnIn)) {
            let heads = hooks.visit(at(BlockSite::AttnIn), for_heads(x, config.n_heads)?)?;
            per_head = hooks.edits(at(BlockSite::AttnIn)).then_some(heads);
        }
        let parts = [
            (at(BlockSite::QInput), config.n_heads),
            (at(BlockSite::KInput), config.n_kv_heads),
            (at(BlockSite::VInput), config.n_kv_heads),
        ];
        if parts.iter().any(|(site, _)| hooks.wants(*site)) {
            let mut inputs = Vec::with_capacity(parts.len());
            for (site, heads) in parts {
                let input = match &per_head {
                    Some(heads) => heads.shallow_clone(),
                    None => for_heads(x, heads)?,
                };
                inputs.push(hooks.visit(site, input)?);
            }
            if parts.iter().any(|(site, _)| hooks.edits(*site)) {
                let mut read = |input: &Tensor| self.attention_read(input, config, layer, hooks);
                let [q, k, v] = [read(&inputs[0])?, read(&inputs[1])?, read(&inputs[2])?];
                return Ok(Reads::PerHead { q, k, v });
            }
        }
        let read = self.attention_read(per_head.as_ref().unwrap_or(x), config, layer, hooks)?;
        Ok(match per_head {
            Some(_) => Reads::PerHead {
                q: read.shallow_clone(),
                k: read.shallow_clone(),
                v: read,
            },
            None => Reads::Shared(read),
        })
    }

    /// The stream as the block's attention reads it.
    fn attention_read(
        &self,
        x: &Tensor,
        config: &DecoderConfig,
        layer: usize,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor, Halt> {
        match config.placement {
            Placement::After => Ok(x.shallow_clone()),
            Placement::Before | Placement::BeforeAndAfter => self.ln1.apply(x, hooks, self.ln1_sites(layer)),
        }
    }

    fn mlp_out(
        &self,
        x: &Tensor,
        config: &DecoderConfig,
        layer: usize,
        hooks: &mut Hooks<'_>,
    ) -> Result<Tensor, Halt> {
        let at = |site| Site::Block(layer, site);
        let sites = (at(BlockSite::Ln2Scale), at(BlockSite::Ln2Normalized));
        let x = hooks.visit(at(BlockSite::MlpIn), x.shallow_clone())?;
        let mut y = match config.placement {
            Placement::After => {
                let y = self.mlp.apply(&x, hooks, layer)?;
                self.ln2.apply(&y, hooks, sites)?
            }
            Placement::Before | Placement::BeforeAndAfter => {
                let read = self.ln2.apply(&x, hooks, sites)?;
                self.mlp.apply(&read, hooks, layer)?
            }
        };
        if let Some(norm) = &self.ln2_post {
            let sites = (at(BlockSite::Ln2PostScale), at(BlockSite::Ln2PostNormalized));
            y = norm.apply(&y, hooks, sites)?;
        }
        hooks.visit(at(BlockSite::MlpOut), y)
    }
}

/// `part + stream`, in the memory of `part` where that may be overwritten.
fn added(mut part: Tensor, stream: &Tensor, overwrites: bool) -> Result<Tensor, TchError> {
    if overwrites {
        part.f_add_(stream)
    } else {
        stream.f_add(&part)
    }
}

/// `x` without its mean over the last dimension.
pub(super) fn centre(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_sub(&x.f_mean_dim(-1, true, None)?)
}
