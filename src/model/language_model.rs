//! A loaded language model: one handle for tokens, hooks, logits and losses.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::assemble::Assembly;
use super::config::DecoderConfig;
use super::decoder::Decoder;
use super::ends::ends_of;
use super::families::family_of;
use super::hf_config::HfConfig;
use super::locate::locate;
use super::prompts::{Input, Prompts};
use super::settings::{Backend, LanguageModelConfig};
use super::sites::{HookPoint, Site};
use super::weights::WeightFiles;
use crate::config::{Checked, IntoChecked};
use crate::error::{Error, Result, counted};
use crate::event::RunContext;
use crate::tensor::{DType, Device, Kind, Tensor, no_grad_guard, send};
use crate::text::{SpecialTokens, Tokenizer};

/// A language model with its tokenizer. Clones share everything, and may be used from several threads.
#[derive(Clone)]
pub struct LanguageModel {
    inner: Arc<Inner>,
}

struct Inner {
    config: Checked<LanguageModelConfig>,
    name: String,
    device: Device,
    tokenizer: Tokenizer,
    /// Tokens that end a generated text.
    ends: Vec<i64>,
    /// `None` with the backend `tokenizer_only`.
    decoder: Option<Decoder>,
    /// Every hook point by name, in the order of the forward pass.
    sites: Vec<(String, Site)>,
}

impl fmt::Debug for LanguageModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LanguageModel")
            .field("config", &self.inner.config)
            .finish()
    }
}

impl LanguageModel {
    /// Loads the model that `config` describes: from a local folder, the cache, or the hub.
    ///
    /// # Errors
    /// A folder, repository or file that is missing or broken, an architecture that is not supported, weights that
    /// do not fit `config.json`, a device that is not there.
    pub fn load(config: impl IntoChecked<LanguageModelConfig>, context: &RunContext) -> Result<Self> {
        let config = &config.into_checked()?;
        let device = config.device.resolve().map_err(|error| error.under("device"))?;
        let folder = locate(config, context)?;
        let name = match &config.model_from_pretrained_path {
            Some(path) => path.display().to_string(),
            None => config.model_name.clone(),
        };
        let special = SpecialTokens {
            bos: config.bos_token_id,
            eos: config.eos_token_id,
            pad: config.pad_token_id,
        };
        let tokenizer = Tokenizer::from_folder(&folder, special)?.with_stop(context.stop.clone());
        let ends = ends_of(&folder, config, &tokenizer)?;
        let decoder = match config.backend {
            Backend::TokenizerOnly => None,
            Backend::TransformerLens | Backend::Huggingface | Backend::Auto => {
                Some(load_decoder(config, &folder, &name, device, context)?)
            }
        };
        let sites = decoder.iter().flat_map(|decoder| Site::all(&decoder.config));
        let sites = sites.map(|site| (site.name(), site)).collect();
        Ok(LanguageModel {
            inner: Arc::new(Inner {
                config: config.clone(),
                name,
                device,
                tokenizer,
                ends,
                decoder,
                sites,
            }),
        })
    }

    /// Returns what it was loaded with.
    pub fn config(&self) -> &Checked<LanguageModelConfig> {
        &self.inner.config
    }

    /// Its name or folder, as given.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns where it runs.
    pub fn device(&self) -> Device {
        self.inner.device
    }

    /// Returns the number format of weights and activations.
    pub fn dtype(&self) -> DType {
        self.inner.config.dtype
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// Tokens that end a generated text: the tokenizer's EOS first, then those that the model's files name.
    pub fn ends(&self) -> &[i64] {
        &self.inner.ends
    }

    /// Its architecture: d_model, n_layers, n_heads and so on.
    ///
    /// # Errors
    /// Only the tokenizer was loaded.
    pub fn cfg(&self) -> Result<&DecoderConfig> {
        Ok(&self.decoder()?.config)
    }

    pub(super) fn decoder(&self) -> Result<&Decoder> {
        self.inner.decoder.as_ref().ok_or_else(|| {
            Error::input(format!(
                "`{}` was loaded with the backend \"tokenizer_only\", so it has no weights",
                self.inner.name
            ))
            .hint("load it with the backend \"auto\"")
        })
    }

    /// Texts are cut to this many tokens: `max_length`, but no more than the context.
    pub fn max_length(&self) -> usize {
        let context = self
            .inner
            .decoder
            .as_ref()
            .map_or(i64::MAX, |decoder| decoder.config.n_ctx);
        let context = usize::try_from(context).unwrap_or(usize::MAX);
        self.inner.config.max_length.min(context)
    }

    /// Returns every hook point, in the order of the forward pass.
    ///
    /// # Errors
    /// Only the tokenizer was loaded.
    pub fn hook_points(&self) -> Result<Vec<HookPoint>> {
        let config = self.cfg()?;
        Ok(self
            .inner
            .sites
            .iter()
            .map(|(_, site)| site.describe(config))
            .collect())
    }

    /// Returns the hook point called `name`.
    ///
    /// # Errors
    /// The model has no such hook point; the message names the nearest.
    pub fn check_hook_point(&self, name: &str) -> Result<HookPoint> {
        let config = self.cfg()?;
        Ok(self.site(name)?.describe(config))
    }

    /// Returns the size of the last dimension of the activation at `name`.
    ///
    /// # Errors
    /// The model has no such hook point, or the activation there has no fixed width.
    pub fn hook_width(&self, name: &str) -> Result<i64> {
        self.check_hook_point(name)?.width().ok_or_else(|| {
            Error::input(format!(
                "the activation at `{name}` has no fixed width: its last dimension is the sequence"
            ))
        })
    }

    /// Returns the places that `pattern` names: one hook point, or with `*` every one that fits, e.g.
    /// `blocks.*.hook_resid_post`.
    pub(super) fn sites(&self, pattern: &str) -> Result<Vec<Site>> {
        if !pattern.contains('*') {
            return Ok(vec![self.site(pattern)?]);
        }
        self.decoder()?;
        let fitting = self.inner.sites.iter().filter(|(name, _)| fits(pattern, name));
        let sites: Vec<Site> = fitting.map(|(_, site)| *site).collect();
        if sites.is_empty() {
            Err(Error::input(format!(
                "no hook point of `{}` fits the pattern `{pattern}`",
                self.inner.name
            ))
            .hint("`*` stands for any part of a name, e.g. `blocks.*.hook_resid_post`"))
        } else {
            Ok(sites)
        }
    }

    /// Returns the names of the hook points that `pattern` names: itself, or with `*` all that fit.
    ///
    /// # Errors
    /// Nothing fits; the message names the nearest.
    pub fn matching_hook_points(&self, pattern: &str) -> Result<Vec<String>> {
        Ok(self.sites(pattern)?.into_iter().map(Site::name).collect())
    }

    pub(super) fn site(&self, name: &str) -> Result<Site> {
        let decoder = self.decoder()?;
        let found = self.inner.sites.iter().find(|(known, _)| known == name);
        found.map(|(_, site)| *site).ok_or_else(|| {
            let names: Vec<&String> = self.inner.sites.iter().map(|(name, _)| name).collect();
            let error = Error::unknown("hook point", name, &names).context(format!(
                "in `{}`, which has {} layers",
                self.inner.name, decoder.config.n_layers
            ));
            if name.ends_with("hook_resid_mid") {
                error.hint(
                "this model adds attention and MLP side by side, so there is no residual stream between them",
            )
            } else {
                error
            }
        })
    }

    /// Checks `input` and brings it to the model's device, padding as of [`readable`](Self::readable). For tokens on the CPU
    /// nobody waits for a GPU.
    pub(super) fn accept(&self, input: Input<'_>) -> Result<Prompts> {
        let tokens = self.readable(input.tokens)?;
        self.check_tokens(&tokens, 0)?;
        Ok(Prompts {
            tokens: send(&tokens, self.inner.device)?,
            mask: self.accept_mask(input)?,
        })
    }

    /// The mask of `input` on the model's device.
    pub(super) fn accept_mask(&self, input: Input<'_>) -> Result<Option<Tensor>> {
        let Some(mask) = input.mask else {
            return Ok(None);
        };
        if mask.size() != input.tokens.size() {
            return Err(Error::input(format!(
                "the mask says of tokens of shape {:?} which count, but the tokens have shape {:?}",
                mask.size(),
                input.tokens.size()
            )));
        }
        let (kind, device) = (Kind::Bool, self.inner.device);
        Ok(Some(mask.f_to_device_(device, kind, false, false)?))
    }

    /// Returns `tokens` with token 0 in the place of padding for which the embedding has no row: tokenizers are given a
    /// PAD token long after the model was trained, and no place that counts attends to it.
    pub(super) fn readable(&self, tokens: &Tensor) -> Result<Tensor> {
        let pad = self.tokenizer().pad_token_id();
        match pad.filter(|pad| self.cfg().is_ok_and(|config| *pad >= config.d_vocab)) {
            Some(pad) => Ok(tokens.f_masked_fill(&tokens.f_eq(pad)?, 0)?),
            None => Ok(tokens.shallow_clone()),
        }
    }

    /// Refuses `tokens` that the model cannot read, or that leave no room in its context for `more`.
    pub(super) fn check_tokens(&self, tokens: &Tensor, more: i64) -> Result<()> {
        let config = self.cfg()?;
        let size = tokens.size();
        if size.len() != 2 || tokens.kind() != Kind::Int64 {
            return Err(Error::input(format!(
                "expected token ids as int64 of shape [batch, seq], but was given {} of shape {size:?}",
                DType::from(tokens.kind())
            )));
        }
        if size[0] == 0 || size[1] == 0 {
            return Err(Error::input(format!(
                "there are no tokens: the shape is {size:?}"
            )));
        }
        let length = size[1] + more;
        if length > config.n_ctx {
            return Err(Error::input(format!(
                "{}{} are more than the context of `{}`, which is {}",
                counted(size[1], "token"),
                if more > 0 {
                    format!(" and {more} new ones")
                } else {
                    String::new()
                },
                self.inner.name,
                config.n_ctx
            ))
            .hint("cut the text, or set `context_size` or `max_length`"));
        }
        let (low, high) = tokens.f_aminmax(None, false)?;
        let (low, high) = (i64::try_from(&low)?, i64::try_from(&high)?);
        self.check_token_ids(&[if low < 0 { low } else { high }])
    }

    /// Refuses ids for which the model has no embedding.
    ///
    /// # Errors
    /// One of them is none of the vocabulary.
    pub fn check_token_ids(&self, ids: &[i64]) -> Result<()> {
        let config = self.cfg()?;
        let Some(wrong) = ids.iter().find(|id| !(0..config.d_vocab).contains(*id)) else {
            return Ok(());
        };
        let text = self.tokenizer().token_strings(&[*wrong]).ok();
        let text = text.map_or(String::new(), |text| format!(" (`{}`)", text.concat()));
        Err(Error::input(format!(
            "token id {wrong}{text} is outside the vocabulary of `{}`, which has {} entries",
            self.inner.name, config.d_vocab
        ))
        .hint(
            "the tokens were made with another tokenizer, or it was given tokens for which the model has no embedding",
        ))
    }
}

fn load_decoder(
    config: &LanguageModelConfig,
    folder: &Path,
    name: &str,
    device: Device,
    context: &RunContext,
) -> Result<Decoder> {
    let hf_config = HfConfig::read(&folder.join("config.json"))?;
    let family = family_of(&hf_config)?;
    let decoder_config = (family.configure)(&hf_config)?;
    decoder_config
        .validate()
        .map_err(|error| hf_config.blame(error))?;
    let files = WeightFiles::open(folder)?;
    let processed = config.backend != Backend::Huggingface;
    let target = (config.dtype.kind(), device);
    let _guard = no_grad_guard();
    Assembly::new(&decoder_config, family, &files, processed, target)
        .decoder(format!("loading {name}"), context)
}

/// Does `name` fit `pattern`, in which each `*` stands for any characters?
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => {
            let Some(tail) = name.strip_prefix(start) else {
                return false;
            };
            let mut cuts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            cuts.any(|at| fits(rest, &tail[at..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("blocks.*.hook_resid_post", "blocks.11.hook_resid_post"));
        assert!(fits("*hook_q", "blocks.0.attn.hook_q"));
        assert!(fits("*", "anything"));
        assert!(!fits("blocks.*.hook_resid_post", "blocks.1.hook_resid_pre"));
        assert!(!fits("blocks.1", "blocks.11"));
    }
}
