//! The search for the decoder norm with which a fresh dictionary reconstructs best.

use super::InitializerConfig;
use crate::dictionary::{Custom, LossInput, LossSettings, Pass, SparseAutoEncoder};
use crate::error::{Error, Result};
use crate::event::{Event, RunContext};
use crate::tensor::{Device, Kind, Tensor};

/// Norms tried first: so many, evenly from the first to the last.
const COARSE: (f64, f64, i64) = (0.1, 5.0, 50);

/// Norms tried around the best of them: so much below and above, and how many.
const FINE: (f64, f64, i64) = (-0.09, 0.1, 20);

/// Sets encoder and encoder bias after a change of the decoder, as configured.
pub(super) fn follow_decoder(
    cfg: &InitializerConfig,
    sae: &mut SparseAutoEncoder,
    x: Option<&Tensor>,
) -> Result<()> {
    if cfg.init_encoder_with_decoder_transpose {
        sae.set_encoder_to_decoder_transpose(cfg.init_encoder_with_decoder_transpose_factor)?;
    }
    match x {
        Some(x) if cfg.init_encoder_bias_with_mean_hidden_pre => sae.centre_hidden_pre(x),
        _ => Ok(()),
    }
}

/// Gives the decoder rows the norm with the least reconstruction loss on `input`, and returns it, with all norms that were
/// tried and their losses. Of `custom` only the
/// activation function takes part: no penalty does.
///
/// # Errors
/// No norm gives a finite loss; somebody asked to stop.
pub(super) fn search_decoder_norm(
    cfg: &InitializerConfig,
    sae: &mut SparseAutoEncoder,
    input: &LossInput<'_>,
    custom: Custom<'_>,
    context: &RunContext,
) -> Result<(f64, Vec<(f64, f64)>)> {
    let pass = Pass {
        custom,
        ..Pass::default()
    };
    context.events.emit(Event::TaskStarted {
        title: "searching the initial decoder norm".into(),
        unit: "norms",
        total: Some((COARSE.2 + FINE.2) as u64),
    })?;
    let mut tried = Vec::new();
    let coarse = best_of(&spaced(COARSE)?, &mut tried, cfg, sae, (input, &pass), context)?;
    let around = (coarse + FINE.0, coarse + FINE.1, FINE.2);
    let best = best_of(&spaced(around)?, &mut tried, cfg, sae, (input, &pass), context)?;
    context.events.emit(Event::TaskFinished)?;
    sae.set_decoder_norm(best)?;
    follow_decoder(cfg, sae, Some(input.x))?;
    Ok((best, tried))
}

/// Returns the norm of `norms` with the least reconstruction loss, the first of equals, and adds all to those `tried`.
fn best_of(
    norms: &[f64],
    tried: &mut Vec<(f64, f64)>,
    cfg: &InitializerConfig,
    sae: &mut SparseAutoEncoder,
    (input, pass): (&LossInput<'_>, &Pass<'_>),
    context: &RunContext,
) -> Result<f64> {
    let settings = LossSettings::default();
    let mut best: Option<(f64, f64)> = None;
    for norm in norms {
        context.check("the search for the initial decoder norm")?;
        sae.set_decoder_norm(*norm)?;
        follow_decoder(cfg, sae, Some(input.x))?;
        let loss = sae
            .compute_loss(input, &settings, pass, None)?
            .loss
            .f_double_value(&[])?;
        if loss.is_finite() && best.is_none_or(|(_, least)| loss < least) {
            best = Some((*norm, loss));
        }
        tried.push((*norm, loss));
        context.events.emit(Event::TaskAdvanced {
            done: tried.len() as u64,
            shown: vec![("norm", *norm), ("loss", loss)],
        })?;
    }
    best.map(|(norm, _)| norm).ok_or_else(|| {
        Error::run("no initial decoder norm gives a finite reconstruction loss")
            .hint("look for NaN or infinite values in the activations")
    })
}

/// Returns evenly spaced float32 numbers, both ends included.
fn spaced((first, last, count): (f64, f64, i64)) -> Result<Vec<f64>> {
    let numbers =
        Tensor::f_linspace(first, last, count, (Kind::Float, Device::Cpu))?.f_to_kind(Kind::Double)?;
    let mut read = vec![0.0; count as usize];
    numbers.f_copy_data(&mut read, count as usize)?;
    Ok(read)
}
