//! The figures of a text, token by token, and then piece by piece.

use std::collections::BTreeMap;

use super::load::Readers;
use super::named::{Firing, ReadText};
use crate::dictionary::Pass;
use crate::error::{Error, Result};
use crate::findings::Vocabulary;
use crate::model::{Edit, next_token_losses};
use crate::tensor::{Kind, Tensor, no_grad_guard};

/// The most latents that are told of a token.
const MOST: usize = 256;

/// Where the final norm keeps by what it divides.
const SCALE: &str = "ln_final.hook_scale";

/// The figures of each token.
struct Tokens {
    firings: Vec<Vec<Firing>>,
    active: Vec<usize>,
    error: Vec<f32>,
    loss: Vec<f32>,
    loss_with: Vec<f32>,
}

/// Reads a text, of which at most `longest` tokens.
///
/// # Errors
/// A text without tokens; what model and dictionary refuse.
pub(super) fn read(readers: &Readers, words: &Vocabulary, text: &str, longest: usize) -> Result<ReadText> {
    let Readers { model, sae, .. } = readers;
    if sae.cfg.hooks.heads().is_some() {
        return Err(Error::input(
            "the dictionary reads several hook points at once, which the page `text` does not show",
        ));
    }
    let longest = longest.min(model.max_length());
    let tokenizer = model.tokenizer();
    let has_bos = model.config().prepend_bos && tokenizer.bos_token_id().is_some();
    let mut ids = tokenizer.encode(text, has_bos, Some(longest + 1))?;
    let cut = ids.len() > longest;
    ids.truncate(longest);
    if ids.len() <= usize::from(has_bos) {
        return Err(Error::input("the text has no tokens"));
    }
    let tokens = figures(readers, &ids)?;
    let mut read = by_piece(&tokens, &ids, words, usize::from(has_bos));
    read.cut = cut;
    read.no_effects = readers.to_logits.as_ref().err().cloned();
    Ok(read)
}

fn figures(readers: &Readers, ids: &[i64]) -> Result<Tokens> {
    let _no_grad = no_grad_guard();
    let Readers { model, sae, .. } = readers;
    let tokens = Tensor::f_from_slice(ids)?
        .f_view([1, ids.len() as i64])?
        .f_to_device(model.device())?;
    let (reads, writes) = (sae.cfg.reads(), sae.cfg.writes());
    let (Some(hook_in), Some(hook_out)) = (reads.first(), writes.first()) else {
        return Err(Error::run("the dictionary has no hook points"));
    };
    let mut names: Vec<String> = vec![hook_in.to_string(), hook_out.to_string(), SCALE.to_string()];
    names.dedup();
    let (logits, cache) = model.run_with_cache(&tokens, Some(&names))?;
    let at = |hook: &str| {
        cache
            .get(hook)
            .ok_or_else(|| Error::run(format!("the model gave nothing at `{hook}`")))
    };
    let pass = Pass::default();
    let x = sae.normalize_with(at(hook_in)?, hook_in, &pass)?;
    let acts = sae.encode_with(&x, &pass)?.feature_acts;
    let decoded = sae.decode(&acts)?;
    let output = at(hook_out)?.f_to_device(sae.device())?.f_to_kind(sae.kind())?;
    let factor = sae.norm_factor_with(&output, hook_out, &pass)?;
    let width = output.size().last().copied().unwrap_or(1);
    let ours = decoded.f_narrow(-1, 0, width)?.f_div(&factor)?;
    let lacks = output.f_sub(&ours)?;
    let error = squares(&lacks)?.f_div(&squares(&output)?)?;
    let replacement = ours
        .f_to_device(model.device())?
        .f_to_kind(at(hook_out)?.f_kind()?)?;
    let edit: Edit<'_> = Box::new(|_: Tensor, _| Ok(replacement.shallow_clone()));
    let with = model.run_with_hooks(&tokens, vec![(hook_out.to_string(), edit)])?;
    let one = output.f_narrow(-1, 0, 1)?.f_ones_like()?;
    let scale = one.f_mul(&factor)?.f_reciprocal()?;
    let (firings, active) = firings(readers, ids, &acts, &scale, cache.get(SCALE))?;
    Ok(Tokens {
        firings,
        active,
        error: numbers(&error)?,
        loss: losses(&logits, &tokens)?,
        loss_with: losses(&with, &tokens)?,
    })
}

/// The loss of each token but the first.
fn losses(logits: &Tensor, tokens: &Tensor) -> Result<Vec<f32>> {
    if tokens.size()[1] < 2 {
        return Ok(Vec::new());
    }
    numbers(&next_token_losses(logits, tokens)?)
}

fn squares(x: &Tensor) -> Result<Tensor> {
    let sum = x
        .f_square()?
        .f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Float)?;
    Ok(sum)
}

fn numbers(x: &Tensor) -> Result<Vec<f32>> {
    let flat = x
        .f_to_kind(Kind::Float)?
        .f_to_device(crate::tensor::Device::Cpu)?
        .f_reshape([-1])?;
    Ok(Vec::<f32>::try_from(flat)?)
}

/// The latents of each token, strongest first. `scale (1, tokens, 1)` takes what the dictionary gives to the model's scale.
fn firings(
    readers: &Readers,
    ids: &[i64],
    acts: &Tensor,
    scale: &Tensor,
    final_scale: Option<&Tensor>,
) -> Result<(Vec<Vec<Firing>>, Vec<usize>)> {
    let decoder = readers.sae.parameter("W_D").ok();
    let (scale, final_scale) = (numbers(scale)?, final_scale.map(numbers).transpose()?);
    let (mut all, mut active) = (Vec::new(), Vec::new());
    for token in 0..ids.len() {
        let row = numbers(&acts.f_select(0, 0)?.f_select(0, token as i64)?)?;
        let mut on: Vec<(u32, f32)> = (0u32..).zip(row).filter(|(_, value)| *value != 0.0).collect();
        active.push(on.len());
        on.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        let rows = decoder.map(|decoder| directions(decoder, &on)).transpose()?;
        let shares = rows.as_ref().map(|rows| shares(rows, &on)).transpose()?;
        let next = ids.get(token + 1).copied();
        let effects = match (&rows, &readers.to_logits, &final_scale, next) {
            (Some(rows), Ok(to_logits), Some(final_scale), Some(next)) => {
                let column = to_logits.f_select(1, next)?.f_to_device(rows.device())?;
                let per_unit = numbers(&rows.f_matmul(&column)?)?;
                let by = scale[token] / final_scale[token];
                Some(
                    on.iter()
                        .zip(per_unit)
                        .map(|((_, act), one)| act * one * by)
                        .collect::<Vec<f32>>(),
                )
            }
            _ => None,
        };
        let firing = |(at, (latent, act)): (usize, &(u32, f32))| {
            let pick = |from: &Option<Vec<f32>>| from.as_ref().map(|values| values[at]);
            (*latent, *act, pick(&shares), pick(&effects))
        };
        all.push(on.iter().enumerate().map(firing).take(MOST).collect());
    }
    Ok((all, active))
}

/// The decoder rows of the latents that are on, `(on, d_model)` in float32.
fn directions(decoder: &Tensor, on: &[(u32, f32)]) -> Result<Tensor> {
    let index: Vec<i64> = on.iter().map(|(latent, _)| i64::from(*latent)).collect();
    let index = Tensor::f_from_slice(&index)?.f_to_device(decoder.device())?;
    Ok(decoder.f_index_select(0, &index)?.f_to_kind(Kind::Float)?)
}

/// The part of the reconstruction (less its bias) that each latent is: its projection onto it. They add up to 1.
fn shares(rows: &Tensor, on: &[(u32, f32)]) -> Result<Vec<f32>> {
    let acts: Vec<f32> = on.iter().map(|(_, act)| *act).collect();
    let acts = Tensor::f_from_slice(&acts)?.f_to_device(rows.device())?;
    let own = rows.f_mul(&acts.f_unsqueeze(-1)?)?;
    let whole = own.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Float)?;
    let size = whole.f_dot(&whole)?.f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
    numbers(&own.f_matmul(&whole)?.f_div(&size)?)
}

/// Puts tokens that share a character together; of the first `skipped` tokens nothing is told.
fn by_piece(tokens: &Tokens, ids: &[i64], words: &Vocabulary, skipped: usize) -> ReadText {
    let known: Vec<u32> = ids[skipped..]
        .iter()
        .map(|id| u32::try_from(*id).unwrap_or(u32::MAX))
        .collect();
    let mut read = ReadText::default();
    for (range, text) in words.pieces(&known) {
        let range = range.start + skipped..range.end + skipped;
        let mut strongest: BTreeMap<u32, Firing> = BTreeMap::new();
        for firing in tokens.firings[range.clone()].iter().flatten() {
            let kept = strongest.entry(firing.0).or_insert(*firing);
            if firing.1.abs() > kept.1.abs() {
                *kept = *firing;
            }
        }
        let mut firings: Vec<Firing> = strongest.into_values().collect();
        firings.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        read.latents.push(firings);
        read.active
            .push(tokens.active[range.clone()].iter().copied().max().unwrap_or(0));
        let worst = tokens.error[range.clone()].iter().copied().fold(0.0, f32::max);
        read.error.push(worst.is_finite().then_some(worst));
        // The loss of a token stands at the place before it.
        let sum = |losses: &[f32]| {
            let first = range.start.checked_sub(1)?;
            Some(losses.get(first..range.end - 1)?.iter().sum())
        };
        read.loss.push(sum(&tokens.loss));
        read.loss_with.push(sum(&tokens.loss_with));
        read.pieces.push(text);
    }
    read
}
