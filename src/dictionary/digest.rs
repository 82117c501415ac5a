//! What a dictionary in memory holds, in a line, so that two can be compared wherever they came from.

use super::scale::NormActivation;
use super::variant::SparseAutoEncoder;
use crate::config::Value;
use crate::error::Result;
use crate::identity;
use crate::tensor::{Device, Kind, Tensor, no_grad_guard};

/// Numbers that are digested at a time.
const PIECE: usize = 1 << 20;

impl SparseAutoEncoder {
    /// Returns a checksum of its settings and weights, `xxh3 0123456789abcdef`. An activation scale that can be folded into
    /// the weights counts as folded, and numbers count as float32, so that the same dictionary has the same checksum
    /// however it was loaded.
    ///
    /// # Errors
    /// Too little memory.
    pub fn digest(&self) -> Result<String> {
        let _no_grad = no_grad_guard();
        let hooks = || self.cfg.reads().into_iter().chain(self.cfg.writes());
        let knows_its_norms = hooks().all(|hook| self.dataset_norm(hook).is_some());
        let folds = self.cfg.norm_activation == NormActivation::DatasetWise
            && self.cfg.variant.folds(&self.cfg)
            && knows_its_norms;
        if folds {
            let mut folded = self.copy()?;
            folded.standardize_parameters_of_dataset_norm()?;
            return folded.digest();
        }
        let mut text = Value::Object(self.cfg.architecture()?).to_string();
        if self.cfg.norm_activation == NormActivation::DatasetWise {
            text += &format!("\n{:?}", self.dataset_norms);
        }
        for (name, values) in self.named_parameters() {
            text += &format!("\n{name} {:?}", values.size());
            for digest in digests(values)? {
                text += &format!(" {digest}");
            }
        }
        Ok(identity::of_text(&text))
    }
}

fn digests(values: &Tensor) -> Result<Vec<String>> {
    let values = values
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Float)?;
    let values = Vec::<f32>::try_from(values.f_reshape([-1])?)?;
    let bytes = |piece: &[f32]| -> Vec<u8> { piece.iter().flat_map(|value| value.to_le_bytes()).collect() };
    Ok(values
        .chunks(PIECE)
        .map(|piece| identity::content(&bytes(piece)))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::from_value;
    use crate::dictionary::SAEConfig;
    use crate::tensor::Kind;

    fn made(norm: &str) -> SparseAutoEncoder {
        let cfg = json!({
            "hook_point_in": "in", "hook_point_out": "in", "d_model": 4, "d_sae": 8, "act_fn": "relu",
            "norm_activation": norm,
        });
        let mut sae =
            SparseAutoEncoder::zeros(from_value::<SAEConfig>(cfg).expect("settings")).expect("made");
        let rows = Tensor::arange(32, (Kind::Float, Device::Cpu)).reshape([8, 4]);
        sae.set_parameter("W_D", &rows).expect("set");
        sae
    }

    #[test]
    fn weights_and_settings_count_and_folding_does_not() {
        let plain = made("inference");
        let digest = plain.digest().expect("digested");
        assert_eq!(digest, made("inference").digest().expect("digested"));
        assert_ne!(digest, made("token-wise").digest().expect("digested"), "settings");
        let mut other = plain.copy().expect("copied");
        let bias = Tensor::ones([4], (Kind::Float, Device::Cpu));
        other.set_parameter("b_D", &bias).expect("set");
        assert_ne!(digest, other.digest().expect("digested"), "weights");

        let mut scaled = made("dataset-wise");
        let unknown = scaled.digest().expect("digested");
        let norms = [("in".to_string(), 3.0)].into();
        scaled.set_dataset_average_activation_norm(norms).expect("set");
        let unfolded = scaled.digest().expect("digested");
        assert_ne!(unknown, unfolded);
        scaled.standardize_parameters_of_dataset_norm().expect("folded");
        assert_eq!(unfolded, scaled.digest().expect("digested"));
    }
}
