//! A model's weights under TransformerLens's names and in its layouts, made when they are asked for.
//!
//! With the processing of `transformer_lens` these are its folded weights: what a norm multiplies and adds is in the
//! matrices that read from it (`fold_ln`), whose mean over d_model is gone in LayerNorm models, and the norm itself is
//! left with ones and zeros. What the hooks show is then exactly what these weights say:
//! `hook_q = ln1.hook_normalized · W_Q + b_Q`.

use super::LanguageModel;
use super::config::{Norm, Placement, precise};
use super::decoder::{Block, Decoder, centre};
use super::layers::{Linear, NormLayer};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};

/// Names in a block, in the order of the forward pass.
const BLOCK_WEIGHTS: &[&str] = &[
    "ln1.w",
    "ln1.b",
    "attn.W_Q",
    "attn.W_K",
    "attn.W_V",
    "attn.W_O",
    "attn.b_Q",
    "attn.b_K",
    "attn.b_V",
    "attn.b_O",
    "attn.q_norm.w",
    "attn.k_norm.w",
    "ln1_post.w",
    "ln2.w",
    "ln2.b",
    "mlp.W_in",
    "mlp.W_gate",
    "mlp.W_out",
    "mlp.b_in",
    "mlp.b_out",
    "ln2_post.w",
];

/// Names outside of the blocks.
const OTHER_WEIGHTS: &[&str] = &[
    "embed.W_E",
    "pos_embed.W_pos",
    "ln_final.w",
    "ln_final.b",
    "unembed.W_U",
    "unembed.b_U",
];

impl LanguageModel {
    /// Returns the names of all weights, as TransformerLens's `state_dict` has them: `embed.W_E`, `blocks.0.attn.W_Q`, …
    ///
    /// # Errors
    /// Only the tokenizer was loaded.
    pub fn weight_names(&self) -> Result<Vec<String>> {
        let decoder = self.decoder()?;
        let there = |name: &&&str| decoder.has(name);
        let (before, after) = OTHER_WEIGHTS.split_at(2);
        let named =
            |names: &'static [&'static str]| names.iter().filter(there).map(|name| (*name).to_string());
        let blocks = (0..decoder.blocks.len()).flat_map(|layer| {
            let names = BLOCK_WEIGHTS
                .iter()
                .filter(move |name| decoder.block_has(layer, name));
            names.map(move |name| format!("blocks.{layer}.{name}"))
        });
        Ok(named(before).chain(blocks).chain(named(after)).collect())
    }

    /// Returns a copy of the weight called `name`, in TransformerLens's layout: `W_Q` `[n_heads, d_model, d_head]`, `W_O`
    /// `[n_heads, d_head, d_model]`, `W_in` `[d_model, d_mlp]`, `W_E` `[d_vocab, d_model]`, `W_U` `[d_model, d_vocab]`.
    /// Keys and values that several query heads share are repeated for each of them, and come once for each group as
    /// `_W_K`, `_W_V`, `_b_K` and `_b_V`.
    ///
    /// # Errors
    /// No such weight; the message names the nearest.
    pub fn weight(&self, name: &str) -> Result<Tensor> {
        let decoder = self.decoder()?;
        let found = no_grad(|| decoder.weight(name))?;
        match found {
            Some(weight) => Ok(weight.f_to_kind(decoder.target().0)?.f_contiguous()?),
            None => Err(self.no_weight(name)?),
        }
    }

    /// Returns the weight `name` of every block, such as `attn.W_Q`, `[n_layers, …]`.
    ///
    /// # Errors
    /// The blocks have no such weight.
    pub fn stacked_weights(&self, name: &str) -> Result<Tensor> {
        let layers = self.decoder()?.blocks.len();
        let weights = (0..layers).map(|layer| self.weight(&format!("blocks.{layer}.{name}")));
        Ok(Tensor::f_stack(&weights.collect::<Result<Vec<_>>>()?, 0)?)
    }

    fn no_weight(&self, name: &str) -> Result<Error> {
        let names = self.weight_names()?;
        let error = Error::unknown("weight", name, &names).context(format!("of `{}`", self.name()));
        Ok(match name.rsplit('.').next() {
            Some("W_pos") => {
                error.hint("positions are rotations of queries and keys in this model, which have no weights")
            }
            Some("W_gate") => error.hint("the MLP of this model has no gate"),
            _ => error,
        })
    }
}

impl Decoder {
    fn has(&self, name: &str) -> bool {
        match name {
            "pos_embed.W_pos" => self.pos_embed.is_some(),
            "ln_final.b" => self.ln_final.bias.is_some(),
            _ => true,
        }
    }

    fn block_has(&self, layer: usize, name: &str) -> bool {
        let block = &self.blocks[layer];
        match name {
            "ln1.b" => block.ln1.bias.is_some(),
            "ln2.b" => block.ln2.bias.is_some(),
            "attn.q_norm.w" | "attn.k_norm.w" => block.attention.qk_norm.is_some(),
            "ln1_post.w" => block.ln1_post.is_some(),
            "ln2_post.w" => block.ln2_post.is_some(),
            "mlp.W_gate" => block.mlp.gated,
            _ => true,
        }
    }

    /// The weight of that full name, in the precision in which weights are processed.
    fn weight(&self, name: &str) -> Result<Option<Tensor>> {
        if let Some((layer, name)) = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
            let block = layer.parse().ok().and_then(|layer: usize| self.blocks.get(layer));
            return block.map_or(Ok(None), |block| self.block_weight(block, name));
        }
        Ok(match name {
            "embed.W_E" => Some(self.embedding()?),
            "pos_embed.W_pos" => self.pos_embed.as_ref().map(Tensor::f_alias_copy).transpose()?,
            "ln_final.w" => Some(self.norm_weight(&self.ln_final, true)?),
            "ln_final.b" => self.norm_bias(&self.ln_final, true)?,
            "unembed.W_U" => Some(self.unembedding()?.weight.f_transpose(0, 1)?),
            "unembed.b_U" => self.unembedding()?.bias,
            _ => None,
        })
    }

    fn block_weight(&self, block: &Block, name: &str) -> Result<Option<Tensor>> {
        let reads_norm = self.config.placement != Placement::After;
        let norms = [
            ("ln1", Some(&block.ln1), reads_norm),
            ("ln2", Some(&block.ln2), reads_norm),
            ("ln1_post", block.ln1_post.as_ref(), false),
            ("ln2_post", block.ln2_post.as_ref(), false),
            (
                "attn.q_norm",
                block.attention.qk_norm.as_ref().map(|norms| &norms.0),
                false,
            ),
            (
                "attn.k_norm",
                block.attention.qk_norm.as_ref().map(|norms| &norms.1),
                false,
            ),
        ];
        let (part, last) = name.rsplit_once('.').unwrap_or(("", name));
        if let Some((_, Some(norm), folds)) = norms.into_iter().find(|(known, ..)| *known == part) {
            return match last {
                "w" => self.norm_weight(norm, folds).map(Some),
                "b" => self.norm_bias(norm, folds),
                _ => Ok(None),
            };
        }
        match part {
            "attn" => self.attention_weight(block, last),
            "mlp" => self.mlp_weight(block, last),
            _ => Ok(None),
        }
    }

    fn attention_weight(&self, block: &Block, name: &str) -> Result<Option<Tensor>> {
        let layer = &block.attention;
        let (queries, keys, width) = (layer.heads.queries, layer.heads.keys, layer.heads.width);
        match name {
            "W_O" => {
                let out = layer.out.weight.f_view([-1, queries, width])?;
                return Ok(Some(out.f_permute([1, 2, 0])?));
            }
            "b_O" => return bias_or_zeros(&layer.out).map(Some),
            _ => {}
        }
        let grouped = name.starts_with('_');
        let Some((kind, letter)) = name.trim_start_matches('_').split_once('_') else {
            return Ok(None);
        };
        let (start, heads) = match letter {
            "Q" if !grouped => (0, queries),
            "K" => (queries, keys),
            "V" => (queries + keys, keys),
            _ => return Ok(None),
        };
        let part = rows(&layer.qkv, start * width, heads * width)?;
        let read = self.reading(part, &block.ln1, self.config.placement != Placement::After)?;
        let made = match kind {
            "W" => read.weight.f_view([heads, width, -1])?.f_transpose(1, 2)?,
            "b" => bias_or_zeros(&read)?.f_view([heads, width])?,
            _ => return Ok(None),
        };
        if grouped {
            Ok((queries != keys).then_some(made))
        } else {
            Ok(Some(made.f_repeat_interleave_self_int(
                queries / heads,
                0,
                None,
            )?))
        }
    }

    fn mlp_weight(&self, block: &Block, name: &str) -> Result<Option<Tensor>> {
        let mlp = &block.mlp;
        let d_mlp = mlp.write.weight.size()[1];
        let start = match (name, mlp.gated) {
            ("W_out", _) => return Ok(Some(mlp.write.weight.f_transpose(0, 1)?)),
            ("b_out", _) => return bias_or_zeros(&mlp.write).map(Some),
            ("W_in" | "b_in", true) => d_mlp,
            ("W_in" | "b_in", false) | ("W_gate", true) => 0,
            _ => return Ok(None),
        };
        let read = self.reading(
            rows(&mlp.read, start, d_mlp)?,
            &block.ln2,
            self.config.placement != Placement::After,
        )?;
        match name {
            "b_in" => bias_or_zeros(&read).map(Some),
            _ => Ok(Some(read.weight.f_transpose(0, 1)?)),
        }
    }

    /// What `linear` does with the normalised stream before `norm`'s weight and bias, where these are folded into it.
    fn reading(&self, linear: Linear, norm: &NormLayer, folds: bool) -> Result<Linear> {
        if !(self.processed && folds) {
            return Ok(linear);
        }
        let bias = match &norm.bias {
            Some(bias) => Some(bias_or_zeros(&linear)?.f_add(&linear.weight.f_mv(bias)?)?),
            None => linear.bias,
        };
        let mut weight = linear.weight.f_mul(&norm.weight)?;
        if matches!(norm.norm, Norm::Layer { .. }) {
            weight = centre(&weight)?;
        }
        Ok(Linear { weight, bias })
    }

    /// The unembedding as the stream without the final norm's weight and bias sees it, `[d_vocab, d_model]`.
    fn unembedding(&self) -> Result<Linear> {
        let whole = rows(&self.unembed, 0, self.config.d_vocab)?;
        let mut unembed = self.reading(whole, &self.ln_final, true)?;
        let mut bias = bias_or_zeros(&unembed)?;
        if self.centred_logits {
            unembed.weight = unembed.weight.f_sub(&unembed.weight.f_mean_dim(0, true, None)?)?;
            bias = centre(&bias)?;
        }
        Ok(Linear {
            bias: Some(bias),
            ..unembed
        })
    }

    /// The embedding with what is done to it while the model runs.
    fn embedding(&self) -> Result<Tensor> {
        let mut table = self.embed.f_alias_copy()?;
        if let Some(scale) = self.embedding_scale()? {
            table = table.f_mul_scalar(scale)?;
        }
        if self.centred {
            table = centre(&table)?;
        }
        Ok(table)
    }

    fn norm_weight(&self, norm: &NormLayer, folds: bool) -> Result<Tensor> {
        if self.processed && folds {
            Ok(norm.weight.f_ones_like()?)
        } else {
            Ok(norm.weight.f_alias_copy()?)
        }
    }

    fn norm_bias(&self, norm: &NormLayer, folds: bool) -> Result<Option<Tensor>> {
        let made = norm.bias.as_ref().map(|bias| {
            if self.processed && folds {
                bias.f_zeros_like()
            } else {
                bias.f_alias_copy()
            }
        });
        Ok(made.transpose()?)
    }
}

/// Some rows of a linear map, in the precision in which weights are processed.
fn rows(linear: &Linear, start: i64, count: i64) -> Result<Linear> {
    let part = |x: &Tensor| -> Result<Tensor> {
        let rows = x.f_narrow(0, start, count)?;
        Ok(rows.f_to_kind(precise(rows.kind()))?)
    };
    Ok(Linear {
        weight: part(&linear.weight)?,
        bias: linear.bias.as_ref().map(part).transpose()?,
    })
}

fn bias_or_zeros(linear: &Linear) -> Result<Tensor> {
    match &linear.bias {
        Some(bias) => Ok(bias.f_alias_copy()?),
        None => {
            let options = (linear.weight.kind(), linear.weight.device());
            Ok(Tensor::f_zeros(linear.weight.size()[0], options)?)
        }
    }
}
