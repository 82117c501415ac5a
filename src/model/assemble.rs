//! From weight files to a decoder: names, shapes, and the processing that TransformerLens does by default.
//!
//! Of that processing (<https://transformerlensorg.github.io/TransformerLens/>, `load_and_process_state_dict`) only
//! what changes an activation is done here, each tensor in single precision before it is cast:
//! - in LayerNorm models everything that is written to the residual stream loses its mean over d_model;
//! - value biases, and what LayerNorm's bias adds to the values, move into attention's output bias;
//! - logits lose their mean over the vocabulary, unless they are capped: before a cap that would change the
//!   probabilities, which none of this may.
//!
//! Folding the norms' weights into the next matrices changes no activation but the normalised ones, which are
//! therefore handed to hooks before weight and bias are applied.

use super::attention::{AttentionLayer, Heads};
use super::config::{DecoderConfig, Norm, Placement, QkNorm, precise};
use super::decoder::{Block, Decoder};
use super::families::{Family, MlpNames, QkvNames, WeightNames};
use super::layers::{Linear, MlpLayer, NormLayer};
use super::weights::WeightFiles;
use crate::error::Result;
use crate::event::{Event, RunContext};
use crate::tensor::{Device, Kind, Tensor, product};

/// What is needed while a decoder is put together.
pub(super) struct Assembly<'a> {
    config: &'a DecoderConfig,
    names: &'a WeightNames,
    files: &'a WeightFiles,
    prefix: &'static str,
    /// TransformerLens's processing is wanted.
    processed: bool,
    kind: Kind,
    device: Device,
}

/// A linear map in single precision, not yet in its final form.
struct Draft {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl<'a> Assembly<'a> {
    /// Prepares to load a model of `family` from `files` as `target`.
    pub(super) fn new(
        config: &'a DecoderConfig,
        family: &'a Family,
        files: &'a WeightFiles,
        processed: bool,
        target: (Kind, Device),
    ) -> Self {
        let names = &family.names;
        let embedding = |prefix: &&&str| files.contains(&format!("{prefix}{}.weight", names.embed));
        let prefix = names.prefixes.iter().find(embedding).or(names.prefixes.first());
        Assembly {
            config,
            names,
            files,
            prefix: prefix.copied().unwrap_or_default(),
            processed,
            kind: target.0,
            device: target.1,
        }
    }

    /// Loads every weight, telling `context` how far it is.
    pub(super) fn decoder(&self, title: String, context: &RunContext) -> Result<Decoder> {
        let config = self.config;
        context.events.emit(Event::TaskStarted {
            title,
            unit: "layers",
            total: Some(config.n_layers as u64),
        })?;
        if let Some(remark) = product::remark(self.kind, self.device) {
            context.events.note(remark)?;
        }
        let table = [config.d_vocab, config.d_model];
        let embed_name = format!("{}{}.weight", self.prefix, self.names.embed);
        let embed = self.files.tensor(&embed_name, &table, self.kind, self.device)?;
        let pos_embed = self.pos_embed()?;
        let mut blocks = Vec::with_capacity(config.n_layers);
        for layer in 0..config.n_layers {
            context.check("loading the model")?;
            blocks.push(self.block(layer)?);
            context.events.emit(Event::TaskAdvanced {
                done: layer as u64 + 1,
                shown: Vec::new(),
            })?;
        }
        let ln_final = self.norm(&format!("{}{}", self.prefix, self.names.ln_final), config.d_model)?;
        let unembed = self.unembed(&embed)?;
        context.events.emit(Event::TaskFinished)?;
        Ok(Decoder {
            config: config.clone(),
            embed,
            pos_embed,
            blocks,
            ln_final,
            unembed,
            centred: self.centres(),
            processed: self.processed,
            centred_logits: self.processed && config.logit_soft_cap.is_none(),
        })
    }

    /// Does the residual stream lose its mean?
    fn centres(&self) -> bool {
        self.processed && matches!(self.config.norm, Norm::Layer { .. })
    }

    /// The number format in which weights are processed.
    fn draft_kind(&self) -> Kind {
        precise(self.kind)
    }

    fn cast(&self, x: Tensor) -> Result<Tensor> {
        Ok(x.f_to_kind(self.kind)?)
    }

    fn finish(&self, draft: Draft) -> Result<Linear> {
        Ok(Linear {
            weight: self.cast(draft.weight)?,
            bias: draft.bias.map(|bias| self.cast(bias)).transpose()?,
        })
    }

    fn pos_embed(&self) -> Result<Option<Tensor>> {
        let Some(name) = self.names.pos_embed else {
            return Ok(None);
        };
        let shape = [self.config.n_ctx, self.config.d_model];
        let name = format!("{}{name}.weight", self.prefix);
        let mut table = self.files.tensor(&name, &shape, self.draft_kind(), self.device)?;
        if self.centres() {
            table = super::decoder::centre(&table)?;
        }
        self.cast(table).map(Some)
    }

    fn unembed(&self, embed: &Tensor) -> Result<Linear> {
        let stored = |name: &&&str| self.files.contains(&format!("{name}.weight"));
        let names = self.names.unembed;
        let root = names.iter().find(stored).unwrap_or(&names[0]);
        let name = format!("{root}.weight");
        let shape = [self.config.d_vocab, self.config.d_model];
        let weight = match self.config.tied_embeddings {
            true => embed.shallow_clone(),
            false if !self.files.contains(&name) => {
                return Err(self.files.lacks(&name).hint(
                    "this is the bare model: save the one with a language-modelling head, \
                     or set `tie_word_embeddings` if it shares the embedding",
                ));
            }
            false => self.files.tensor(&name, &shape, self.kind, self.device)?,
        };
        let name = format!("{root}.bias");
        let bias = if self.files.contains(&name) {
            Some(self.files.tensor(&name, &shape[..1], self.kind, self.device)?)
        } else {
            None
        };
        Ok(Linear { weight, bias })
    }

    fn block(&self, layer: usize) -> Result<Block> {
        let config = self.config;
        let under = |name: &str| format!("{}{}.{layer}.{name}", self.prefix, self.names.layers);
        let norm = |name: &str| self.norm(&under(name), config.d_model);
        let ln1 = norm(self.names.ln1)?;
        let mut qkv = self.qkv(&under)?;
        let heads_width = config.n_heads * config.d_head;
        let out_name = under(self.names.attn_out);
        let mut out = self.linear(&out_name, config.d_model, heads_width, config.attention.out_bias)?;
        if self.processed {
            self.move_value_bias(&mut qkv, &mut out, &ln1)?;
        }
        let (read, mut write) = self.mlp(&under)?;
        if self.centres() {
            for draft in [&mut out, &mut write] {
                draft.weight = draft.weight.f_sub(&draft.weight.f_mean_dim(0, true, None)?)?;
                draft.bias = draft
                    .bias
                    .take()
                    .map(|bias| super::decoder::centre(&bias))
                    .transpose()?;
            }
        }
        Ok(Block {
            ln1,
            attention: AttentionLayer {
                attention: config.attention.in_block(layer),
                span: config.spans[layer],
                heads: Heads {
                    queries: config.n_heads,
                    keys: config.n_kv_heads,
                    width: config.d_head,
                },
                qkv: self.finish(qkv)?,
                out: self.finish(out)?,
                qk_norm: self.qk_norm(&under)?,
            },
            ln1_post: self.names.ln1_post.map(norm).transpose()?,
            ln2: norm(self.names.ln2)?,
            mlp: MlpLayer {
                read: self.finish(read)?,
                write: self.finish(write)?,
                activation: config.mlp.activation,
                gated: config.mlp.gated,
            },
            ln2_post: self.names.ln2_post.map(norm).transpose()?,
        })
    }

    fn norm(&self, name: &str, width: i64) -> Result<NormLayer> {
        // RMSNorm is computed in single precision whatever the model's; libtorch's LayerNorm sees to that itself.
        let kind = precise(self.kind);
        let weight = self
            .files
            .tensor(&format!("{name}.weight"), &[width], kind, self.device)?;
        let (weight, bias) = match self.config.norm {
            Norm::Layer { .. } => {
                let name = format!("{name}.bias");
                (
                    weight,
                    Some(self.files.tensor(&name, &[width], kind, self.device)?),
                )
            }
            Norm::Rms {
                unit_offset: true, ..
            } => (weight.f_add_scalar(1.0)?, None),
            Norm::Rms { .. } => (weight, None),
        };
        Ok(NormLayer {
            norm: self.config.norm,
            own: match (&bias, self.device) {
                (None, _) | (_, Device::Cpu) => None,
                (Some(bias), _) => NormLayer::own(&weight, bias, self.kind)?,
            },
            weight,
            bias,
            bare_hooks: self.processed,
        })
    }

    fn qk_norm(&self, under: &dyn Fn(&str) -> String) -> Result<Option<(NormLayer, NormLayer)>> {
        let Some((q, k)) = self.names.qk_norm else {
            return Ok(None);
        };
        let config = self.config;
        let (q_width, k_width) = match config.attention.qk_norm {
            QkNorm::Off => return Ok(None),
            QkNorm::Whole => (config.n_heads * config.d_head, config.n_kv_heads * config.d_head),
            QkNorm::PerHead => (config.d_head, config.d_head),
        };
        Ok(Some((
            self.norm(&under(q), q_width)?,
            self.norm(&under(k), k_width)?,
        )))
    }

    /// A linear map of shape `[rows, columns]`, with a bias where asked for.
    fn linear(&self, name: &str, rows: i64, columns: i64, bias: bool) -> Result<Draft> {
        let kind = self.draft_kind();
        let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
        let weight = if self.names.transposed {
            let stored = self
                .files
                .tensor(&weight_name, &[columns, rows], kind, self.device)?;
            stored.f_transpose(0, 1)?.f_contiguous()?
        } else {
            self.files
                .tensor(&weight_name, &[rows, columns], kind, self.device)?
        };
        let bias = if bias {
            Some(self.files.tensor(&bias_name, &[rows], kind, self.device)?)
        } else {
            None
        };
        Ok(Draft { weight, bias })
    }

    /// Queries, keys and values as one map, in this order.
    fn qkv(&self, under: &dyn Fn(&str) -> String) -> Result<Draft> {
        let config = self.config;
        let (d_model, bias) = (config.d_model, config.attention.qkv_bias);
        match &self.names.qkv {
            QkvNames::Stacked(name) => self.linear(&under(name), config.qkv_rows(), d_model, bias),
            QkvNames::Separate(q, k, v) => {
                let (queries, keys) = (config.n_heads * config.d_head, config.n_kv_heads * config.d_head);
                stacked(&[
                    self.linear(&under(q), queries, d_model, bias)?,
                    self.linear(&under(k), keys, d_model, bias)?,
                    self.linear(&under(v), keys, d_model, bias)?,
                ])
            }
            QkvNames::PerHead(name) => {
                let draft = self.linear(&under(name), config.qkv_rows(), d_model, bias)?;
                let regroup = |x: Tensor, columns: i64| -> Result<Tensor> {
                    let grouped = x.f_view([config.n_heads, 3, config.d_head, columns])?;
                    Ok(grouped.f_transpose(0, 1)?.f_reshape([-1, columns])?)
                };
                let bias = match draft.bias {
                    Some(bias) => Some(regroup(bias, 1)?.f_flatten(0, 1)?),
                    None => None,
                };
                Ok(Draft {
                    weight: regroup(draft.weight, d_model)?,
                    bias,
                })
            }
        }
    }

    fn mlp(&self, under: &dyn Fn(&str) -> String) -> Result<(Draft, Draft)> {
        let (d_model, d_mlp, bias) = (self.config.d_model, self.config.d_mlp, self.config.mlp.bias);
        let read = match &self.names.mlp_in {
            MlpNames::Plain(name) => self.linear(&under(name), d_mlp, d_model, bias)?,
            MlpNames::Stacked(name) => self.linear(&under(name), 2 * d_mlp, d_model, bias)?,
            MlpNames::Gated(gate, linear) => stacked(&[
                self.linear(&under(gate), d_mlp, d_model, bias)?,
                self.linear(&under(linear), d_mlp, d_model, bias)?,
            ])?,
        };
        let write = self.linear(&under(self.names.mlp_out), d_model, d_mlp, bias)?;
        Ok((read, write))
    }

    /// Attention patterns sum to one, so a constant in the values is a constant in the output: `W_O b_V`.
    fn move_value_bias(&self, qkv: &mut Draft, out: &mut Draft, ln1: &NormLayer) -> Result<()> {
        let config = self.config;
        let (value_rows, start) = (
            config.n_kv_heads * config.d_head,
            (config.n_heads + config.n_kv_heads) * config.d_head,
        );
        let mut constant = match &qkv.bias {
            Some(bias) => bias.f_narrow(0, start, value_rows)?.f_contiguous()?,
            None => Tensor::f_zeros(value_rows, (self.draft_kind(), self.device))?,
        };
        let from_norm = match (&ln1.bias, config.placement) {
            (Some(bias), Placement::Before | Placement::BeforeAndAfter) => {
                Some(qkv.weight.f_narrow(0, start, value_rows)?.f_mv(bias)?)
            }
            _ => None,
        };
        if qkv.bias.is_none() && from_norm.is_none() {
            return Ok(());
        }
        // What is left of the bias takes back what LayerNorm's bias puts into the values.
        let left = match &from_norm {
            Some(added) => {
                constant = constant.f_add(added)?;
                added.f_neg()?
            }
            None => constant.f_zeros_like()?,
        };
        let bias = match &qkv.bias {
            Some(bias) => bias.f_narrow(0, 0, start)?,
            None => Tensor::f_zeros(start, (self.draft_kind(), self.device))?,
        };
        qkv.bias = Some(Tensor::f_cat(&[&bias, &left], 0)?);
        // Each key-value head's constant reaches the output through every query head that reads it.
        let groups = config.n_heads / config.n_kv_heads;
        let per_query = constant
            .f_view([config.n_kv_heads, config.d_head])?
            .f_repeat_interleave_self_int(groups, 0, None)?
            .f_flatten(0, 1)?;
        let added = out.weight.f_mv(&per_query)?;
        out.bias = Some(match &out.bias {
            Some(bias) => bias.f_add(&added)?,
            None => added,
        });
        Ok(())
    }
}

/// One map whose rows are those of `drafts`, in order.
fn stacked(drafts: &[Draft]) -> Result<Draft> {
    let weights: Vec<&Tensor> = drafts.iter().map(|draft| &draft.weight).collect();
    let biases: Vec<&Tensor> = drafts.iter().filter_map(|draft| draft.bias.as_ref()).collect();
    Ok(Draft {
        weight: Tensor::f_cat(&weights, 0)?,
        bias: if biases.is_empty() {
            None
        } else {
            Some(Tensor::f_cat(&biases, 0)?)
        },
    })
}
