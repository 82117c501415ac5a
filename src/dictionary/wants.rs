//! What a dictionary looks at at a time.

/// What a dictionary looks at at a time, which decides what the batches of its activations hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wants {
    /// Tokens, each by itself: `(n, d_model)`, from any position of any sequence. Positions that do not count are left out
    /// before it sees them. Batches of sequences do as well, and are taken token by token.
    #[default]
    Tokens,
    /// Whole sequences, `(batch, seq, d_model)`: what it computes at a position may depend on others. Positions that do
    /// not count keep their place, are named in the [`Pass`](super::Pass), and have no part in the loss; but what a step
    /// counts besides (tokens, firing, metrics) is over all positions.
    Sequences,
}

#[cfg(test)]
pub(crate) mod whole {
    use std::sync::Arc;

    use serde_json::json;

    use super::Wants;
    use crate::config::{Checked, Value, from_value};
    use crate::dictionary::{Pass, SAEConfig, SparseAutoEncoder, Variant};
    use crate::error::Result;
    use crate::tensor::{Kind, Tensor};

    /// A plain dictionary whose encoder sees the mean of all positions up to its own.
    #[derive(Debug)]
    struct Whole;

    impl Variant for Whole {
        fn name(&self) -> &'static str {
            "whole"
        }

        fn settings(&self) -> Result<Value> {
            Ok(json!({}))
        }

        fn wants(&self) -> Wants {
            Wants::Sequences
        }

        fn hidden_pre(&self, sae: &SparseAutoEncoder, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
            let length = x.size()[1];
            let places = Tensor::f_arange_start(1, length + 1, (Kind::Float, x.device()))?;
            let means = x
                .f_cumsum(1, Kind::Float)?
                .f_div(&places.f_reshape([1, length, 1])?)?;
            Ok(pass
                .product(&means, sae.parameter("W_E")?)?
                .f_add(sae.parameter("b_E")?)?)
        }
    }

    /// Returns the settings of a dictionary that wants sequences, of activations 4 wide at the hook point "h".
    pub(crate) fn config() -> Checked<SAEConfig> {
        let plain = json!({
            "hook_point_in": "h", "hook_point_out": "h", "d_model": 4, "d_sae": 8, "act_fn": "relu",
            "norm_activation": "inference",
        });
        let mut cfg: SAEConfig = from_value(plain).expect("valid");
        cfg.variant = Arc::new(Whole);
        Checked::new(cfg).expect("valid")
    }
}
