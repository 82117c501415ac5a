//! The places in a decoder where a hook can stand: TransformerLens's names and shapes.

use std::fmt;

use super::config::{DecoderConfig, Placement, QkNorm, Residual};
use crate::config::Value;

/// One place in the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Site {
    Embed,
    PosEmbed,
    Block(usize, BlockSite),
    FinalScale,
    FinalNormalized,
}

/// One place in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum BlockSite {
    ResidPre,
    AttnIn,
    QInput,
    KInput,
    VInput,
    Ln1Scale,
    Ln1Normalized,
    Q,
    K,
    V,
    QNormScale,
    QNormNormalized,
    KNormScale,
    KNormNormalized,
    RotQ,
    RotK,
    Scores,
    Pattern,
    Z,
    AttnResult,
    Ln1PostScale,
    Ln1PostNormalized,
    AttnOut,
    ResidMid,
    MlpIn,
    Ln2Scale,
    Ln2Normalized,
    MlpPre,
    MlpPreLinear,
    MlpPost,
    Ln2PostScale,
    Ln2PostNormalized,
    MlpOut,
    ResidPost,
}

use BlockSite::*;

/// Every place in a block with its name, in the order in which the forward pass comes by.
const BLOCK_SITES: &[(BlockSite, &str)] = &[
    (ResidPre, "hook_resid_pre"),
    (AttnIn, "hook_attn_in"),
    (QInput, "hook_q_input"),
    (KInput, "hook_k_input"),
    (VInput, "hook_v_input"),
    (Ln1Scale, "ln1.hook_scale"),
    (Ln1Normalized, "ln1.hook_normalized"),
    (Q, "attn.hook_q"),
    (K, "attn.hook_k"),
    (V, "attn.hook_v"),
    (QNormScale, "attn.q_norm.hook_scale"),
    (QNormNormalized, "attn.q_norm.hook_normalized"),
    (KNormScale, "attn.k_norm.hook_scale"),
    (KNormNormalized, "attn.k_norm.hook_normalized"),
    (RotQ, "attn.hook_rot_q"),
    (RotK, "attn.hook_rot_k"),
    (Scores, "attn.hook_attn_scores"),
    (Pattern, "attn.hook_pattern"),
    (Z, "attn.hook_z"),
    (AttnResult, "attn.hook_result"),
    (Ln1PostScale, "ln1_post.hook_scale"),
    (Ln1PostNormalized, "ln1_post.hook_normalized"),
    (AttnOut, "hook_attn_out"),
    (ResidMid, "hook_resid_mid"),
    (MlpIn, "hook_mlp_in"),
    (Ln2Scale, "ln2.hook_scale"),
    (Ln2Normalized, "ln2.hook_normalized"),
    (MlpPre, "mlp.hook_pre"),
    (MlpPreLinear, "mlp.hook_pre_linear"),
    (MlpPost, "mlp.hook_post"),
    (Ln2PostScale, "ln2_post.hook_scale"),
    (Ln2PostNormalized, "ln2_post.hook_normalized"),
    (MlpOut, "hook_mlp_out"),
    (ResidPost, "hook_resid_post"),
];

/// One dimension of an activation's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Sequences in the batch.
    Batch,
    /// Tokens that are computed.
    Seq,
    /// Tokens that are looked at: as many as computed, and those of a key-value cache.
    KeySeq,
    /// A size of the model's own.
    Size(i64),
}

impl fmt::Display for Dimension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Batch => formatter.write_str("batch"),
            Dimension::Seq => formatter.write_str("seq"),
            Dimension::KeySeq => formatter.write_str("key_seq"),
            Dimension::Size(size) => write!(formatter, "{size}"),
        }
    }
}

/// A place where activations can be read and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookPoint {
    /// TransformerLens's name, e.g. `blocks.3.hook_resid_post`.
    pub name: String,
    /// Shape of the activation there.
    pub shape: Vec<Dimension>,
}

impl HookPoint {
    /// Returns the size of the last dimension, which is what a dictionary calls d_model; `None` for attention scores
    /// and patterns, whose last dimension is the sequence.
    pub fn width(&self) -> Option<i64> {
        match self.shape.last() {
            Some(Dimension::Size(size)) => Some(*size),
            _ => None,
        }
    }

    /// Returns the name and shape as plain data, sizes as numbers and the others by name.
    pub fn to_value(&self) -> Value {
        let shape: Vec<Value> = self
            .shape
            .iter()
            .map(|dimension| match dimension {
                Dimension::Size(size) => Value::from(*size),
                other => Value::from(other.to_string()),
            })
            .collect();
        serde_json::json!({"name": self.name, "shape": shape})
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape: Vec<String> = self.shape.iter().map(Dimension::to_string).collect();
        write!(formatter, "{} [{}]", self.name, shape.join(", "))
    }
}

impl Site {
    /// Returns all places of a model, in the order in which the forward pass comes by.
    pub(super) fn all(config: &DecoderConfig) -> Vec<Site> {
        let mut sites = vec![Site::Embed];
        if !config.is_rotary() {
            sites.push(Site::PosEmbed);
        }
        for layer in 0..config.n_layers {
            let there = BLOCK_SITES.iter().filter(|(site, _)| site.exists(config));
            sites.extend(there.map(|(site, _)| Site::Block(layer, *site)));
        }
        sites.extend([Site::FinalScale, Site::FinalNormalized]);
        sites
    }

    /// Returns TransformerLens's name.
    pub(super) fn name(self) -> String {
        match self {
            Site::Embed => "hook_embed".into(),
            Site::PosEmbed => "hook_pos_embed".into(),
            Site::Block(layer, site) => format!("blocks.{layer}.{}", site.name()),
            Site::FinalScale => "ln_final.hook_scale".into(),
            Site::FinalNormalized => "ln_final.hook_normalized".into(),
        }
    }

    /// Returns whether the pass comes by it in the MLP of block `layer`, from what the MLP is given to what it gives.
    pub(super) fn is_of_mlp(self, layer: usize) -> bool {
        let Site::Block(block, site) = self else {
            return false;
        };
        let is_of_any = matches!(
            site,
            MlpIn
                | Ln2Scale
                | Ln2Normalized
                | MlpPre
                | MlpPreLinear
                | MlpPost
                | Ln2PostScale
                | Ln2PostNormalized
                | MlpOut
        );
        block == layer && is_of_any
    }

    /// Returns whether its activation is made only where it is asked for, at the cost of a head's worth of copies.
    pub(super) fn is_extra(self) -> bool {
        matches!(
            self,
            Site::Block(_, AttnIn | QInput | KInput | VInput | MlpIn | AttnResult)
        )
    }

    /// Returns the name and shape.
    pub(super) fn describe(self, config: &DecoderConfig) -> HookPoint {
        HookPoint {
            name: self.name(),
            shape: self.shape(config),
        }
    }

    fn shape(self, config: &DecoderConfig) -> Vec<Dimension> {
        use Dimension::{Batch, KeySeq, Seq, Size};
        let flat = |width: i64| vec![Batch, Seq, Size(width)];
        let heads = |heads: i64, width: i64| vec![Batch, Seq, Size(heads), Size(width)];
        let site = match self {
            Site::Embed | Site::PosEmbed | Site::FinalNormalized => return flat(config.d_model),
            Site::FinalScale => return flat(1),
            Site::Block(_, site) => site,
        };
        // OLMo 2's norms of queries and keys see all heads of a token as one row.
        let whole = config.attention.qk_norm == QkNorm::Whole;
        match site {
            ResidPre | ResidMid | ResidPost | AttnOut | MlpOut | MlpIn => flat(config.d_model),
            Ln1Normalized | Ln1PostNormalized | Ln2Normalized | Ln2PostNormalized => flat(config.d_model),
            Ln1Scale | Ln1PostScale | Ln2Scale | Ln2PostScale => flat(1),
            AttnIn | QInput | AttnResult => heads(config.n_heads, config.d_model),
            KInput | VInput => heads(config.n_kv_heads, config.d_model),
            Q | RotQ | Z => heads(config.n_heads, config.d_head),
            K | V | RotK => heads(config.n_kv_heads, config.d_head),
            QNormScale | KNormScale if whole => flat(1),
            QNormNormalized if whole => flat(config.n_heads * config.d_head),
            KNormNormalized if whole => flat(config.n_kv_heads * config.d_head),
            QNormScale => heads(config.n_heads, 1),
            KNormScale => heads(config.n_kv_heads, 1),
            QNormNormalized => heads(config.n_heads, config.d_head),
            KNormNormalized => heads(config.n_kv_heads, config.d_head),
            Scores | Pattern => vec![Batch, Size(config.n_heads), Seq, KeySeq],
            MlpPre | MlpPreLinear | MlpPost => flat(config.d_mlp),
        }
    }
}

impl BlockSite {
    fn name(self) -> &'static str {
        BLOCK_SITES
            .iter()
            .find(|(site, _)| *site == self)
            .map_or("", |(_, name)| name)
    }

    fn exists(self, config: &DecoderConfig) -> bool {
        match self {
            // With grouped queries there is no one input per head: several heads share keys and values.
            AttnIn => config.n_heads == config.n_kv_heads && config.placement != Placement::After,
            RotQ | RotK => config.is_rotary(),
            QNormScale | QNormNormalized | KNormScale | KNormNormalized => {
                config.attention.qk_norm != QkNorm::Off
            }
            Ln1PostScale | Ln1PostNormalized | Ln2PostScale | Ln2PostNormalized => {
                config.placement == Placement::BeforeAndAfter
            }
            ResidMid => config.residual == Residual::Sequential,
            MlpPreLinear => config.mlp.gated,
            _ => true,
        }
    }
}
