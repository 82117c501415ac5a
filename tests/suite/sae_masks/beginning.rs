//! What is measured before the first step.

use super::*;

/// A list of batches as a stream.
fn listed(forms: &[Forms], form: Form) -> Listed {
    let batches: Vec<Batch> = forms.iter().map(|forms| form(forms).share()).collect();
    Listed(batches.into_iter())
}

fn initialised(batches: &[Forms], form: Form) -> SparseAutoEncoder {
    let settings: InitializerConfig = from_value(json!({
        "seed": 3, "grid_search_init_norm": true, "bias_init_method": "geometric_median",
        "init_encoder_bias_with_mean_hidden_pre": true, "initialize_W_D_with_active_subspace": true,
        "d_active_subspace": 4,
    }))
    .expect("valid");
    let mut stream = listed(batches, form);
    let inputs = InitializerInputs {
        stream: Some(&mut stream),
        ..InitializerInputs::default()
    };
    Initializer::new(settings)
        .and_then(|it| {
            it.initialize_sae_from_config(
                &dictionary(&json!({"act_fn": "batchtopk"})).cfg,
                inputs,
                &RunContext::default(),
            )
        })
        .expect("initialised")
}

#[test]
fn norms_initial_weights_and_thresholds_do_not_depend_on_what_is_masked() {
    let mut numbers = Numbers(0.75);
    let batches: Vec<Forms> = (0..9).map(|index| forms(&mut numbers, index % 2 == 0)).collect();
    let norm = |form: Form| {
        let batches: Vec<Batch> = batches.iter().map(|forms| form(forms).share()).collect();
        average_norms(&batches, &[HOOK]).expect("norms")[HOOK]
    };
    let rows: Vec<Tensor> = batches
        .iter()
        .map(|forms| forms.bare.activations[HOOK].copy())
        .collect();
    let lengths = Tensor::cat(&rows, 0).norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
    // The mean over all tokens, not of the means of batches, which differ in size here.
    let expected = lengths.mean(Kind::Double).double_value(&[]);
    for form in [masked as Form, padded, bare] {
        assert!(apart(norm(form), expected) < 1e-12);
    }
    let ours = initialised(&batches, masked);
    for form in [padded as Form, bare] {
        let theirs = initialised(&batches, form);
        for ((name, ours), (_, theirs)) in ours.named_parameters().iter().zip(theirs.named_parameters()) {
            assert!(distance(ours, theirs) < 1e-12, "{name}");
        }
    }
    let threshold = |form: Form| {
        let sae = dictionary(&json!({"act_fn": "batchtopk"}));
        let converted = convert_to_jumprelu(&sae, &mut listed(&batches, form), 20, &RunContext::default());
        let log = converted
            .expect("converted")
            .parameter(LOG_THRESHOLD)
            .expect("there")
            .double_value(&[0]);
        log.exp()
    };
    let ours = threshold(bare);
    assert!(apart(ours, threshold(masked)) < 1e-12);
    assert!(apart(ours, threshold(padded)) < 1e-12);
}
