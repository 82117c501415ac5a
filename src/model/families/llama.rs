//! Llama 2 and 3 (Touvron et al. 2023, arXiv:2307.09288), SmolLM and other models of this form, which is also the
//! base that later families vary.

use super::{Family, MlpNames, QkvNames, WeightNames};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;

pub(super) static FAMILY: Family = Family {
    name: "Llama 2 and 3, SmolLM",
    architectures: &["LlamaForCausalLM", "LlamaModel"],
    model_type: "llama",
    configure,
    names: NAMES,
};

/// Llama's weight names, which most families share.
pub(super) const NAMES: WeightNames = WeightNames {
    prefixes: &["model.", ""],
    embed: "embed_tokens",
    pos_embed: None,
    layers: "layers",
    ln1: "input_layernorm",
    ln1_post: None,
    ln2: "post_attention_layernorm",
    ln2_post: None,
    qkv: QkvNames::Separate("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    qk_norm: None,
    attn_out: "self_attn.o_proj",
    mlp_in: MlpNames::Gated("mlp.gate_proj", "mlp.up_proj"),
    mlp_out: "mlp.down_proj",
    ln_final: "norm",
    unembed: &["lm_head"],
    transposed: false,
};

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    let base = base(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    Ok(DecoderConfig {
        attention: base.attention.with_biases(bias),
        mlp: Mlp {
            bias: config.flag_or("mlp_bias", false)?,
            ..base.mlp
        },
        ..base
    })
}

/// Returns the architecture of a Llama with the sizes in `config`: RMSNorm before, rotary positions on whole heads, a
/// gated MLP, every earlier token in sight, no biases. Only what each family reads from its files is read.
pub(super) fn base(config: &HfConfig) -> Result<DecoderConfig> {
    let d_model = config.integer("hidden_size")?;
    let n_layers = config.integer("num_hidden_layers")? as usize;
    let n_heads = config.integer("num_attention_heads")?;
    let n_ctx = config.integer("max_position_embeddings")?;
    let d_head = config.integer_or("head_dim", d_model / n_heads.max(1))?;
    let rope = config.rope("rope_theta", 10_000.0, n_ctx, "full_attention")?;
    Ok(DecoderConfig {
        d_model,
        n_layers,
        n_heads,
        n_kv_heads: config.integer_or("num_key_value_heads", n_heads)?,
        d_head,
        d_mlp: config.integer("intermediate_size")?,
        d_vocab: config.integer("vocab_size")?,
        n_ctx: rope.context(n_ctx),
        norm: Norm::Rms {
            eps: config.number_or("rms_norm_eps", 1e-6)?,
            unit_offset: false,
        },
        placement: Placement::Before,
        residual: Residual::Sequential,
        position: Position::Rotary {
            dims: d_head,
            full: rope.clone(),
            window: rope,
        },
        attention: Attention {
            scale: (d_head as f64).powf(-0.5),
            scale_by_layer: false,
            soft_cap: None,
            qk_norm: QkNorm::Off,
            qkv_bias: false,
            out_bias: false,
        },
        spans: vec![Span::Full; n_layers],
        mlp: Mlp {
            gated: true,
            activation: config.activation("hidden_act", "silu")?,
            bias: false,
        },
        embedding_scale: None,
        logit_soft_cap: None,
        tied_embeddings: config.flag_or("tie_word_embeddings", false)?,
    })
}
