//! A loaded language model: one handle for tokens, hooks, logits and losses.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tch::{Device, Kind, Reduction, Tensor};

use super::assemble::Assembly;
use super::config::DecoderConfig;
use super::decoder::Decoder;
use super::families::family_of;
use super::hf_config::HfConfig;
use super::hooks::{Halt, Hooks};
use super::settings::{Backend, LanguageModelConfig};
use super::sites::{HookPoint, Site};
use super::source::locate;
use super::weights::WeightFiles;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::tensor::DType;
use crate::text::{SpecialTokens, Tokenizer};

/// A language model with its tokenizer. Clones share everything, and may be used from several threads.
#[derive(Clone)]
pub struct LanguageModel {
    inner: Arc<Inner>,
}

struct Inner {
    config: LanguageModelConfig,
    name: String,
    device: Device,
    tokenizer: Tokenizer,
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
    pub fn load(config: &LanguageModelConfig, context: &RunContext) -> Result<Self> {
        config.validate()?;
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
        let tokenizer = Tokenizer::from_folder(&folder, special)?;
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
                decoder,
                sites,
            }),
        })
    }

    /// What it was loaded with.
    pub fn config(&self) -> &LanguageModelConfig {
        &self.inner.config
    }

    /// Its name or folder, as given.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where it runs.
    pub fn device(&self) -> Device {
        self.inner.device
    }

    /// Number format of weights and activations.
    pub fn dtype(&self) -> DType {
        self.inner.config.dtype
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// Its architecture: d_model, n_layers, n_heads and so on.
    ///
    /// # Errors
    /// Only the tokenizer was loaded.
    pub fn cfg(&self) -> Result<&DecoderConfig> {
        Ok(&self.decoder()?.config)
    }

    fn decoder(&self) -> Result<&Decoder> {
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

    /// Every hook point, in the order of the forward pass.
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

    /// The hook point called `name`.
    ///
    /// # Errors
    /// The model has no such hook point; the message names the nearest.
    pub fn check_hook_point(&self, name: &str) -> Result<HookPoint> {
        let config = self.cfg()?;
        Ok(self.site(name)?.describe(config))
    }

    /// Size of the last dimension of the activation at `name`.
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

    fn site(&self, name: &str) -> Result<Site> {
        let decoder = self.decoder()?;
        let found = self.inner.sites.iter().find(|(known, _)| known == name);
        found.map(|(_, site)| *site).ok_or_else(|| {
            let names: Vec<&String> = self.inner.sites.iter().map(|(name, _)| name).collect();
            let error = Error::unknown("hook point", name, &names).context(format!(
                "in `{}`, which has {} layers",
                self.inner.name, decoder.config.n_layers
            ));
            match name.ends_with("hook_resid_mid") {
                true => error.hint(
                    "this model adds attention and MLP side by side, so there is no residual stream between them",
                ),
                false => error,
            }
        })
    }

    /// Activations at `names` for `tokens`, int64 `[batch, seq]`: a map from name to activation.
    ///
    /// The forward pass stops after the last of them; nothing else is kept, and no gradient is recorded.
    ///
    /// # Errors
    /// An unknown hook point, tokens of a wrong shape or outside the vocabulary, more tokens than the context.
    pub fn capture(&self, tokens: &Tensor, names: &[String]) -> Result<BTreeMap<String, Tensor>> {
        let decoder = self.decoder()?;
        let sites = names
            .iter()
            .map(|name| self.site(name))
            .collect::<Result<Vec<_>>>()?;
        if sites.is_empty() {
            return Ok(BTreeMap::new());
        }
        let tokens = self.accept(tokens, 0)?;
        let mut hooks = Hooks::only(sites);
        let _guard = tch::no_grad_guard();
        match decoder.logits(&tokens, &mut hooks, None) {
            Ok(_) | Err(Halt::Done) => Ok(hooks.into_captured()),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    /// Logits `[batch, seq, d_vocab]` for `tokens`, int64 `[batch, seq]`.
    ///
    /// # Errors
    /// Tokens of a wrong shape or outside the vocabulary, more tokens than the context.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let tokens = self.accept(tokens, 0)?;
        let _guard = tch::no_grad_guard();
        finished(self.decoder()?.logits(&tokens, &mut Hooks::default(), None))
    }

    /// Mean cross-entropy of the next token over all places but the last, in nats: a tensor without dimensions.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); sequences of a single token have nothing to predict.
    pub fn loss(&self, tokens: &Tensor) -> Result<Tensor> {
        next_token_loss(&self.forward(tokens)?, tokens)
    }

    /// Checks `tokens` and brings them to the model's device. `start` tokens came before.
    fn accept(&self, tokens: &Tensor, start: i64) -> Result<Tensor> {
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
        let length = start + size[1];
        if length > config.n_ctx {
            return Err(Error::input(format!(
                "{length} tokens are more than the context of `{}`, which is {}",
                self.inner.name, config.n_ctx
            ))
            .hint("cut the text, or set `context_size` or `max_length`"));
        }
        let (low, high) = tokens.f_aminmax(None, false)?;
        let (low, high) = (i64::try_from(&low)?, i64::try_from(&high)?);
        if low < 0 || high >= config.d_vocab {
            let wrong = if low < 0 { low } else { high };
            return Err(Error::input(format!(
                "token id {wrong} is outside the vocabulary of `{}`, which has {} entries",
                self.inner.name, config.d_vocab
            ))
            .hint("the tokens were made with another tokenizer"));
        }
        Ok(tokens.f_to_device(self.inner.device)?)
    }
}

/// A forward pass that was not to be stopped.
fn finished(result: Result<Tensor, Halt>) -> Result<Tensor> {
    result.map_err(|halt| match halt {
        Halt::Failed(error) => error,
        Halt::Done => Error::run("the forward pass ended before the logits"),
    })
}

/// Mean cross-entropy of `tokens[:, 1:]` under `logits[:, :-1]`, computed in single precision.
fn next_token_loss(logits: &Tensor, tokens: &Tensor) -> Result<Tensor> {
    let places = tokens.size()[1] - 1;
    if places == 0 {
        return Err(Error::input("a loss needs at least two tokens in a sequence"));
    }
    let predictions = logits.f_narrow(1, 0, places)?.f_flatten(0, 1)?;
    let predictions = predictions.f_to_kind(super::config::precise(logits.kind()))?;
    let targets = tokens
        .f_narrow(1, 1, places)?
        .f_flatten(0, 1)?
        .f_to_device(logits.device())?;
    Ok(predictions.f_cross_entropy_loss(&targets, None::<Tensor>, Reduction::Mean, -100, 0.0)?)
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
    let _guard = tch::no_grad_guard();
    Assembly::new(&decoder_config, family, &files, processed, target)
        .decoder(format!("loading {name}"), context)
}
