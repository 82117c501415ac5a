//! [`LanguageModel`] as the model of a factory.

use std::sync::Arc;

use super::model::{ActivationModel, Capture, Encoder};
use crate::activations::stats::StreamMemory;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::model::LanguageModel;
use crate::tensor::{Device, product};

impl ActivationModel for LanguageModel {
    fn plan(self: Arc<Self>, hook_points: &[String]) -> Result<Capture> {
        let plan = LanguageModel::plan(&self, hook_points)?;
        Ok(Box::new(move |tokens| self.capture_planned(tokens, &plan)))
    }

    fn check_hook_point(&self, hook_point: &str) -> Result<()> {
        LanguageModel::check_hook_point(self, hook_point).map(drop)
    }

    fn device(&self) -> Device {
        LanguageModel::device(self)
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        LanguageModel::fingerprint(self)
    }

    fn memory(&self, tokens: usize, kept: usize) -> StreamMemory {
        let Ok(config) = self.cfg() else {
            return StreamMemory::default();
        };
        let (kind, device) = (self.dtype().kind(), LanguageModel::device(self));
        let size = self.dtype().size() as u64;
        // What is multiplied in another dtype is there in both.
        let wide = product::instead_of(kind, device).map_or(0, |wide| wide.elt_size_in_bytes() as u64);
        // What is kept is there until the pass ends.
        let of_a_token = (config.numbers_of_a_token() as u64)
            .saturating_mul(size + wide)
            .saturating_add((kept as u64).saturating_mul(config.d_model as u64 * size));
        StreamMemory {
            model: (config.n_parameters() as u64).saturating_mul(size),
            pass: (tokens as u64).saturating_mul(of_a_token),
            batches: 0,
        }
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        Arc::new(self.clone())
    }
}

impl Encoder for LanguageModel {
    /// The BOS token comes in front only where both the source and the model's configuration want it.
    fn encode(&self, text: &str, prepend_bos: bool, limit: usize) -> Result<Vec<i64>> {
        let prepend_bos = prepend_bos && self.config().prepend_bos;
        self.tokenizer().encode(text, prepend_bos, Some(limit))
    }

    fn max_length(&self) -> usize {
        LanguageModel::max_length(self)
    }

    fn bos_id(&self) -> Option<i64> {
        self.tokenizer().bos_token_id()
    }

    fn pad_id(&self) -> Option<i64> {
        self.tokenizer().pad_token_id()
    }
}
