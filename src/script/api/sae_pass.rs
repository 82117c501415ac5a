//! Passes through a dictionary that a script holds.

use rhai::{Dynamic, Map};

use super::own_pieces::OwnPieces;
use super::sae_handle::SparseAutoEncoderHandle;
use super::tensor::TensorHandle;
use crate::dictionary::Pass;
use crate::error::Result;
use crate::script::arguments::Arguments;
use crate::tensor::{Tensor, no_grad_guard};

/// What `encode` and `forward` may be told in a map: `mask`, `k`, and `encode` `return_hidden_pre`.
#[derive(Default)]
pub struct PassOptions {
    mask: Option<TensorHandle>,
    k: Option<i64>,
    /// `encode` also gives the pre-activations.
    with_hidden_pre: bool,
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
        let with_hidden_pre =
            arguments.knows("return_hidden_pre") && arguments.data("return_hidden_pre")?.unwrap_or(false);
        arguments.finish()?;
        Ok(PassOptions {
            mask,
            k,
            with_hidden_pre,
        })
    }

    /// Returns them with a mask alone.
    pub fn of_mask(mask: TensorHandle) -> Self {
        PassOptions {
            mask: Some(mask),
            ..Self::default()
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

/// Returns the activations of the latents, or where `options` ask for it a map of `feature_acts` and `hidden_pre`.
///
/// # Errors
/// What does not fit the dictionary.
pub fn encoded_as_asked(
    sae: &SparseAutoEncoderHandle,
    x: &TensorHandle,
    options: &PassOptions,
) -> Result<Dynamic> {
    if !options.with_hidden_pre {
        return encoded(sae, x, options).map(Dynamic::from);
    }
    let _guard = no_grad_guard();
    let pieces = OwnPieces::of_activation(sae.activation());
    let encoded = sae.get()?.encode_with(x.tensor(), &options.pass(&pieces))?;
    let tensor = |x: Tensor| Dynamic::from(TensorHandle::new(x));
    Ok(Dynamic::from(Map::from_iter([
        ("feature_acts".into(), tensor(encoded.feature_acts)),
        ("hidden_pre".into(), tensor(encoded.hidden_pre)),
    ])))
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
