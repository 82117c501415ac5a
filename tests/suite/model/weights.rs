//! Weights under TransformerLens's names: those that it has, and those with which the hooks can be computed again.

use std::collections::BTreeMap;

use saescript::model::{Backend, LanguageModel, Placement};
use saescript::tensor::{Kind, Tensor, safetensors};

use super::{difference, load, own, some_tokens};
use crate::fixtures::{folders, tensor};

const TOLERANCE: f64 = 2e-5;

#[test]
fn every_weight_agrees_with_transformer_lens() {
    let mut compared = 0;
    for folder in folders("model", "lm") {
        let Ok(reference) = safetensors::read(folder.join("tl_processed_weights.safetensors")) else {
            continue;
        };
        let model = load(&folder, Backend::TransformerLens);
        let is_capped = model.cfg().expect("a decoder").logit_soft_cap.is_some();
        for name in reference.names() {
            let mut ours = model.weight(&name).unwrap_or_else(|error| panic!("{error}"));
            // Where a cap follows, TransformerLens centres neither: the references, made by a lower call of it, do.
            if is_capped && name.starts_with("unembed.") {
                ours -= ours.mean_dim(-1, true, None::<Kind>);
            }
            let worst = difference(&ours, &tensor(&reference, &name));
            assert!(
                worst <= TOLERANCE,
                "{}: {name} differs by {worst:.1e}",
                folder.display()
            );
            compared += 1;
        }
    }
    assert!(compared > 0, "there are references of weights");
}

/// What a hook shows, computed from another with the model's weights.
struct Again<'a> {
    model: &'a LanguageModel,
    cache: &'a BTreeMap<String, Tensor>,
    layer: usize,
}

impl Again<'_> {
    fn hook(&self, name: &str) -> Tensor {
        self.cache[&format!("blocks.{}.{name}", self.layer)].shallow_clone()
    }

    fn weight(&self, name: &str) -> Tensor {
        let name = format!("blocks.{}.{name}", self.layer);
        self.model.weight(&name).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The stream as attention (`ln1`) or the MLP (`ln2`) reads it.
    fn read(&self, norm: &str) -> Tensor {
        let cfg = self.model.cfg().expect("a decoder");
        if cfg.placement == Placement::After {
            let stream = if norm == "ln1" {
                "hook_resid_pre"
            } else {
                "hook_resid_mid"
            };
            return self.hook(stream);
        }
        let normalised = self.hook(&format!("{norm}.hook_normalized"));
        let bare = self
            .model
            .weight_names()
            .expect("names")
            .iter()
            .all(|name| !name.ends_with("ln1.b"));
        if self.model.config().backend == Backend::Huggingface && bare {
            normalised * self.weight(&format!("{norm}.w"))
        } else {
            normalised
        }
    }

    fn compare(&self, hook: &str, made: &Tensor) {
        let shown = self.hook(hook);
        let scale = shown.abs().max().double_value(&[]).max(1.0);
        let worst = difference(made, &shown) / scale;
        assert!(
            worst <= 3e-6,
            "{} {hook} of block {}: {worst:.1e}",
            self.model.name(),
            self.layer
        );
    }

    fn heads(&self, letter: &str) -> Tensor {
        let product = Tensor::einsum(
            "bsm,hmd->bshd",
            &[self.read("ln1"), self.weight(&format!("attn.W_{letter}"))],
            None::<i64>,
        );
        product + self.weight(&format!("attn.b_{letter}"))
    }

    fn block(&self) {
        self.compare("attn.hook_q", &self.heads("Q"));
        let cfg = self.model.cfg().expect("a decoder");
        let groups = cfg.n_heads / cfg.n_kv_heads;
        for letter in ["K", "V"] {
            // One of each group of heads that share keys and values.
            let one = self.heads(letter).slice(2, 0, cfg.n_heads, groups);
            self.compare(&format!("attn.hook_{}", letter.to_lowercase()), &one);
        }
        let heads = [self.hook("attn.hook_z"), self.weight("attn.W_O")];
        self.compare(
            "attn.hook_result",
            &Tensor::einsum("bshd,hdm->bshm", &heads, None::<i64>),
        );
        let linear = self.read("ln2").matmul(&self.weight("mlp.W_in")) + self.weight("mlp.b_in");
        if cfg.mlp.gated {
            self.compare("mlp.hook_pre_linear", &linear);
            self.compare(
                "mlp.hook_pre",
                &self.read("ln2").matmul(&self.weight("mlp.W_gate")),
            );
        } else {
            self.compare("mlp.hook_pre", &linear);
        }
        if cfg.placement == Placement::Before {
            let written = self.hook("mlp.hook_post").matmul(&self.weight("mlp.W_out"));
            self.compare("hook_mlp_out", &(written + self.weight("mlp.b_out")));
            let summed = self
                .hook("attn.hook_result")
                .sum_dim_intlist(2, false, None::<Kind>);
            self.compare("hook_attn_out", &(summed + self.weight("attn.b_O")));
        }
    }
}

#[test]
fn the_hooks_follow_from_the_weights() {
    let tokens = some_tokens(2, 7);
    let mut compared = 0;
    for folder in folders("model", "lm") {
        for backend in [Backend::TransformerLens, Backend::Huggingface] {
            let model = load(&folder, backend);
            let everything = ["*".to_string()];
            let (_, cache) = model.run_with_cache(&tokens, Some(&everything)).expect("a cache");
            let rows = model
                .weight("embed.W_E")
                .expect("W_E")
                .index_select(0, &tokens.flatten(0, -1));
            assert!(difference(&rows.view_as(&cache["hook_embed"]), &cache["hook_embed"]) <= 1e-5);
            for layer in 0..model.cfg().expect("a decoder").n_layers {
                let again = Again {
                    model: &model,
                    cache: &cache,
                    layer,
                };
                again.block();
            }
            compared += 1;
        }
    }
    assert!(compared >= 16, "{compared}");
}

#[test]
fn the_logits_are_the_last_norm_times_the_unembedding() {
    let tokens = some_tokens(2, 7);
    for folder in folders("model", "lm") {
        let model = load(&folder, Backend::TransformerLens);
        let last = ["ln_final.hook_normalized".to_string()];
        let (logits, cache) = model.run_with_cache(&tokens, Some(&last)).expect("a cache");
        let weight = |name: &str| model.weight(name).expect("a weight");
        let mut made = cache[&last[0]].matmul(&weight("unembed.W_U")) + weight("unembed.b_U");
        if let Some(cap) = model.cfg().expect("a decoder").logit_soft_cap {
            made = (made / cap).tanh() * cap;
        }
        let scale = logits.abs().max().double_value(&[]).max(1.0);
        let worst = difference(&made, &logits) / scale;
        assert!(worst <= 3e-6, "{}: {worst:.1e}", model.name());
    }
}

#[test]
fn weights_of_all_blocks_are_stacked_and_missing_ones_are_named() {
    let model = load(&own("gemma2"), Backend::Auto);
    let cfg = model.cfg().expect("a decoder").clone();
    let keys = model.stacked_weights("attn.W_K").expect("W_K");
    assert_eq!(
        keys.size(),
        [cfg.n_layers as i64, cfg.n_heads, cfg.d_model, cfg.d_head]
    );
    let grouped = model.weight("blocks.1.attn._W_K").expect("_W_K");
    assert_eq!(grouped.size(), [cfg.n_kv_heads, cfg.d_model, cfg.d_head]);
    let error = |model: &LanguageModel, name: &str| model.weight(name).expect_err("refused").to_string();
    assert!(error(&model, "blocks.0.attn.W_q").contains("did you mean `blocks.0.attn.W_Q`?"));
    assert!(error(&model, "pos_embed.W_pos").contains("rotations"));
    assert!(error(&load(&own("gpt2"), Backend::Auto), "blocks.0.mlp.W_gate").contains("has no gate"));
    assert!(error(&model, "blocks.99.attn.W_Q").contains("weight"));
}
