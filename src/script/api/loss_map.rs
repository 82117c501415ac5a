//! A loss as scripts see it.

use rhai::{Dynamic, Map};

use super::tensor::TensorHandle;
use crate::dictionary::LossTerms;
use crate::tensor::Tensor;

/// Returns the terms and tensors of a loss by name.
pub fn loss_map(terms: &LossTerms) -> Map {
    let tensor = |tensor: &Tensor| Dynamic::from(TensorHandle::new(tensor.shallow_clone()));
    let mut map: Map = terms
        .terms
        .iter()
        .map(|term| (term.name.as_str().into(), tensor(&term.value)))
        .collect();
    for (name, value) in [
        ("loss", &terms.loss),
        ("feature_acts", &terms.feature_acts),
        ("hidden_pre", &terms.hidden_pre),
        ("reconstructed", &terms.reconstructed),
    ] {
        map.insert(name.into(), tensor(value));
    }
    map
}
