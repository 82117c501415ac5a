//! GPT-2 (Radford et al. 2019): learned positions, matrices stored the other way round, a tied unembedding.

use super::{Family, MlpNames, QkvNames, WeightNames};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;

pub(super) static FAMILY: Family = Family {
    name: "GPT-2",
    architectures: &["GPT2LMHeadModel", "GPT2Model"],
    model_type: "gpt2",
    configure,
    names: WeightNames {
        prefixes: &["transformer.", ""],
        embed: "wte",
        pos_embed: Some("wpe"),
        layers: "h",
        ln1: "ln_1",
        ln1_post: None,
        ln2: "ln_2",
        ln2_post: None,
        qkv: QkvNames::Stacked("attn.c_attn"),
        qk_norm: None,
        attn_out: "attn.c_proj",
        mlp_in: MlpNames::Plain("mlp.c_fc"),
        mlp_out: "mlp.c_proj",
        ln_final: "ln_f",
        unembed: &["lm_head"],
        transposed: true,
    },
};

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    config.refuse_flag("add_cross_attention")?;
    let d_model = config.integer("n_embd")?;
    let n_layers = config.integer("n_layer")? as usize;
    let n_heads = config.integer("n_head")?;
    let d_head = d_model / n_heads.max(1);
    let scaled = config.flag_or("scale_attn_weights", true)?;
    Ok(DecoderConfig {
        d_model,
        n_layers,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: config.integer_or("n_inner", 4 * d_model)?,
        d_vocab: config.integer("vocab_size")?,
        n_ctx: config.integer("n_positions")?,
        norm: Norm::Layer {
            eps: config.number_or("layer_norm_epsilon", 1e-5)?,
        },
        placement: Placement::Before,
        residual: Residual::Sequential,
        position: Position::Learned,
        attention: Attention {
            scale: if scaled { (d_head as f64).powf(-0.5) } else { 1.0 },
            scale_by_layer: config.flag_or("scale_attn_by_inverse_layer_idx", false)?,
            soft_cap: None,
            qk_norm: QkNorm::Off,
            qkv_bias: true,
            out_bias: true,
        },
        spans: vec![Span::Full; n_layers],
        mlp: Mlp {
            gated: false,
            activation: config.activation("activation_function", "gelu_new")?,
            bias: true,
        },
        embedding_scale: None,
        logit_soft_cap: None,
        tied_embeddings: config.flag_or("tie_word_embeddings", true)?,
    })
}
