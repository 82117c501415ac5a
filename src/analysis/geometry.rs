//! What the weights alone say of each latent.

use crate::dictionary::SparseAutoEncoder;
use crate::error::Result;
use crate::findings::{Heads, Neighbour};
use crate::tensor::{Device, Kind, Tensor, product};

/// Latents whose cosines with all others are computed together.
const BLOCK: i64 = 1024;

/// Norms and cosines of each latent's weights, in the order of latents.
pub(super) struct Geometry {
    pub(super) encoder_norm: Vec<f64>,
    pub(super) decoder_norm: Vec<f64>,
    pub(super) encoder_decoder: Vec<f64>,
}

/// Returns a latent's weights as a row: those of its heads side by side, `(d_sae, heads · d)`.
fn rows(weights: &Tensor, latents_last: bool) -> Result<Tensor> {
    let weights = weights.f_detach()?.f_to_kind(Kind::Float)?;
    // (…, d, S) or (…, S, d), to (S, …, d).
    let weights = if latents_last {
        weights.f_transpose(-1, -2)?
    } else {
        weights
    };
    let dims = weights.size().len() as i64;
    Ok(weights.f_movedim_int(dims - 2, 0)?.f_flatten(1, -1)?)
}

fn numbers(values: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::<f64>::try_from(
        values
            .f_to_device(Device::Cpu)?
            .f_to_kind(Kind::Double)?
            .f_contiguous()?,
    )?)
}

fn norms(rows: &Tensor) -> Result<Tensor> {
    Ok(rows.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)?)
}

impl Geometry {
    /// Returns the figures of the weights of `sae`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn of(sae: &SparseAutoEncoder) -> Result<Self> {
        let encoder = rows(sae.parameter("W_E")?, true)?;
        let decoder = rows(sae.parameter("W_D")?, false)?;
        let (encoder_norm, decoder_norm) = (norms(&encoder)?, norms(&decoder)?);
        let cosine = if encoder.size() == decoder.size() {
            let dots = encoder
                .f_mul(&decoder)?
                .f_sum_dim_intlist([-1i64].as_slice(), true, None::<Kind>)?;
            dots.f_div(&encoder_norm.f_mul(&decoder_norm)?.f_clamp_min(1e-30)?)?
        } else {
            encoder_norm.f_zeros_like()?
        };
        Ok(Geometry {
            encoder_norm: numbers(&encoder_norm.f_squeeze_dim(1)?)?,
            decoder_norm: numbers(&decoder_norm.f_squeeze_dim(1)?)?,
            encoder_decoder: numbers(&cosine.f_squeeze_dim(1)?)?,
        })
    }
}

/// Returns the decoder's rows with norm 1, `(d_sae, heads · d)`.
fn directions(sae: &SparseAutoEncoder) -> Result<Tensor> {
    let decoder = rows(sae.parameter("W_D")?, false)?;
    Ok(decoder.f_div(&norms(&decoder)?.f_clamp_min(1e-30)?)?)
}

/// Returns of each living latent the decoder cosine with the nearest other one that lives: that among its `nearest`, or
/// where all of these are dead the largest of all. `None` of dead latents, and where no other lives.
///
/// # Errors
/// Too little memory; `check` says that the work is to stop.
pub(super) fn nearest_living(
    sae: &SparseAutoEncoder,
    nearest: &[Vec<Neighbour>],
    lives: &[bool],
    check: impl Fn() -> Result<()>,
) -> Result<Vec<Option<f32>>> {
    let known = |at: usize| nearest[at].iter().find(|near| lives[near.latent as usize]);
    let mut found: Vec<Option<f32>> = (0..lives.len())
        .map(|at| known(at).filter(|_| lives[at]).map(|near| near.value))
        .collect();
    let living: Vec<i64> = (0..)
        .zip(lives)
        .filter(|(_, lives)| **lives)
        .map(|(at, _)| at)
        .collect();
    let left: Vec<i64> = living
        .iter()
        .copied()
        .filter(|at| found[*at as usize].is_none())
        .collect();
    if left.is_empty() || living.len() < 2 {
        return Ok(found);
    }
    let unit = directions(sae)?;
    let of = |latents: &[i64]| -> Result<Tensor> {
        Ok(unit.f_index_select(0, &Tensor::f_from_slice(latents)?.f_to_device(unit.device())?)?)
    };
    let others = of(&living)?.f_tr()?;
    for block in left.chunks(BLOCK as usize) {
        check()?;
        let mut cosines = product::matmul(&of(block)?, &others)?;
        for (row, latent) in (0..).zip(block) {
            // A latent is not its own neighbour.
            let own = living.partition_point(|living| living < latent) as i64;
            let _ = cosines.f_get(row)?.f_narrow(0, own, 1)?.f_fill_(-2.0)?;
        }
        cosines = cosines.f_amax([-1i64].as_slice(), false)?;
        for (latent, cosine) in block.iter().zip(numbers(&cosines)?) {
            found[*latent as usize] = Some(cosine as f32);
        }
    }
    Ok(found)
}

/// Returns of each latent the `count` others with the largest decoder cosines, and these.
///
/// # Errors
/// Too little memory; `check` says that the work is to stop.
pub(super) fn nearest_decoders(
    sae: &SparseAutoEncoder,
    count: usize,
    check: impl Fn() -> Result<()>,
) -> Result<Vec<Vec<Neighbour>>> {
    let unit = directions(sae)?;
    let latents = unit.size()[0];
    let count = (count as i64).min(latents - 1);
    let mut found = Vec::with_capacity(latents as usize);
    if count < 1 {
        found.resize(latents as usize, Vec::new());
        return Ok(found);
    }
    for start in (0..latents).step_by(BLOCK as usize) {
        check()?;
        let length = BLOCK.min(latents - start);
        let cosines = product::matmul(&unit.f_narrow(0, start, length)?, &unit.f_tr()?)?;
        // A latent is not its own neighbour.
        let _ = cosines
            .f_narrow(1, start, length)?
            .f_fill_diagonal_(-2.0, false)?;
        let (values, places) = cosines.f_topk(count, -1, true, true)?;
        let values = numbers(&values.f_reshape([-1])?)?;
        let places = Vec::<i64>::try_from(places.f_to_device(Device::Cpu)?.f_reshape([-1])?)?;
        let pairs = places.iter().zip(&values).map(|(latent, value)| Neighbour {
            latent: *latent as u32,
            value: *value as f32,
        });
        let pairs: Vec<Neighbour> = pairs.collect();
        found.extend(pairs.chunks(count as usize).map(<[Neighbour]>::to_vec));
    }
    Ok(found)
}

/// Returns norms, cosines and products of the decoder rows of each latent of a dictionary with several decoders; nothing
/// for others.
///
/// # Errors
/// Too little memory.
pub(super) fn heads(sae: &SparseAutoEncoder) -> Result<Vec<Heads>> {
    if sae.cfg.hooks.heads().is_none() {
        return Ok(Vec::new());
    }
    // (H, S, d) to (S, H, d).
    let decoder = sae
        .parameter("W_D")?
        .f_detach()?
        .f_to_kind(Kind::Float)?
        .f_transpose(0, 1)?;
    let inner = product::matmul(&decoder, &decoder.f_transpose(1, 2)?)?;
    let norm = norms(&decoder)?.f_squeeze_dim(-1)?;
    let cosines = inner.f_div(
        &norm
            .f_unsqueeze(2)?
            .f_mul(&norm.f_unsqueeze(1)?)?
            .f_clamp_min(1e-30)?,
    )?;
    let heads = norm.size()[1] as usize;
    let [norm, cosines, inner] = [&norm, &cosines, &inner].map(|values| numbers(&values.f_reshape([-1])?));
    let (norm, cosines, inner) = (norm?, cosines?, inner?);
    let floats = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
    let rows = norm
        .chunks(heads)
        .zip(cosines.chunks(heads * heads))
        .zip(inner.chunks(heads * heads));
    Ok(rows
        .map(|((norm, cosines), inner)| Heads {
            norms: floats(norm),
            cosines: floats(cosines),
            inner: floats(inner),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::from_value;
    use crate::dictionary::SAEConfig;

    #[test]
    fn the_nearest_that_lives_is_found_behind_any_number_of_dead_ones() {
        let latents = 40i64;
        let cfg = json!({
            "hook_point_in": "in", "hook_point_out": "in", "d_model": 2, "d_sae": latents, "act_fn": "relu",
        });
        let mut sae =
            SparseAutoEncoder::zeros(from_value::<SAEConfig>(cfg).expect("settings")).expect("made");
        // Directions a degree apart: the nearest of a latent are those beside it.
        let angles = (Tensor::arange(latents, (Kind::Float, Device::Cpu))).deg2rad();
        let rows = Tensor::stack(&[angles.cos(), angles.sin()], 1);
        sae.set_parameter("W_D", &rows).expect("set");
        let nearest = nearest_decoders(&sae, 10, || Ok(())).expect("found");
        let lives: Vec<bool> = (0..latents).map(|at| [0, 25, 38, 39].contains(&at)).collect();
        let found = nearest_living(&sae, &nearest, &lives, || Ok(())).expect("found");
        let degrees = |at: usize| {
            f64::from(found[at].expect("one lives"))
                .acos()
                .to_degrees()
                .round()
        };
        assert_eq!([0, 25, 38, 39].map(degrees), [25.0, 13.0, 1.0, 1.0]);
        assert!(found[1].is_none(), "it is dead");
        let alone: Vec<bool> = (0..latents).map(|at| at == 3).collect();
        let found = nearest_living(&sae, &nearest, &alone, || Ok(())).expect("found");
        assert!(found.iter().all(Option::is_none), "no other lives");
    }
}
