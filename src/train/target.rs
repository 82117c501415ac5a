//! Which batches a dictionary can be trained on: single tokens, or whole sequences.

use crate::activations::ActivationFactoryTarget;
use crate::dictionary::{SAEConfig, Wants};
use crate::error::{Error, Result};

/// Returns the target of an activation factory that makes the batches which dictionaries of `sae` want.
pub fn target_of(sae: &SAEConfig) -> ActivationFactoryTarget {
    match sae.variant.wants() {
        Wants::Tokens => ActivationFactoryTarget::Activations1D,
        Wants::Sequences => ActivationFactoryTarget::Activations2D,
    }
}

/// Refuses a factory's target whose batches do not hold what dictionaries of `sae` look at.
///
/// # Errors
/// They look at sequences, and the batches have none.
pub fn check_target(sae: &SAEConfig, target: ActivationFactoryTarget) -> Result<()> {
    let wanted = target_of(sae);
    if sae.variant.wants() == Wants::Tokens || target == wanted {
        return Ok(());
    }
    Err(
        no_sequences(sae, &format!("the target \"{target}\" gives single tokens"))
            .hint(format!("use \"{wanted}\", and set `context_size`"))
            .under("target"),
    )
}

/// Refuses a batch whose `positions` are not those of sequences where dictionaries of `sae` look at these.
///
/// # Errors
/// They look at sequences, and the batch has none.
pub(super) fn check_positions(sae: &SAEConfig, positions: &[i64]) -> Result<()> {
    if sae.variant.wants() == Wants::Tokens || positions.len() == 2 {
        return Ok(());
    }
    Err(no_sequences(
        sae,
        &format!("these batches have positions of shape {positions:?}, not (batch, seq)"),
    )
    .hint(format!(
        "set `target` of the activation factory to \"{}\", and `context_size`",
        target_of(sae)
    )))
}

fn no_sequences(sae: &SAEConfig, but: &str) -> Error {
    Error::input(format!(
        "a dictionary of sae_type \"{}\" looks at whole sequences, but {but}",
        sae.variant.name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::{Batch, BatchStream};
    use crate::config::from_value;
    use crate::dictionary::wants::whole;
    use crate::dictionary::{LossSettings, Pass, SparseAutoEncoder};
    use crate::event::RunContext;
    use crate::tensor::{Device, Kind, Tensor};
    use crate::train::{
        Initializer, InitializerConfig, InitializerInputs, Trainer, TrainerConfig, batch_loss,
    };

    fn batch(shape: &[i64], mask: Option<Tensor>) -> Batch {
        let numbers = Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu));
        Batch {
            activations: [("h".to_string(), (numbers * 0.7).sin().reshape(shape))].into(),
            mask,
            ..Batch::default()
        }
    }

    fn trainer() -> Trainer {
        let cfg = serde_json::json!({
            "amp_dtype": "float32", "total_training_tokens": 120, "lr": 0.01, "lr_warm_up_steps": 0, "log_frequency": 1,
        });
        Trainer::new(from_value::<TrainerConfig>(cfg).expect("valid")).expect("a trainer")
    }

    struct One(Option<Batch>);

    impl BatchStream for One {
        fn next_batch(&mut self) -> Result<Option<Batch>> {
            Ok(self.0.take())
        }
    }

    #[test]
    fn what_a_dictionary_wants_decides_the_target() {
        let plain: SAEConfig = from_value(serde_json::json!({
            "hook_point_in": "h", "hook_point_out": "h", "d_model": 4, "d_sae": 8,
        }))
        .expect("valid");
        use ActivationFactoryTarget::{Activations1D, Activations2D};
        assert_eq!(
            (target_of(&plain), target_of(&whole::config())),
            (Activations1D, Activations2D)
        );
        for target in [Activations1D, Activations2D] {
            check_target(&plain, target).expect("tokens are in both");
        }
        check_target(&whole::config(), Activations2D).expect("sequences");
        let error = check_target(&whole::config(), Activations1D).expect_err("single tokens");
        assert_eq!(error.key_path(), "target");
        assert!(error.to_string().contains("use \"activations-2d\""), "{error}");
    }

    #[test]
    fn single_tokens_are_refused_before_anything_moves() {
        let mut sae = SparseAutoEncoder::new(whole::config()).expect("a dictionary");
        let before = sae.parameter("W_E").expect("there").copy();
        let error = trainer()
            .step(&mut sae, &batch(&[12, 4], None))
            .err()
            .expect("refused");
        assert!(
            error.to_string().contains("\"whole\" looks at whole sequences")
                && error
                    .to_string()
                    .contains("set `target` of the activation factory to \"activations-2d\""),
            "{error}"
        );
        assert!(before.equal(sae.parameter("W_E").expect("there")));
        let cfg = serde_json::json!({"bias_init_method": "geometric_median"});
        let initializer =
            Initializer::new(from_value::<InitializerConfig>(cfg).expect("valid")).expect("one");
        let with = |batch: Batch| {
            let inputs = InitializerInputs {
                stream: Some(&mut One(Some(batch))),
                ..InitializerInputs::default()
            };
            initializer.initialize_sae_from_config(whole::config(), inputs, &RunContext::default())
        };
        let error = with(batch(&[12, 4], None)).expect_err("refused");
        assert!(error.to_string().contains("looks at whole sequences"), "{error}");
        with(batch(&[3, 4, 4], None)).expect("made");
    }

    #[test]
    fn sequences_stay_whole_and_what_does_not_count_has_no_part_in_the_loss() {
        let mut sae = SparseAutoEncoder::new(whole::config()).expect("a dictionary");
        let mask = Tensor::ones([3, 4], (Kind::Float, Device::Cpu));
        let _ = mask.narrow(1, 0, 1).fill_(0.0);
        let masked = batch(&[3, 4, 4], Some(mask));
        // What the dictionary gives with the first positions in their places, over the others.
        let loss =
            batch_loss(&sae, &masked, &LossSettings::default(), &Pass::default(), None).expect("a loss");
        let x = &masked.activations["h"];
        let whole = (sae.forward(x).expect("encoded") - x).square().sum_dim_intlist(
            [-1i64].as_slice(),
            false,
            Kind::Float,
        );
        let expected = whole.narrow(1, 1, 3).mean(Kind::Float).double_value(&[]);
        assert!((loss.loss.double_value(&[]) - expected).abs() < 1e-6);
        let mut trainer = trainer();
        let report = trainer.step(&mut sae, &masked).expect("a step");
        let stepped = report.terms[0].value.double_value(&[]);
        assert!((stepped - expected).abs() < 1e-6, "{stepped} {expected}");
        assert_eq!(trainer.total_steps(), Some(10), "12 rows in a batch");
    }
}
