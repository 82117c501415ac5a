//! Dictionaries in other forms: `to_jumprelu`, `to_saelens`.

use rhai::plugin::*;
use rhai::{Map, Module};

use super::sae::SparseAutoEncoderHandle;
use super::stream::ActivationStreamHandle;
use crate::error::Result;
use crate::script::arguments::Arguments;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::script::state::State;
use crate::train::convert_to_jumprelu;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "convert", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Batches that a threshold is averaged over, if nothing is said.
const BATCHES: u64 = 32;

fn jumprelu(
    context: &NativeCallContext,
    sae: &SparseAutoEncoderHandle,
    stream: &ActivationStreamHandle,
    options: Map,
) -> Result<SparseAutoEncoderHandle> {
    let mut arguments = Arguments::new("SparseAutoEncoder", "to_jumprelu", options);
    let batches = arguments.data("batches")?.unwrap_or(BATCHES);
    arguments.finish()?;
    let state = State::of(context);
    let sae = sae.get()?;
    stream
        .with(|stream| convert_to_jumprelu(&sae, stream, batches, state.context()))
        .map(SparseAutoEncoderHandle::new)
}

#[export_module(manifest)]
mod functions {
    /// Returns a topk or batchtopk dictionary as jumprelu: its threshold is the smallest positive activation of a
    /// batch, averaged over 32 batches of the stream. Other activation functions and kinds are refused.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn to_jumprelu(
        context: NativeCallContext,
        sae: &mut SparseAutoEncoderHandle,
        activation_stream: ActivationStreamHandle,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        jumprelu(&context, sae, &activation_stream, Map::new()).raise()
    }

    /// Returns a topk or batchtopk dictionary as jumprelu, with the threshold averaged over `#{ batches: 32 }` of the
    /// stream.
    #[rhai_fn(name = "to_jumprelu", return_raw, pure, volatile)]
    pub fn to_jumprelu_with(
        context: NativeCallContext,
        sae: &mut SparseAutoEncoderHandle,
        activation_stream: ActivationStreamHandle,
        options: Map,
    ) -> RhaiResultOf<SparseAutoEncoderHandle> {
        jumprelu(&context, sae, &activation_stream, options).raise()
    }

    /// Writes the dictionary into a folder in SAELens's format, `cfg.json` and `sae_weights.safetensors`, with the
    /// measured norms folded in; `model_name` goes into its records. What SAELens has no place for is refused:
    /// crosscoders, batchtopk, transcoders that are topk or gated, `use_glu_encoder`, activation functions of one's
    /// own, token-wise and batch-wise norms.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn to_saelens(sae: &mut SparseAutoEncoderHandle, folder: &str, model_name: &str) -> RhaiResultOf<()> {
        sae.get()
            .and_then(|sae| sae.to_saelens(folder, model_name))
            .raise()
    }
}
