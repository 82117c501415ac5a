//! Direct logit attribution: what each decoder row adds to the logits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Checked, Config, IntoChecked};
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};
use crate::findings::{Flag, Latent, Logits, Store, TokenLogit};
use crate::model::{LanguageModel, LogitMode};
use crate::tensor::{Device, Kind, Tensor, no_grad_guard};

use super::settings::FlagThresholds;

/// Latents whose logits are computed together.
const BLOCK: i64 = 1024;

/// Bins of the histogram over the vocabulary.
const BINS: usize = 50;

/// How decoder rows are taken to the logits, and what is kept of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DirectLogitAttributorConfig {
    /// Tokens that are kept on each side: those that are raised most and lowered most.
    pub top_k: u32,
    /// The layer of a cross-layer transcoder; null for all other dictionaries.
    pub clt_layer: Option<u64>,
    /// `"linear"`: additive over latents and comparable between them; `"reference"`: with the final norm's own scale and
    /// the biases, as the reference system has it.
    pub mode: LogitMode,
}

impl Default for DirectLogitAttributorConfig {
    fn default() -> Self {
        DirectLogitAttributorConfig {
            top_k: 10,
            clt_layer: None,
            mode: LogitMode::default(),
        }
    }
}

impl Config for DirectLogitAttributorConfig {
    const NAME: &'static str = "DirectLogitAttributorConfig";

    fn validate(&self) -> Result<()> {
        if !(1..=1000).contains(&self.top_k) {
            return Err(Error::input("must be from 1 to 1000").under("top_k"));
        }
        if self.clt_layer.is_some() {
            return Err(Error::input("there are no cross-layer transcoders")
                .hint("leave `clt_layer` out")
                .under("clt_layer"));
        }
        Ok(())
    }
}

/// What one latent adds to the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentLogits {
    /// The latent.
    pub latent: u32,
    /// Tokens and histogram.
    pub logits: Logits,
    /// Skew of the logits over the vocabulary.
    pub skew: f64,
    /// Their kurtosis; 3 for a normal distribution.
    pub kurtosis: f64,
}

/// Attributes logits to latents.
#[derive(Clone, Debug)]
pub struct DirectLogitAttributor {
    config: Checked<DirectLogitAttributorConfig>,
}

impl DirectLogitAttributor {
    /// Checks the configuration.
    ///
    /// # Errors
    /// What [`Config::validate`] refuses.
    pub fn new(config: impl IntoChecked<DirectLogitAttributorConfig>) -> Result<Self> {
        Ok(DirectLogitAttributor {
            config: config.into_checked()?,
        })
    }

    /// Returns what the latents of `sae` write into the residual stream of `model`, `(d_sae, d_model)`. Of a dictionary
    /// with several decoders it is the last that counts.
    ///
    /// # Errors
    /// A hook point that does not write into the residual stream, or of another width.
    pub fn directions(sae: &SparseAutoEncoder, model: &LanguageModel) -> Result<Tensor> {
        let _no_grad = no_grad_guard();
        let writes = sae.cfg.writes();
        let hook = writes
            .last()
            .ok_or_else(|| Error::input("the dictionary writes nothing"))?;
        let mut rows = sae.parameter("W_D")?.f_detach()?;
        if let Some(heads) = sae.cfg.hooks.heads() {
            rows = rows.f_select(0, heads - 1)?;
        }
        model.to_residual(&rows, hook)
    }

    /// Hands what each latent of `sae` adds to the logits of `model` to `take`, in the order of latents.
    ///
    /// # Errors
    /// As [`directions`](Self::directions); a stop was asked for; what `take` says.
    pub fn attribute(
        &self,
        sae: &SparseAutoEncoder,
        model: &LanguageModel,
        context: &RunContext,
        mut take: impl FnMut(LatentLogits) -> Result<()>,
    ) -> Result<()> {
        let _no_grad = no_grad_guard();
        let rows = Self::directions(sae, model)?;
        let latents = rows.size()[0];
        context.events.emit(Event::TaskStarted {
            title: "attributing logits".into(),
            unit: "latents",
            total: Some(latents as u64),
        })?;
        for start in (0..latents).step_by(BLOCK as usize) {
            context.check("the attribution of logits")?;
            let block = rows.f_narrow(0, start, BLOCK.min(latents - start))?;
            let logits = model.direct_logits(&block, self.config.mode)?;
            self.block(start as u32, &logits, &mut take)?;
            context.events.emit(Event::TaskAdvanced {
                done: (start + block.size()[0]) as u64,
                shown: Vec::new(),
            })?;
        }
        context.events.emit(Event::TaskFinished)?;
        Ok(())
    }

    /// Hands on what is kept of logits `(n, d_vocab)` of the latents from `first` on.
    fn block(
        &self,
        first: u32,
        logits: &Tensor,
        take: &mut impl FnMut(LatentLogits) -> Result<()>,
    ) -> Result<()> {
        let k = i64::from(self.config.top_k).min(logits.size()[1]);
        let sides = [true, false].map(|largest| -> Result<Vec<Vec<TokenLogit>>> {
            let (values, places) = logits.f_topk(k, -1, largest, true)?;
            let values = floats(&values)?;
            let places = Vec::<i64>::try_from(places.f_to_device(Device::Cpu)?.f_reshape([-1])?)?;
            let pairs = places.iter().zip(values).map(|(token, logit)| TokenLogit {
                token: *token as u32,
                logit,
            });
            Ok(pairs
                .collect::<Vec<_>>()
                .chunks(k as usize)
                .map(<[TokenLogit]>::to_vec)
                .collect())
        });
        let [top, bottom] = sides;
        let all = floats(logits)?;
        let rows = all.chunks(logits.size()[1] as usize);
        for ((latent, row), (top, bottom)) in (first..).zip(rows).zip(top?.into_iter().zip(bottom?)) {
            let (skew, kurtosis) = shape(row);
            let range = (
                bottom.first().map_or(0.0, |one| one.logit),
                top.first().map_or(0.0, |one| one.logit),
            );
            let histogram = histogram(row, range);
            let logits = Logits {
                top,
                bottom,
                range,
                histogram,
            };
            take(LatentLogits {
                latent,
                logits,
                skew,
                kurtosis,
            })?;
        }
        Ok(())
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
    Ok(Vec::<f32>::try_from(tensor.f_reshape([-1])?)?)
}

/// Returns how many values lie in each of [`BINS`] equal bins of `range`.
fn histogram(values: &[f32], (low, high): (f32, f32)) -> Vec<u32> {
    let mut counts = vec![0; BINS];
    let scale = BINS as f32 / (high - low).max(f32::MIN_POSITIVE);
    for value in values {
        counts[(((value - low) * scale) as usize).min(BINS - 1)] += 1;
    }
    counts
}

/// Returns skew and kurtosis of values whose mean is 0.
fn shape(values: &[f32]) -> (f64, f64) {
    let (mut second, mut third, mut fourth) = (0.0, 0.0, 0.0);
    for value in values {
        let square = f64::from(value * value);
        second += square;
        third += square * f64::from(*value);
        fourth += square * square;
    }
    let count = values.len().max(1) as f64;
    let (second, third, fourth) = (second / count, third / count, fourth / count);
    if second <= 0.0 {
        return (0.0, 0.0);
    }
    (third / second.powf(1.5), fourth / (second * second))
}

/// Writes what latents add to the logits into `store`, in all its analyses; their flags by the thresholds of each.
///
/// # Errors
/// The store cannot be written.
pub fn write_logits(store: &Store, found: &[LatentLogits]) -> Result<()> {
    store.transaction(|| {
        for one in found {
            store.put_logits(one.latent, &one.logits)?;
        }
        for analysis in store.analyses()? {
            let thresholds = FlagThresholds::of_settings(&analysis.settings);
            for one in found {
                let Some(latent) = store.latent(analysis.id, one.latent)? else {
                    continue;
                };
                let lives = latent.act_times > 0;
                let flags = latent
                    .flags
                    .with(Flag::Output, lives && one.kurtosis > thresholds.output_kurtosis);
                store.put_latent(
                    analysis.id,
                    &Latent {
                        logit_skew: Some(one.skew),
                        logit_kurtosis: Some(one.kurtosis),
                        flags,
                        ..latent
                    },
                )?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_distributions_are_told_apart() {
        let (skew, kurtosis) = shape(&[-1.0, 1.0, -1.0, 1.0]);
        assert_eq!((skew, kurtosis), (0.0, 1.0));
        let (skew, kurtosis) = shape(&[-1.0, -1.0, -1.0, 3.0]);
        assert!(skew > 1.0 && kurtosis > 2.0, "{skew} {kurtosis}");
        assert_eq!(shape(&[0.0; 4]), (0.0, 0.0));
        assert_eq!(histogram(&[-1.0, 0.99, 1.0], (-1.0, 1.0))[BINS - 1], 2);
    }
}
