//! Matryoshka and gated dictionaries against one step of SAELens and dictionary_learning.
//!
//! Their encoders read x − b_dec, ours reads x: a bias b of theirs is b − b_dec W here, and their gradients follow by the
//! chain rule.

use saescript::config::from_value;
use saescript::dictionary::{LossInput, LossSettings, LossTerms, Pass, SparseAutoEncoder};
use saescript::tensor::Tensor;
use serde_json::json;

use super::{dictionary, fixtures};
use crate::fixtures::{distance, tensor, tensors};

const HOOK: &str = "blocks.0.hook_resid_post";
const STEP: f64 = 1e-5;

struct Peer {
    file: saescript::tensor::safetensors::SafeFile,
    name: &'static str,
}

impl Peer {
    fn new(name: &'static str) -> Self {
        Peer {
            file: tensors(fixtures().join("peers.safetensors")),
            name,
        }
    }

    fn at(&self, key: &str) -> Tensor {
        tensor(&self.file, &format!("{}/{key}", self.name))
    }

    fn x(&self) -> Tensor {
        tensor(&self.file, "x")
    }

    fn is(&self, what: &str, ours: &Tensor) {
        let apart = distance(ours, &self.at(what));
        assert!(apart < STEP, "{}, {what}: {apart:.1e} apart", self.name);
    }
}

/// One step on the peer's activations.
fn step(sae: &SparseAutoEncoder, x: &Tensor, settings: serde_json::Value) -> LossTerms {
    let settings: LossSettings = from_value(settings).expect("valid");
    let terms = sae
        .compute_loss(&LossInput { x, label: x }, &settings, &Pass::default(), None)
        .expect("a loss");
    terms.loss.backward();
    terms
}

fn gradient(sae: &SparseAutoEncoder, name: &str) -> Tensor {
    sae.parameter(name).expect("there").grad()
}

#[test]
fn a_matryoshka_step_is_saelens() {
    let peer = Peer::new("saelens_matryoshka");
    for prefixes in [
        json!({"matryoshka_widths": [12, 24, 48]}),
        json!({"matryoshka_widths": [12, 24]}),
        json!({"matryoshka_fractions": [0.25, 0.5], "matryoshka_weights": [1.0, 1.0, 1.0]}),
    ] {
        let mut cfg = json!({
            "sae_type": "matryoshka", "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 12, "d_sae": 48,
            "act_fn": "batchtopk", "top_k": 4, "norm_activation": "inference",
        });
        cfg.as_object_mut()
            .expect("a table")
            .extend(prefixes.as_object().expect("a table").clone());
        let mut sae = dictionary(cfg);
        let (w_enc, b_dec) = (peer.at("param.W_enc"), peer.at("param.b_dec"));
        let b_e = peer.at("param.b_enc") - b_dec.matmul(&w_enc);
        for (name, values) in [
            ("W_E", &w_enc),
            ("b_E", &b_e),
            ("W_D", &peer.at("param.W_dec")),
            ("b_D", &b_dec),
        ] {
            sae.set_parameter(name, values).expect("set");
        }
        let terms = step(&sae, &peer.x(), json!({}));
        let norms = sae.decoder_norm().expect("norms");
        peer.is("loss", &terms.loss);
        peer.is("loss.mse_loss", terms.term("l_rec").expect("there"));
        peer.is("loss.inner_mse_loss_12", terms.term("l_rec_12").expect("there"));
        peer.is("loss.inner_mse_loss_24", terms.term("l_rec_24").expect("there"));
        peer.is("reconstructed", &terms.reconstructed);
        peer.is("feature_acts", &(&terms.feature_acts * norms));
        let g_b_e = gradient(&sae, "b_E");
        peer.is("grad.W_dec", &gradient(&sae, "W_D"));
        peer.is("grad.b_enc", &g_b_e);
        peer.is("grad.W_enc", &(gradient(&sae, "W_E") - b_dec.outer(&g_b_e)));
        peer.is("grad.b_dec", &(gradient(&sae, "b_D") - w_enc.matmul(&g_b_e)));
    }
}

/// Names of the peer's parameters, and whether its matrices are transposed.
struct Names {
    w_enc: &'static str,
    w_dec: &'static str,
    b_dec: &'static str,
    b_gate: &'static str,
    b_mag: &'static str,
    transposed: bool,
}

fn gated_step(peer: &Peer, names: &Names, own: serde_json::Value, settings: serde_json::Value) -> LossTerms {
    let matrix = |x: Tensor| {
        if names.transposed {
            x.transpose(0, 1).contiguous()
        } else {
            x
        }
    };
    let mut cfg = json!({
        "sae_type": "gated", "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": 12, "d_sae": 48,
        "norm_activation": "inference",
    });
    cfg.as_object_mut()
        .expect("a table")
        .extend(own.as_object().expect("a table").clone());
    let mut sae = dictionary(cfg);
    let of = |name: &str| peer.at(&format!("param.{name}"));
    let (w_enc, b_dec, r_mag) = (matrix(of(names.w_enc)), of(names.b_dec), of("r_mag"));
    let shift = b_dec.matmul(&w_enc);
    let scale = r_mag.exp();
    for (name, values) in [
        ("W_E", &w_enc),
        ("b_gate", &(of(names.b_gate) - &shift)),
        ("r_mag", &r_mag),
        ("b_mag", &(of(names.b_mag) - &shift * &scale)),
        ("W_D", &matrix(of(names.w_dec))),
        ("b_D", &b_dec),
    ] {
        sae.set_parameter(name, values).expect("set");
    }
    let terms = step(&sae, &peer.x(), settings);
    peer.is("loss", &terms.loss);
    let (g_gate, g_mag) = (gradient(&sae, "b_gate"), gradient(&sae, "b_mag"));
    // Both biases hold a part of b_dec W_E.
    let g_shift = &g_gate + &g_mag * &scale;
    let is = |name: &str, ours: Tensor| peer.is(&format!("grad.{name}"), &ours);
    let back = |x: Tensor| if names.transposed { x.transpose(0, 1) } else { x };
    is(names.b_gate, g_gate);
    is(names.b_mag, g_mag.shallow_clone());
    is("r_mag", gradient(&sae, "r_mag") - &shift * &scale * &g_mag);
    is(names.w_dec, back(gradient(&sae, "W_D")));
    is(names.b_dec, gradient(&sae, "b_D") - w_enc.matmul(&g_shift));
    is(names.w_enc, back(gradient(&sae, "W_E") - b_dec.outer(&g_shift)));
    terms
}

#[test]
fn a_gated_step_is_saelens() {
    let peer = Peer::new("saelens_gated");
    let names = Names {
        w_enc: "W_enc",
        w_dec: "W_dec",
        b_dec: "b_dec",
        b_gate: "b_gate",
        b_mag: "b_mag",
        transposed: false,
    };
    let own = json!({"gated_aux_frozen": false, "gated_norm_weighted": true});
    let terms = gated_step(
        &peer,
        &names,
        own,
        json!({"sparsity_loss_type": "power", "l1_coefficient": 0.2}),
    );
    peer.is("loss.mse_loss", terms.term("l_rec").expect("there"));
    peer.is(
        "loss.auxiliary_reconstruction_loss",
        terms.term("l_gate").expect("there"),
    );
    peer.is("feature_acts", &terms.feature_acts);
    peer.is("reconstructed", &terms.reconstructed);
}

#[test]
fn a_gated_step_is_dictionary_learnings() {
    let peer = Peer::new("dictlearn_gated");
    let names = Names {
        w_enc: "encoder.weight",
        w_dec: "decoder.weight",
        b_dec: "decoder_bias",
        b_gate: "gate_bias",
        b_mag: "mag_bias",
        transposed: true,
    };
    let own = json!({"gated_aux_frozen": true, "gated_norm_weighted": false});
    // Half of the warm-up of λ = 0.1.
    gated_step(
        &peer,
        &names,
        own,
        json!({"sparsity_loss_type": "power", "l1_coefficient": 0.05}),
    );
}
