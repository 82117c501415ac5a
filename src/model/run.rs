//! Running a model: activations, logits and losses, with hooks that keep or replace what passes.

use std::collections::BTreeMap;

use super::LanguageModel;
use super::config::precise;
use super::hooks::{Edit, Halt, Hooks};
use super::prompts::{Input, Prompts};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Reduction, Tensor, no_grad_guard};

impl LanguageModel {
    /// Logits and the activations at `names`; when left out, at every hook point that the pass comes by anyway,
    /// which are all but `hook_attn_in`, `hook_q_input`, `hook_k_input`, `hook_v_input`, `hook_mlp_in` and
    /// `attn.hook_result`.
    ///
    /// # Errors
    /// As [`capture`](Self::capture).
    pub fn run_with_cache<'a>(
        &self,
        tokens: impl Into<Input<'a>>,
        names: Option<&[String]>,
    ) -> Result<(Tensor, BTreeMap<String, Tensor>)> {
        let sites = match names {
            Some(names) => names
                .iter()
                .map(|name| self.sites(name))
                .collect::<Result<Vec<_>>>()?
                .concat(),
            None => self
                .sites("*")?
                .into_iter()
                .filter(|site| !site.is_extra())
                .collect(),
        };
        let prompts = self.accept(tokens.into())?;
        let mut hooks = Hooks::keeping(sites);
        let _guard = no_grad_guard();
        let logits = finished(self.decoder()?.logits((&prompts).into(), &mut hooks, None))?;
        Ok((logits, hooks.into_captured()))
    }

    /// Logits with the activations at some hook points replaced by functions of them.
    ///
    /// Names may contain `*`; functions at the same place are applied in the order given.
    ///
    /// # Errors
    /// As [`capture`](Self::capture), what a function returns as an error, and a result of another shape.
    pub fn run_with_hooks<'a>(
        &self,
        tokens: impl Into<Input<'a>>,
        edits: Vec<(String, Edit<'_>)>,
    ) -> Result<Tensor> {
        let mut hooks = self.editing(edits)?;
        let prompts = self.accept(tokens.into())?;
        let _guard = no_grad_guard();
        finished(self.decoder()?.logits((&prompts).into(), &mut hooks, None))
    }

    /// Hooks that apply `edits`.
    pub(super) fn editing<'a>(&self, edits: Vec<(String, Edit<'a>)>) -> Result<Hooks<'a>> {
        let mut hooks = Hooks::default();
        for (name, edit) in edits {
            hooks.edit(&self.sites(&name)?, edit);
        }
        Ok(hooks)
    }

    /// Logits `[batch, seq, d_vocab]` for `tokens`, int64 `[batch, seq]`.
    ///
    /// # Errors
    /// Tokens of a wrong shape or outside the vocabulary, more tokens than the context.
    pub fn forward<'a>(&self, tokens: impl Into<Input<'a>>) -> Result<Tensor> {
        self.run_with_hooks(tokens, Vec::new())
    }

    /// Returns the mean cross-entropy of the next token over all places but the last, in nats: a tensor without
    /// dimensions. Padding that the vocabulary does not have is no next token.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); sequences of a single token have nothing to predict.
    pub fn loss<'a>(&self, tokens: impl Into<Input<'a>>) -> Result<Tensor> {
        self.loss_with_hooks(tokens, Vec::new())
    }

    /// Returns the [`loss`](Self::loss) with the activations at some hook points replaced.
    ///
    /// # Errors
    /// As [`run_with_hooks`](Self::run_with_hooks).
    pub fn loss_with_hooks<'a>(
        &self,
        tokens: impl Into<Input<'a>>,
        edits: Vec<(String, Edit<'_>)>,
    ) -> Result<Tensor> {
        let input = tokens.into();
        let logits = self.run_with_hooks(input, edits)?;
        mean_loss(&logits, input)
    }

    /// Returns what the MLP of block `layer` makes of `x`, `[…, d_model]`, the way it is called by the block: with the
    /// processing of `transformer_lens`, `x` is normalised but not yet multiplied by the norm's weight.
    ///
    /// # Errors
    /// No such layer, or another width.
    pub fn apply_mlp(&self, layer: usize, x: &Tensor) -> Result<Tensor> {
        let decoder = self.decoder()?;
        let block = decoder.blocks.get(layer).ok_or_else(|| {
            Error::input(format!(
                "there is no layer {layer}: `{}` has {} (from 0)",
                self.name(),
                decoder.blocks.len()
            ))
        })?;
        let width = x.size().last().copied().unwrap_or_default();
        if width != decoder.config.d_model {
            return Err(Error::input(format!(
                "the MLP reads vectors of {} numbers, but was given {width}",
                decoder.config.d_model
            )));
        }
        let (kind, device) = decoder.target();
        let _guard = no_grad_guard();
        let mut x = x.f_to_device_(device, precise(kind), false, false)?;
        if block.ln2.bare_hooks {
            x = x.f_mul(&block.ln2.weight)?;
            if let Some(bias) = &block.ln2.bias {
                x = x.f_add(bias)?;
            }
        }
        finished(block.mlp.apply(&x.f_to_kind(kind)?, &mut Hooks::default(), layer))
    }
}

/// What cross-entropies pass over, as PyTorch has it.
const NO_TARGET: i64 = -100;

/// Returns a forward pass that was not to be stopped.
pub(super) fn finished(result: Result<Tensor, Halt>) -> Result<Tensor> {
    result.map_err(|halt| match halt {
        Halt::Failed(error) => error,
        Halt::Done => Error::run("the forward pass ended before the logits"),
    })
}

/// The mean cross-entropy in nats of the next tokens that count, a tensor without dimensions. Padding counts neither as a
/// next token nor as what one follows.
///
/// # Errors
/// Sequences of a single token have nothing to predict.
pub fn mean_loss<'a>(logits: &Tensor, input: impl Into<Input<'a>>) -> Result<Tensor> {
    let input = input.into();
    let losses = next_token_losses(logits, input.tokens)?;
    let counted = counted(logits, input)?;
    if bool::try_from(counted.f_all()?)? {
        Ok(losses.f_mean(None)?)
    } else {
        Ok(losses.f_masked_select(&counted)?.f_mean(None)?)
    }
}

/// The cross-entropy in nats of each next token, `[batch, seq − 1]`; 0 where [`mean_loss`] counts none.
///
/// # Errors
/// Sequences of a single token have nothing to predict.
pub fn losses_per_token<'a>(logits: &Tensor, input: impl Into<Input<'a>>) -> Result<Tensor> {
    let input = input.into();
    let losses = next_token_losses(logits, input.tokens)?;
    Ok(losses.f_masked_fill(&counted(logits, input)?.f_logical_not()?, 0.0)?)
}

/// Which losses of next tokens count, bool `[batch, seq − 1]`.
fn counted(logits: &Tensor, input: Input<'_>) -> Result<Tensor> {
    let places = input.tokens.f_narrow(1, 1, input.tokens.size()[1] - 1)?;
    let inside = outside(&places.f_to_device(logits.device())?, logits)?.f_logical_not()?;
    match input.mask {
        Some(mask) => {
            let mask = mask.f_to_device_(logits.device(), Kind::Bool, false, false)?;
            Ok(inside.f_logical_and(&Prompts::counted(&mask)?)?)
        }
        None => Ok(inside),
    }
}

/// Which of `tokens` have no logit: padding, since other tokens of the kind are refused.
fn outside(tokens: &Tensor, logits: &Tensor) -> Result<Tensor> {
    let width = logits.size().last().copied().unwrap_or_default();
    Ok(tokens.f_ge(width)?)
}

/// Cross-entropy in nats of each token but the first, `[batch, seq − 1]`: of `tokens[:, 1:]` under
/// `logits[:, :-1]`, computed in single precision at least; 0 for padding that has no logit.
///
/// # Errors
/// Sequences of a single token have nothing to predict.
pub fn next_token_losses(logits: &Tensor, tokens: &Tensor) -> Result<Tensor> {
    let (batch, places) = (tokens.size()[0], tokens.size()[1] - 1);
    if places == 0 {
        return Err(Error::input("a loss needs at least two tokens in a sequence"));
    }
    let predictions = logits.f_narrow(1, 0, places)?.f_flatten(0, 1)?;
    let predictions = predictions.f_to_kind(precise(logits.kind()))?;
    let targets = tokens
        .f_narrow(1, 1, places)?
        .f_flatten(0, 1)?
        .f_to_device(logits.device())?;
    let targets = targets.f_masked_fill(&outside(&targets, logits)?, NO_TARGET)?;
    let losses =
        predictions.f_cross_entropy_loss(&targets, None::<Tensor>, Reduction::None, NO_TARGET, 0.0)?;
    Ok(losses.f_view([batch, places])?)
}
