//! Batches with the structure that activations have: few of many directions in each token, some far more often than
//! others, and noise.

use std::collections::BTreeMap;

use saescript::Result;
use saescript::activations::Batch;
use saescript::tensor::{Device, Kind, Tensor};

use super::cases::Case;

/// Directions that a token is made of, and those that there are.
const CHOSEN: i64 = 40;
const DIRECTIONS: i64 = 4096;
/// The noise's part of the norm.
const NOISE: f64 = 0.3;
/// Tokens that are made at a time.
const PIECE: i64 = 512;
const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Returns `count` batches of a case.
pub fn batches(case: &Case, count: usize) -> Result<Vec<Batch>> {
    saescript::tensor::manual_seed(42);
    let directions = Tensor::f_randn([DIRECTIONS, case.d_model * case.heads], FLOAT)?;
    let directions = directions.f_div_scalar(((case.d_model * case.heads) as f64).sqrt())?;
    (0..count).map(|_| batch(case, &directions)).collect()
}

fn batch(case: &Case, directions: &Tensor) -> Result<Batch> {
    let mut pieces = Vec::new();
    let mut left = case.batch;
    while left > 0 {
        pieces.push(tokens(left.min(PIECE), directions)?);
        left -= PIECE;
    }
    let rows = Tensor::f_cat(&pieces, 0)?;
    let mut activations = BTreeMap::new();
    for head in 0..case.heads {
        let own = rows.f_narrow(1, head * case.d_model, case.d_model)?;
        let norm = own.f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)?;
        let scaled = own.f_mul_scalar((case.d_model as f64).sqrt())?.f_div(&norm)?;
        activations.insert(case.hook(head), scaled);
    }
    Ok(Batch {
        activations,
        tokens: Some(Tensor::f_zeros([case.batch], (Kind::Int64, Device::Cpu))?),
        mask: Some(Tensor::f_ones([case.batch], (Kind::Int, Device::Cpu))?),
        all_count: true,
        ..Batch::default()
    })
}

/// Returns `count` tokens: the frequencies of the directions follow Zipf's law.
fn tokens(count: i64, directions: &Tensor) -> Result<Tensor> {
    let frequency = Tensor::f_arange_start(1, DIRECTIONS + 1, FLOAT)?.f_reciprocal()?;
    let chosen = frequency.f_expand([count, DIRECTIONS], false)?;
    let chosen = chosen.f_multinomial(CHOSEN, false)?;
    let strength = Tensor::f_rand([count, CHOSEN], FLOAT)?.f_add_scalar(0.5)?;
    let strengths = Tensor::f_zeros([count, DIRECTIONS], FLOAT)?.f_scatter(1, &chosen, &strength)?;
    let signal = strengths.f_matmul(directions)?;
    let width = directions.size()[1] as f64;
    let share = signal
        .f_norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)?
        .f_mul_scalar(NOISE / width.sqrt())?;
    Ok(signal.f_randn_like()?.f_mul(&share)?.f_add(&signal)?)
}
