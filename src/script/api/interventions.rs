//! What latents do to a model: `steer`, `clamp` and `ablate` for `run_with_hooks`, and `attribute`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, Module};

use super::latent::LatentHandle;
use super::latent_set::LatentSet;
use super::model::LanguageModelHandle;
use super::own_pieces::OwnPieces;
use super::prompts::Reading;
use super::sae::SparseAutoEncoderHandle;
use super::tokens::token_of;
use crate::dictionary::Pass;
use crate::error::{Error, Result, a};
use crate::interventions::{Amount, Attribution, LatentChange, attribute, edits};
use crate::model::Edit;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::Tensor;

/// A change of latents that scripts hold.
#[derive(Clone)]
pub struct LatentChangeHandle {
    sae: SparseAutoEncoderHandle,
    change: LatentChange,
}

/// Puts the functions into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<LatentChangeHandle>(
        "LatentChange",
        &["/// Latents that are turned up, held or taken out while a model runs: `steer`, `clamp` and `ablate` make one, and \
           `run_with_hooks`, `loss_with_hooks` and `generate` take a list of them."],
    );
    combine_with_exported_module!(module, "interventions", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Calls `work` with the edits of a forward pass by which `changes` act: those of one dictionary together, so that each
/// sees the activations that the model itself has.
///
/// # Errors
/// Something else than changes; latents that the dictionary does not have; what `work` says.
pub fn with_changes<T>(
    changes: &Array,
    work: impl FnOnce(Vec<(String, Edit<'_>)>) -> Result<T>,
) -> Result<T> {
    let mut by_dictionary: Vec<(SparseAutoEncoderHandle, Vec<LatentChange>)> = Vec::new();
    for (index, given) in changes.iter().enumerate() {
        let Some(one) = given.clone().try_cast::<LatentChangeHandle>() else {
            return Err(Error::input(format!(
                "expected a change of latents, as `ablate(sae, [3])`, but was given {}",
                a(&kind_of(given))
            ))
            .under(format!("[{index}]")));
        };
        match by_dictionary.iter_mut().find(|(sae, _)| sae.is_same(&one.sae)) {
            Some((_, changes)) => changes.push(one.change),
            None => by_dictionary.push((one.sae, vec![one.change])),
        }
    }
    let read = by_dictionary
        .iter()
        .map(|(sae, changes)| Ok((sae.get()?, changes, OwnPieces::of_activation(sae.activation()))));
    let read = read.collect::<Result<Vec<_>>>()?;
    let all = read.iter().map(|(sae, changes, pieces)| {
        let pass = Pass {
            custom: pieces.custom(),
            ..Pass::default()
        };
        edits(sae, changes, pass)
    });
    let all = all.collect::<Result<Vec<_>>>()?;
    work(all.into_iter().flatten().collect())
}

/// Returns the numbers of latents that a script gave: one, a list, a latent, or a set.
fn latents(given: &Dynamic) -> Result<Vec<i64>> {
    let wrong = |given: &Dynamic| {
        Error::input(format!(
            "expected the number of a latent, a list of numbers, a Latent or a LatentSet, but was given {}",
            a(&kind_of(given))
        ))
    };
    let one = |given: &Dynamic| {
        given
            .as_int()
            .ok()
            .or_else(|| Some(given.clone().try_cast::<LatentHandle>()?.number().into()))
    };
    if let Some(set) = given.clone().try_cast::<LatentSet>() {
        return Ok(set.numbers().iter().map(|number| i64::from(*number)).collect());
    }
    if let Some(list) = given.clone().try_cast::<Array>() {
        return list
            .iter()
            .enumerate()
            .map(|(index, entry)| one(entry).ok_or_else(|| wrong(entry).under(format!("[{index}]"))))
            .collect();
    }
    one(given).map(|number| vec![number]).ok_or_else(|| wrong(given))
}

fn number(given: &Dynamic, what: &str) -> Result<f64> {
    let float = given.as_float().ok();
    float
        .or_else(|| given.as_int().ok().map(|whole| whole as f64))
        .ok_or_else(|| {
            Error::input(format!(
                "expected {what}, a number, but was given {}",
                a(&kind_of(given))
            ))
        })
}

fn change(sae: SparseAutoEncoderHandle, given: &Dynamic, amount: Amount) -> Result<LatentChangeHandle> {
    let change = LatentChange {
        latents: latents(given)?,
        amount,
    };
    change.check(&*sae.get()?)?;
    Ok(LatentChangeHandle { sae, change })
}

fn attributed(
    (model, sae): (&LanguageModelHandle, &SparseAutoEncoderHandle),
    tokens: &Tensor,
    token: &Dynamic,
) -> Result<Map> {
    let model = model.model();
    let token = token_of(model, token)?;
    let pieces = OwnPieces::of_activation(sae.activation());
    let pass = Pass {
        custom: pieces.custom(),
        ..Pass::default()
    };
    let found = attribute(model, &*sae.get()?, tokens, token, &pass)?;
    let ids = Vec::<i64>::try_from(tokens.f_flatten(0, -1)?)?;
    described(&found, &model.tokenizer().token_strings(&ids)?)
}

fn described(found: &Attribution, texts: &[String]) -> Result<Map> {
    let floats = |values: &[f64]| -> Array { values.iter().copied().map(Dynamic::from).collect() };
    let text = |position: i64| texts.get(position as usize).cloned().unwrap_or_default();
    let latents = found.latents.iter().map(|part| {
        let entries: [(&str, Dynamic); 5] = [
            ("latent", part.latent.into()),
            ("position", part.position.into()),
            ("token", text(part.position).into()),
            ("activation", part.activation.into()),
            ("attribution", part.attribution.into()),
        ];
        Dynamic::from(Map::from_iter(entries.map(|(name, value)| (name.into(), value))))
    });
    let entries: [(&str, Dynamic); 6] = [
        ("logit", found.logit.into()),
        ("total", found.total.into()),
        ("bias", found.bias.into()),
        ("errors", floats(&found.errors).into()),
        (
            "tokens",
            texts.iter().cloned().map(Dynamic::from).collect::<Array>().into(),
        ),
        ("latents", latents.collect::<Array>().into()),
    ];
    Ok(Map::from_iter(entries.map(|(name, value)| (name.into(), value))))
}

#[export_module(manifest)]
mod functions {
    /// Returns a change that adds `strength` to the activations of latents at every token, in the dictionary's scale:
    /// `model.run_with_hooks(tokens, [steer(sae, 17, 4.0)])`. `latents` is a number, a list of numbers, a `Latent` or a
    /// `LatentSet`. What the dictionary does not explain of the model's activations stays as it is.
    #[rhai_fn(return_raw, volatile)]
    pub fn steer(
        sae: SparseAutoEncoderHandle,
        latents: Dynamic,
        strength: Dynamic,
    ) -> RhaiResultOf<LatentChangeHandle> {
        number(&strength, "the strength")
            .and_then(|strength| change(sae, &latents, Amount::Add(strength)))
            .raise()
    }

    /// Returns a change that holds the activations of latents at `value` at every token, in the dictionary's scale.
    /// `latents` as in `steer`.
    #[rhai_fn(return_raw, volatile)]
    pub fn clamp(
        sae: SparseAutoEncoderHandle,
        latents: Dynamic,
        value: Dynamic,
    ) -> RhaiResultOf<LatentChangeHandle> {
        number(&value, "the value")
            .and_then(|value| change(sae, &latents, Amount::Set(value)))
            .raise()
    }

    /// Returns a change that takes out what latents write: `model.loss_with_hooks(tokens, [ablate(sae, [3, 17])])`.
    /// `latents` as in `steer`.
    #[rhai_fn(return_raw, volatile)]
    pub fn ablate(sae: SparseAutoEncoderHandle, latents: Dynamic) -> RhaiResultOf<LatentChangeHandle> {
        change(sae, &latents, Amount::Set(0.0)).raise()
    }

    /// Returns which latents made the model say `token` (a text that is one token, or its number) after a prompt, by
    /// activation × gradient: a map of `latents`, an array of `#{ latent, position, token, activation, attribution }` with
    /// the largest first, `errors` (what the dictionary does not explain, by position), `bias`, their sum `total`, and
    /// `logit`, the token's logit less the mean of all.
    ///
    /// The prompt is a text or token ids `[1, seq]`.
    #[rhai_fn(return_raw, volatile)]
    pub fn attribute(
        model: LanguageModelHandle,
        sae: SparseAutoEncoderHandle,
        prompt: Dynamic,
        token: Dynamic,
    ) -> RhaiResultOf<Map> {
        Reading::of(&model)
            .prompts(&model, &prompt)
            .and_then(|prompts| attributed((&model, &sae), &prompts.tokens, &token))
            .raise()
    }

    /// Returns what is changed, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(change: &mut LatentChangeHandle) -> String {
        let numbers: Vec<String> = change
            .change
            .latents
            .iter()
            .take(20)
            .map(i64::to_string)
            .collect();
        let more = if change.change.latents.len() > 20 {
            ", …"
        } else {
            ""
        };
        let latents = format!("{}{more}", numbers.join(", "));
        match change.change.amount {
            Amount::Add(amount) => format!("LatentChange(latents {latents}: {amount} more)"),
            Amount::Set(amount) => format!("LatentChange(latents {latents}: held at {amount})"),
        }
    }
}
