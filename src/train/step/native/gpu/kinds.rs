//! Every activation function and penalty by the kernels for GPUs, run on the processor, against the sparse step of the processor
//! and against automatic differentiation.

use std::rc::Rc;

use serde_json::{Value, json};

use super::tests::{EMULATED, LATENTS, TOKENS, WIDTH, dictionary, one_step, waves};
use crate::dictionary::{LossInput, LossSettings, Pass, SparseAutoEncoder};
use crate::kernels::cuda::emulated::Emulated;
use crate::tensor::{Device, Kind, Tensor};
use crate::train::dead::DeadTracker;
use crate::train::step::{AutogradEngine, Form, NativeEngine, StepEngine, StepOutput};

/// Returns a dictionary, the norms of whose decoder are about `size`.
fn sized(own: &Value, size: f64) -> SparseAutoEncoder {
    let mut sae = dictionary(own);
    let decoder = sae.parameter("W_D").expect("a decoder").detach();
    sae.set_parameter("W_D", &(decoder * (size / 1.27)))
        .expect("the shape fits");
    sae
}

fn engine(launcher: Option<Emulated>) -> NativeEngine {
    let mut engine = NativeEngine::new(Form::Sparse);
    engine.set_launcher(launcher.map(|launcher| Rc::new(launcher) as Rc<_>));
    engine
}

/// The largest difference, relative to the largest number; NaN has to be in the same places.
fn apart(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let wide = |x: &Tensor| x.to_kind(Kind::Double).nan_to_num(0.0, 1e300, -1e300);
    assert!(found.isnan().equal(&expected.isnan()), "NaN in other places");
    let size = wide(expected).abs().max().double_value(&[]).max(1e-3);
    (wide(found) - wide(expected)).abs().max().double_value(&[]) / size
}

fn compare(found: &StepOutput, expected: &StepOutput, names: &[&str], allowed: f64, what: &str) {
    let mut all = vec![
        ("the loss", &found.loss, &expected.loss),
        ("squared errors", &found.squared_error, &expected.squared_error),
        ("activity", &found.activity.0, &expected.activity.0),
        ("active latents", &found.activity.1, &expected.activity.1),
        ("fired", &found.fired, &expected.fired),
    ];
    let terms = found.terms.iter().zip(&expected.terms);
    all.extend(terms.map(|(found, expected)| (&*expected.name, &found.value, &expected.value)));
    let gradients = found.gradients.iter().zip(&expected.gradients);
    all.extend(
        names
            .iter()
            .zip(gradients)
            .map(|(name, (found, expected))| (*name, found, expected)),
    );
    for (name, found, expected) in all {
        let apart = apart(found, expected);
        assert!(apart <= allowed, "{what}: {name} differs by {apart}");
    }
}

fn penalties() -> [Value; 6] {
    [
        json!({}),
        json!({ "sparsity_loss_type": "power", "p": 1, "l1_coefficient": 0.7 }),
        json!({ "sparsity_loss_type": "power", "p": 3, "l1_coefficient": 0.7 }),
        json!({ "sparsity_loss_type": "tanh", "l1_coefficient": 0.2 }),
        json!({ "sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.2, "frequency_scale": 0.1 }),
        json!({ "auxk_coefficient": 0.5, "k_aux": 4, "sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.2 }),
    ]
}

/// Returns dictionaries with this activation function, with the norms of their decoders.
fn dictionaries(act: &str) -> Vec<(Value, f64)> {
    let with = |more: Value| {
        let mut own = json!({ "act_fn": act, "jumprelu_threshold_window": 0.6 });
        for (key, value) in more.as_object().expect("settings") {
            own[key] = value.clone();
        }
        own
    };
    vec![
        (with(json!({})), 1.27),
        (with(json!({ "sparsity_include_decoder_norm": false })), 1.27),
        // Many pairs are over their threshold, but off.
        (
            with(json!({ "jumprelu_threshold_window": 0.1, "use_decoder_bias": false })),
            0.2,
        ),
        (
            with(json!({ "sae_type": "matryoshka", "matryoshka_widths": [10, 30], "hook_point_out": "out" })),
            0.5,
        ),
    ]
}

#[test]
fn every_number_of_a_step_is_that_of_the_processor_and_of_automatic_differentiation() {
    for act in ["batchtopk", "relu", "jumprelu", "topk"] {
        for (own, size) in dictionaries(act) {
            let sae = sized(&own, size);
            let names: Vec<&str> = sae.parameters().iter().map(|parameter| parameter.name).collect();
            for mut loss in penalties() {
                if act == "jumprelu" {
                    loss["lp_coefficient"] = json!(0.3);
                }
                let k = act.ends_with("topk").then_some(7);
                let what = format!("{own} {loss}");
                let found = one_step(&mut engine(Some(EMULATED)), &sae, &loss, k);
                let expected = one_step(&mut engine(None), &sae, &loss, k);
                compare(&found, &expected, &names, 1e-5, &what);
                let expected = one_step(&mut AutogradEngine, &sae, &loss, k);
                compare(&found, &expected, &names, 1e-5, &what);
            }
        }
    }
}

#[test]
fn thresholds_without_a_penalty_and_with_the_pairs_of_a_step_have_the_same_gradients() {
    for (window, lp) in [(0.6, 0.0), (0.01, 0.3), (5.0, 0.3)] {
        let own = json!({ "act_fn": "jumprelu", "jumprelu_threshold_window": window });
        let sae = sized(&own, 0.6);
        let names: Vec<&str> = sae.parameters().iter().map(|parameter| parameter.name).collect();
        let loss = json!({ "lp_coefficient": lp });
        let found = one_step(&mut engine(Some(EMULATED)), &sae, &loss, None);
        let expected = one_step(&mut engine(None), &sae, &loss, None);
        compare(&found, &expected, &names, 1e-5, &format!("{window} {lp}"));
    }
}

#[test]
fn a_step_has_the_same_bits_in_any_order_of_blocks_and_threads() {
    for act in ["batchtopk", "relu", "jumprelu"] {
        let sae = sized(&json!({ "act_fn": act, "jumprelu_threshold_window": 0.6 }), 0.6);
        let loss = json!({ "sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.2, "lp_coefficient": 0.3 });
        let loss = if act == "jumprelu" {
            loss
        } else {
            penalties()[2].clone()
        };
        let steps: Vec<StepOutput> = [false, false, true]
            .into_iter()
            .map(|reversed| {
                let emulated = Emulated { reversed, ..EMULATED };
                one_step(&mut engine(Some(emulated)), &sae, &loss, None)
            })
            .collect();
        for other in &steps[1..] {
            assert_eq!(other.loss, steps[0].loss, "{act}");
            assert_eq!(other.gradients, steps[0].gradients, "{act}");
        }
    }
}

/// One step on inputs of one's own.
fn step_on(engine: &mut NativeEngine, sae: &SparseAutoEncoder, x: &Tensor) -> StepOutput {
    let mut dead = DeadTracker::new(sae.cfg.d_sae(), 1000.0, Device::Cpu).expect("a tracker");
    let settings = LossSettings {
        lp_coefficient: 0.1,
        ..LossSettings::default()
    };
    let input = LossInput { x, label: x };
    engine
        .compute(sae, &input, &settings, &Pass::default(), &mut dead)
        .expect("a step")
}

#[test]
fn odd_inputs_give_what_the_processor_gives() {
    for act in ["batchtopk", "relu", "jumprelu"] {
        let sae = sized(&json!({ "act_fn": act }), 0.8);
        let names: Vec<&str> = sae.parameters().iter().map(|parameter| parameter.name).collect();
        let plain = waves(&[TOKENS, WIDTH], 0.7);
        let zeros = plain.zeros_like();
        let one = plain.narrow(0, 0, 1);
        let tiny = &plain * 1e-41;
        let mixed = plain.copy();
        let _ = mixed.get(3).g_mul_scalar_(1e-30);
        let _ = mixed.get(4).zero_();
        let _ = mixed.get(5).g_mul_scalar_(1e6);
        let alike = plain.narrow(0, 2, 1).expand([TOKENS, WIDTH], false).contiguous();
        for (what, x) in [
            ("zeros", zeros),
            ("one token", one),
            ("tiny", tiny),
            ("mixed", mixed),
            ("alike", alike),
        ] {
            let found = step_on(&mut engine(Some(EMULATED)), &sae, &x);
            let expected = step_on(&mut engine(None), &sae, &x);
            compare(&found, &expected, &names, 1e-5, &format!("{act}, {what}"));
        }
    }
}

#[test]
fn what_is_no_number_reaches_the_loss() {
    for act in ["batchtopk", "relu", "jumprelu"] {
        let sae = sized(&json!({ "act_fn": act }), 0.8);
        for odd in [f64::NAN, f64::INFINITY] {
            let x = waves(&[TOKENS, WIDTH], 0.7);
            let _ = x.get(5).get(3).fill_(odd);
            let found = step_on(&mut engine(Some(EMULATED)), &sae, &x);
            let loss = found.loss.double_value(&[]);
            assert!(!loss.is_finite(), "{act}, {odd}: {loss}");
        }
    }
}

#[test]
fn no_latent_at_all_may_be_on() {
    for act in ["batchtopk", "relu", "jumprelu"] {
        let mut sae = sized(&json!({ "act_fn": act }), 0.8);
        let low = Tensor::full([LATENTS], -100.0, (Kind::Float, Device::Cpu));
        sae.set_parameter("b_E", &low).expect("the shape fits");
        let names: Vec<&str> = sae.parameters().iter().map(|parameter| parameter.name).collect();
        let x = waves(&[TOKENS, WIDTH], 0.7);
        let found = step_on(&mut engine(Some(EMULATED)), &sae, &x);
        assert_eq!(found.activity.1.int64_value(&[]), 0);
        compare(&found, &step_on(&mut engine(None), &sae, &x), &names, 1e-5, act);
    }
}

#[test]
fn the_form_follows_what_took_part_in_the_step_before() {
    let mut sae = sized(&json!({ "act_fn": "relu" }), 0.8);
    let x = waves(&[TOKENS, WIDTH], 0.7);
    let mut engine = NativeEngine::new(Form::Auto);
    engine.set_launcher(Some(Rc::new(EMULATED)));
    let screened = |engine: &NativeEngine| {
        let counted = engine.held.counted.as_ref();
        counted.map_or(0, |counted| counted.counts().expect("counts").rows as i64)
    };
    step_on(&mut engine, &sae, &x);
    step_on(&mut engine, &sae, &x);
    let most = engine.density().expect("it was counted");
    assert!(most > 0.3 && screened(&engine) == 0, "{most}");
    let low = Tensor::full([LATENTS], -2.5, (Kind::Float, Device::Cpu));
    let bias = sae.parameter("b_E").expect("biases").detach().copy();
    sae.set_parameter("b_E", &low).expect("the shape fits");
    step_on(&mut engine, &sae, &x);
    assert_eq!(screened(&engine), 0);
    step_on(&mut engine, &sae, &x);
    assert_eq!(screened(&engine), TOKENS);
    let few = engine.density().expect("it was counted");
    assert!(few > 0.0 && few < 0.12, "{few}");
    // More than was expected, and than there is room for: over all latents after all.
    sae.set_parameter("b_E", &bias).expect("the shape fits");
    let found = step_on(&mut engine, &sae, &x);
    assert_eq!(screened(&engine), 2 * TOKENS);
    assert_eq!(engine.density(), Some(most));
    let expected = step_on(&mut NativeEngine::new(Form::Dense), &sae, &x);
    let names: Vec<&str> = sae.parameters().iter().map(|parameter| parameter.name).collect();
    compare(&found, &expected, &names, 1e-5, "over all latents");
    step_on(&mut engine, &sae, &x);
    assert_eq!(screened(&engine), 2 * TOKENS);
}
