//! Passes through a dictionary that a script holds.

use rhai::Map;

use super::own_pieces::OwnPieces;
use super::sae_handle::SparseAutoEncoderHandle;
use super::tensor::TensorHandle;
use crate::dictionary::Pass;
use crate::error::Result;
use crate::script::arguments::Arguments;
use crate::tensor::no_grad_guard;

/// What `encode` and `forward` may be told in a map: `mask` and `k`.
#[derive(Default)]
pub struct PassOptions {
    mask: Option<TensorHandle>,
    k: Option<i64>,
}

impl PassOptions {
    /// Takes them out of the arguments of a call.
    ///
    /// # Errors
    /// An argument that there is not, or of another type.
    pub fn new(function: &'static str, options: Map) -> Result<Self> {
        let mut arguments = Arguments::new("SparseAutoEncoder", function, options);
        let mask = arguments.optional("mask", "a tensor with one number for each position")?;
        let k = arguments.data("k")?;
        arguments.finish()?;
        Ok(PassOptions { mask, k })
    }

    /// Returns them with a mask alone.
    pub fn of_mask(mask: TensorHandle) -> Self {
        PassOptions {
            mask: Some(mask),
            k: None,
        }
    }

    fn pass<'a>(&'a self, pieces: &'a OwnPieces) -> Pass<'a> {
        Pass {
            custom: pieces.custom(),
            k: self.k,
            ..Pass::counting(self.mask.as_ref().map(TensorHandle::tensor))
        }
    }
}

/// Returns the activations of the latents.
///
/// # Errors
/// What does not fit the dictionary.
pub fn encoded(
    sae: &SparseAutoEncoderHandle,
    x: &TensorHandle,
    options: &PassOptions,
) -> Result<TensorHandle> {
    let _guard = no_grad_guard();
    let pieces = OwnPieces::of_activation(sae.activation());
    let encoded = sae.get()?.encode_with(x.tensor(), &options.pass(&pieces))?;
    Ok(TensorHandle::new(encoded.feature_acts))
}

/// Returns the reconstruction.
///
/// # Errors
/// What does not fit the dictionary.
pub fn reconstructed(
    sae: &SparseAutoEncoderHandle,
    x: &TensorHandle,
    options: &PassOptions,
) -> Result<TensorHandle> {
    let _guard = no_grad_guard();
    let pieces = OwnPieces::of_activation(sae.activation());
    let reconstructed = sae.get()?.forward_with(x.tensor(), &options.pass(&pieces))?;
    Ok(TensorHandle::new(reconstructed))
}
