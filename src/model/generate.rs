//! Continuing a text token by token, with a key-value cache and hooks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LanguageModel;
use super::decoder::KeyValueCache;
use super::hooks::Edit;
use super::prompts::Input;
use super::run::finished;
use crate::config::{Config, IntoChecked};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::tensor::{Device, Kind, Tensor, no_grad_guard};

/// How a text is continued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GenerationConfig {
    /// At most this many tokens are added.
    pub max_new_tokens: usize,
    /// Logits are divided by this before sampling; 0 always takes the likeliest token.
    pub temperature: f64,
    /// False: always take the likeliest token, as with a temperature of 0.
    pub do_sample: bool,
    /// Sample only among this many of the likeliest tokens. Null: all.
    pub top_k: Option<usize>,
    /// Sample only among the likeliest tokens that together have this probability. Null: all.
    pub top_p: Option<f64>,
    /// Seed of the sampling; the same seed gives the same text.
    pub seed: u64,
    /// End a text at the EOS token, or at another that the model's generation_config.json names.
    pub stop_at_eos: bool,
    /// Keep keys and values of earlier tokens instead of computing them again for each new one.
    pub use_cache: bool,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        GenerationConfig {
            max_new_tokens: 20,
            temperature: 1.0,
            do_sample: true,
            top_k: None,
            top_p: None,
            seed: 0,
            stop_at_eos: true,
            use_cache: true,
        }
    }
}

impl Config for GenerationConfig {
    const NAME: &'static str = "GenerationConfig";

    fn validate(&self) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(Error::input("must be 0 (the likeliest token) or more").under("temperature"));
        }
        if self.top_k == Some(0) {
            return Err(Error::input("must be at least 1").under("top_k"));
        }
        if self.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return Err(Error::input("must be more than 0 and at most 1").under("top_p"));
        }
        Ok(())
    }
}

impl LanguageModel {
    /// Continues `prompt`, int64 `[batch, seq]`, which may be filled up on the left: the prompt and the new tokens, `[batch, seq + new]` on the CPU.
    ///
    /// Hooks see the whole prompt in the first pass and one token in each later one; without `use_cache`, and once
    /// where a longrope model turns to its long frequencies, they see all tokens. Rows that have ended are filled
    /// with EOS until all have.
    ///
    /// # Errors
    /// A prompt that leaves no room in the context, and whatever [`run_with_hooks`](Self::run_with_hooks) refuses.
    pub fn generate<'a>(
        &self,
        prompt: impl Into<Input<'a>>,
        config: impl IntoChecked<GenerationConfig>,
        edits: Vec<(String, Edit<'_>)>,
        context: &RunContext,
    ) -> Result<Tensor> {
        let config = config.into_checked()?;
        let decoder = self.decoder()?;
        let prompt = prompt.into();
        self.check_tokens(&self.readable(prompt.tokens)?, config.max_new_tokens as i64)?;
        let mut mask = self.accept_mask(prompt)?;
        let ends = if config.stop_at_eos { self.ends() } else { &[] };
        let mut hooks = self.editing(edits)?;
        let mut cache = config.use_cache.then(KeyValueCache::default);
        let mut sampler = Sampler::new(&config);
        let mut tokens = prompt.tokens.f_to_device(Device::Cpu)?;
        let mut ended = vec![false; tokens.size()[0] as usize];
        let _guard = no_grad_guard();
        for _ in 0..config.max_new_tokens {
            context.check("generating")?;
            let length = tokens.size()[1];
            if let Some(cache) = &mut cache
                && !decoder.keeps_cache(cache.tokens(), length)
            {
                *cache = KeyValueCache::default();
            }
            let seen = cache.as_ref().map_or(0, KeyValueCache::tokens);
            let unseen = tokens
                .f_narrow(1, seen, length - seen)?
                .f_to_device(self.device())?;
            let unseen = self.readable(&unseen)?;
            let input = Input {
                tokens: &unseen,
                mask: mask.as_ref(),
            };
            let logits = finished(decoder.logits(input, &mut hooks, cache.as_mut()))?;
            let last = logits.f_narrow(1, -1, 1)?.f_squeeze_dim(1)?;
            let mut chosen = sampler.choose(&last)?;
            for (token, ended) in chosen.iter_mut().zip(&mut ended) {
                match (*ended, ends.first()) {
                    (true, Some(eos)) => *token = *eos,
                    _ => *ended = ends.contains(token),
                }
            }
            let chosen = Tensor::f_from_slice(&chosen)?.f_unsqueeze(1)?;
            tokens = Tensor::f_cat(&[&tokens, &chosen], 1)?;
            // A new token always counts.
            mask = mask.map(|mask| with_one_more(&mask)).transpose()?;
            if ended.iter().all(|ended| *ended) {
                break;
            }
        }
        Ok(tokens)
    }
}

/// A mask with one more token that counts in each row.
fn with_one_more(mask: &Tensor) -> Result<Tensor> {
    let one = mask.f_narrow(1, 0, 1)?.f_ones_like()?;
    Ok(Tensor::f_cat(&[mask, &one], 1)?)
}

/// Picks tokens from logits. Random numbers are its own, so that nothing else changes what it picks.
struct Sampler<'a> {
    config: &'a GenerationConfig,
    state: u64,
}

impl<'a> Sampler<'a> {
    fn new(config: &'a GenerationConfig) -> Self {
        Sampler {
            config,
            state: config.seed,
        }
    }

    /// One token a row of `logits`, `[batch, d_vocab]`.
    fn choose(&mut self, logits: &Tensor) -> Result<Vec<i64>> {
        if self.config.temperature == 0.0 || !self.config.do_sample {
            return Ok(Vec::try_from(&logits.f_argmax(-1, false)?)?);
        }
        let rows = logits.f_to_device_(Device::Cpu, Kind::Double, false, false)?;
        let rows = Vec::<Vec<f64>>::try_from(rows)?;
        Ok(rows.iter().map(|row| self.draw(row)).collect())
    }

    /// A token by its probability among those that top_k and top_p leave.
    fn draw(&mut self, logits: &[f64]) -> i64 {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|one, other| logits[*other].total_cmp(&logits[*one]));
        order.truncate(self.config.top_k.unwrap_or(logits.len()));
        let highest = logits[order[0]];
        let weight = |token: &usize| ((logits[*token] - highest) / self.config.temperature).exp();
        let weights: Vec<f64> = order.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        // The likeliest tokens until top_p is reached, the one that reaches it included.
        let wanted = self.config.top_p.unwrap_or(1.0) * total;
        let mut sum = 0.0;
        let reaches = weights.iter().position(|weight| {
            sum += weight;
            sum >= wanted
        });
        let kept = reaches.map_or(weights.len(), |last| last + 1);
        let mut left = self.uniform() * weights[..kept].iter().sum::<f64>();
        let drawn = weights[..kept].iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        order[drawn.unwrap_or(kept - 1)] as i64
    }

    /// A number in 0..1 by SplitMix64 (Steele, Lea & Flood 2014).
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(config: &GenerationConfig, logits: &[f64]) -> Vec<i64> {
        let mut sampler = Sampler::new(config);
        (0..2000).map(|_| sampler.draw(logits)).collect()
    }

    #[test]
    fn samples_follow_the_probabilities() {
        let tokens = drawn(&GenerationConfig::default(), &[0.0, 3f64.ln(), f64::NEG_INFINITY]);
        let ones = tokens.iter().filter(|token| **token == 1).count() as f64 / 2000.0;
        assert!((ones - 0.75).abs() < 0.04, "{ones}");
        assert!(!tokens.contains(&2));
    }

    #[test]
    fn top_k_and_top_p_leave_the_likeliest() {
        let logits = [0.0, 1.0, 2.0, 3.0];
        let top_k = GenerationConfig {
            top_k: Some(2),
            ..GenerationConfig::default()
        };
        assert!(drawn(&top_k, &logits).iter().all(|token| *token >= 2));
        let top_p = GenerationConfig {
            top_p: Some(0.6),
            ..GenerationConfig::default()
        };
        assert!(drawn(&top_p, &logits).iter().all(|token| *token == 3));
    }
}
