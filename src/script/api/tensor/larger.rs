//! Functions that put a tensor into a larger one.

use rhai::Dynamic;

use super::call::{Call, one};
use super::definition::{Body, Function, Home, Memory};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// Pairs of numbers of entries before and after, from the last dimension on; negative ones take entries away.
fn pad(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let pads = call.sizes("pad")?;
    let shape = tensor.size();
    if !pads.len().is_multiple_of(2) || pads.len() > 2 * shape.len() {
        let sentence = format!(
            "`pad` has two numbers for each of up to {} dimensions, the last dimension first, but was given {}",
            shape.len(),
            pads.len()
        );
        return Err(Error::input(sentence).under("pad"));
    }
    let mut padded = shape.clone();
    for (size, pair) in padded.iter_mut().rev().zip(pads.chunks(2)) {
        *size = size.saturating_add(pair[0]).saturating_add(pair[1]).max(0);
    }
    size::admit(&padded, tensor.kind(), tensor.device())?;
    let mode = call.text("mode")?;
    let modes = ["constant", "reflect", "replicate", "circular"];
    if !modes.contains(&mode.as_str()) {
        return Err(Error::unknown("mode", &mode, &modes).under("mode"));
    }
    if mode != "constant" && !call.lacks("value") {
        return Err(Error::input(format!("mode {mode:?} takes no value")).under("value"));
    }
    let value = call.optional_number("value")?;
    one(tensor.f_pad(&pads, &mode, value))
}

fn flat_diagonal(tensor: &Tensor, call: &Call<'_>) -> Result<Dynamic> {
    let offset = call.int("offset")?;
    let side = (tensor.numel() as i64).saturating_add(offset.saturating_abs());
    size::admit(&[side, side], tensor.kind(), tensor.device())?;
    one(tensor.f_diagflat(offset))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    Function::new(
        "pad",
        "Returns the tensor with entries before and after those along the last dimensions: `pad` has two numbers for the last \
         dimension, then two for the one before it. `mode` is \"constant\", with `value` (0), \"reflect\", \"replicate\" or \
         \"circular\"; negative numbers take entries away.",
        Home::Functional,
        Memory::Own,
        &[(
            "pad: int|array, mode: string = \"constant\", value: number? = ()",
            Body::Of(pad),
        )],
    ),
    Function::own(
        "diagflat",
        "Returns the matrix with all elements of the tensor on a diagonal, `offset` above (or below) the main one.",
        Home::Both,
        &[("offset: int = 0", Body::Of(flat_diagonal))],
    ),
];
