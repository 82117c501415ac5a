//! GPT-NeoX (Black et al. 2022, arXiv:2204.06745) and Pythia: rotary positions on a part of each head, attention
//! and MLP side by side.

use super::{Family, MlpNames, QkvNames, WeightNames};
use crate::error::Result;
use crate::model::config::*;
use crate::model::hf_config::HfConfig;

pub(super) static FAMILY: Family = Family {
    name: "GPT-NeoX and Pythia",
    architectures: &["GPTNeoXForCausalLM", "GPTNeoXModel"],
    model_type: "gpt_neox",
    configure,
    names: WeightNames {
        prefixes: &["gpt_neox.", ""],
        embed: "embed_in",
        pos_embed: None,
        layers: "layers",
        ln1: "input_layernorm",
        ln1_post: None,
        ln2: "post_attention_layernorm",
        ln2_post: None,
        qkv: QkvNames::PerHead("attention.query_key_value"),
        qk_norm: None,
        attn_out: "attention.dense",
        mlp_in: MlpNames::Plain("mlp.dense_h_to_4h"),
        mlp_out: "mlp.dense_4h_to_h",
        ln_final: "final_layer_norm",
        unembed: &["embed_out"],
        transposed: false,
    },
};

fn configure(config: &HfConfig) -> Result<DecoderConfig> {
    let d_model = config.integer("hidden_size")?;
    let n_layers = config.integer("num_hidden_layers")? as usize;
    let n_heads = config.integer("num_attention_heads")?;
    let n_ctx = config.integer("max_position_embeddings")?;
    let d_head = d_model / n_heads.max(1);
    let rope = config.rope("rotary_emb_base", 10_000.0, n_ctx, "full_attention")?;
    let bias = config.flag_or("attention_bias", true)?;
    Ok(DecoderConfig {
        d_model,
        n_layers,
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        d_mlp: config.integer("intermediate_size")?,
        d_vocab: config.integer("vocab_size")?,
        n_ctx: rope.context(n_ctx),
        norm: Norm::Layer {
            eps: config.number_or("layer_norm_eps", 1e-5)?,
        },
        placement: Placement::Before,
        residual: if config.flag_or("use_parallel_residual", true)? {
            Residual::Parallel
        } else {
            Residual::Sequential
        },
        position: Position::Rotary {
            dims: (d_head as f64 * config.rotary_fraction("rotary_pct", 0.25)?) as i64,
            full: rope.clone(),
            window: rope,
        },
        attention: Attention {
            scale: (d_head as f64).powf(-0.5),
            scale_by_layer: false,
            soft_cap: None,
            qk_norm: QkNorm::Off,
            qkv_bias: bias,
            out_bias: bias,
        },
        spans: vec![Span::Full; n_layers],
        mlp: Mlp {
            gated: false,
            activation: config.activation("hidden_act", "gelu")?,
            bias: true,
        },
        embedding_scale: None,
        logit_soft_cap: None,
        tied_embeddings: config.flag_or("tie_word_embeddings", false)?,
    })
}
