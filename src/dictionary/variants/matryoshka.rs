//! Matryoshka dictionaries (<https://arxiv.org/abs/2503.17547>): the first latents alone reconstruct too, as well as they
//! can, so that they keep what is general and the later ones add detail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::VariantSettings;
use crate::config::{Value, to_value};
use crate::dictionary::capability::Capability;
use crate::dictionary::hook_points::HookLayout;
use crate::dictionary::loss::Term;
use crate::dictionary::prefix::Prefix;
use crate::dictionary::variant::{Encoded, LossContext, SAEConfig, Variant};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// nested prefixes of the latents that each reconstruct, from the most general to all of them
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Matryoshka {
    /// Numbers of latents whose first so many reconstruct by themselves, rising; all latents are added if they are not the
    /// last. Give these or `matryoshka_fractions`.
    matryoshka_widths: Option<Vec<i64>>,
    /// The same as parts of all latents, from 0 to 1 and rising.
    matryoshka_fractions: Option<Vec<f64>>,
    /// Weights of the reconstructions in the loss, one for each prefix; null: 1 each.
    matryoshka_weights: Option<Vec<f64>>,
}

impl VariantSettings for Matryoshka {
    const NAME: &'static str = "matryoshka";
    const HOOKS: HookLayout = HookLayout::InOut;
}

impl Matryoshka {
    /// Returns the numbers of latents of the prefixes, the last of which is all of them.
    fn widths(&self, d_sae: i64) -> Vec<i64> {
        let of_fraction = |fraction: &f64| (fraction * d_sae as f64) as i64;
        let mut widths: Vec<i64> = match (&self.matryoshka_widths, &self.matryoshka_fractions) {
            (Some(widths), _) => widths.clone(),
            (None, Some(fractions)) => fractions.iter().map(of_fraction).collect(),
            (None, None) => Vec::new(),
        };
        if widths.last() != Some(&d_sae) {
            widths.push(d_sae);
        }
        widths
    }

    /// Returns the settings' own key for the prefixes.
    fn key(&self) -> &'static str {
        match self.matryoshka_fractions {
            Some(_) => "matryoshka_fractions",
            None => "matryoshka_widths",
        }
    }

    fn validate_weights(&self, prefixes: usize) -> Result<()> {
        let Some(weights) = &self.matryoshka_weights else {
            return Ok(());
        };
        if weights.len() != prefixes {
            return Err(Error::input(format!(
                "there are {prefixes} prefixes, all latents included, but {} weights",
                weights.len()
            ))
            .under("matryoshka_weights"));
        }
        match weights
            .iter()
            .find(|weight| !(**weight > 0.0 && weight.is_finite()))
        {
            Some(weight) => Err(
                Error::input(format!("a weight must be a positive number, but is {weight}"))
                    .under("matryoshka_weights"),
            ),
            None => Ok(()),
        }
    }
}

impl Variant for Matryoshka {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn settings(&self) -> Result<Value> {
        to_value(self)
    }

    fn validate(&self, cfg: &SAEConfig) -> Result<()> {
        let d_sae = cfg.d_sae();
        if self.matryoshka_widths.is_some() && self.matryoshka_fractions.is_some() {
            return Err(
                Error::input("the prefixes are given twice, as widths and as fractions")
                    .hint("give one of `matryoshka_widths` and `matryoshka_fractions`")
                    .under("matryoshka_fractions"),
            );
        }
        let widths = self.widths(d_sae);
        if widths.len() < 2 {
            return Err(
                Error::input("a Matryoshka dictionary needs at least one prefix of its latents")
                    .hint(format!(
                        "e.g. `matryoshka_widths` = [{}, {}], or `matryoshka_fractions` = [0.25, 0.5]",
                        (d_sae / 4).max(1),
                        (d_sae / 2).max(1)
                    ))
                    .under("matryoshka_widths"),
            );
        }
        let rises = widths.windows(2).all(|pair| pair[0] < pair[1]);
        if widths[0] < 1 || !rises || widths.last() != Some(&d_sae) {
            return Err(Error::input(format!(
                "the prefixes have to rise from at least 1 latent to all {d_sae}, but are {widths:?}"
            ))
            .under(self.key()));
        }
        self.validate_weights(widths.len())
    }

    fn can(&self, _capability: Capability) -> bool {
        true
    }

    fn prefixes(&self, cfg: &SAEConfig) -> Vec<Prefix> {
        let weights = self.matryoshka_weights.as_deref().unwrap_or_default();
        let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
        let prefix = |(latents, weight)| Prefix { latents, weight };
        self.widths(cfg.d_sae())
            .into_iter()
            .zip(weights)
            .map(prefix)
            .collect()
    }

    fn reconstruction_terms(&self, context: &LossContext<'_>) -> Result<Vec<Term>> {
        let sae = context.sae;
        let mut terms = Vec::new();
        let mut partial: Option<(i64, Tensor)> = None;
        for prefix in self.prefixes(&sae.cfg) {
            let width = prefix.latents;
            let is_all = width == sae.cfg.d_sae();
            let reconstructed = if is_all {
                context.reconstructed.shallow_clone()
            } else {
                let sum = with_more(context, partial.take(), width)?;
                let biased = sae.add_decoder_bias(sum.shallow_clone())?;
                partial = Some((width, sum));
                biased
            };
            let term = prefix.term(&context.squared_error(&reconstructed)?, is_all)?;
            let place = if is_all { 0 } else { terms.len() };
            terms.insert(place, term);
        }
        Ok(terms)
    }
}

/// Returns what the first `width` latents decode to, without the bias: the sum for fewer latents and what the further
/// ones add.
fn with_more(context: &LossContext<'_>, so_far: Option<(i64, Tensor)>, width: i64) -> Result<Tensor> {
    let Encoded { feature_acts, .. } = context.encoded;
    let from = so_far.as_ref().map_or(0, |(from, _)| *from);
    let acts = feature_acts.f_narrow(-1, from, width - from)?;
    let rows = context.sae.parameter("W_D")?.f_narrow(0, from, width - from)?;
    let added = context.pass.product(&acts, &rows)?;
    match so_far {
        Some((_, sum)) => Ok(sum.f_add(&added)?),
        None => Ok(added),
    }
}
