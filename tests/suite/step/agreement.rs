//! Every gradient, term and count of one step, for every kind of activation function, penalty and encoder.

use saescript::config::{from_value, to_value};
use saescript::dictionary::{LOG_THRESHOLD, LossInput, LossSettings, Pass, SAEConfig, SparseAutoEncoder};
use saescript::tensor::{Device, Kind, Tensor, no_grad_guard};
use saescript::train::{AutogradEngine, DeadTracker, Form, NativeEngine, StepEngine, StepLimits, StepOutput};
use serde_json::{Value, json};

const D_MODEL: i64 = 12;

/// How large a step is: latents and tokens.
#[derive(Clone, Copy)]
struct Size {
    d_sae: i64,
    rows: i64,
    /// How many tokens, the first ones, are a hundredth as large as the others.
    faint: i64,
    /// Of so many latents one is dead.
    dead_of: i64,
}

const SMALL: Size = Size {
    d_sae: 40,
    rows: 64,
    faint: 0,
    dead_of: 3,
};
/// What is selected of the first tokens says nothing of the others.
const UNLIKE: Size = Size {
    d_sae: 40,
    rows: 64,
    faint: 24,
    dead_of: 3,
};
/// More tokens than are taken at a time, with nothing but what is given.
const BLOCKS: Size = Size {
    d_sae: 8192,
    rows: 600,
    faint: 0,
    dead_of: 3,
};

/// A dictionary with numbers of every kind: decoder norms that differ, one of them 0, biases, thresholds.
fn dictionary(own: &Value, kind: Kind, size: Size) -> SparseAutoEncoder {
    let mut cfg = json!({
        "d_model": D_MODEL, "d_sae": size.d_sae,
        "dtype": if kind == Kind::Double { "float64" } else { "float32" },
    });
    if own.get("hook_points").is_none() {
        (cfg["hook_point_in"], cfg["hook_point_out"]) = (json!("in"), json!("in"));
    }
    for (key, value) in own.as_object().expect("settings") {
        cfg[key] = value.clone();
    }
    let cfg: SAEConfig = from_value(cfg).expect("a valid configuration");
    let mut sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
    let names: Vec<_> = sae
        .named_parameters()
        .iter()
        .map(|(name, x)| (*name, x.size()))
        .collect();
    for (name, size) in names {
        let mut values = Tensor::randn(size.as_slice(), (Kind::Double, Device::Cpu)) * 0.3;
        match name {
            LOG_THRESHOLD => values -= 1.0,
            "W_D" => drop(values.view([-1, D_MODEL]).get(3).zero_()),
            _ => {}
        }
        sae.set_parameter(name, &values).expect("the shape fits");
    }
    sae
}

fn input(sae: &SparseAutoEncoder, size: Size) -> (Tensor, Tensor) {
    let heads = sae.cfg.hooks.heads();
    let shape: Vec<i64> = [Some(size.rows), heads, Some(D_MODEL)]
        .into_iter()
        .flatten()
        .collect();
    let draw = || {
        let drawn = Tensor::randn(shape.as_slice(), (Kind::Double, Device::Cpu));
        if size.faint > 0 {
            let others = size.rows - size.faint;
            let _ = drawn.narrow(0, size.faint, others).g_mul_scalar_(100.0);
        }
        drawn.to_kind(sae.kind())
    };
    (draw(), draw())
}

/// A tracker by which some latents have not fired for long.
fn dead(size: Size) -> DeadTracker {
    let mut dead = DeadTracker::new(size.d_sae, 1000.0, Device::Cpu).expect("a tracker");
    let silent = Tensor::arange(size.d_sae, (Kind::Int64, Device::Cpu))
        .remainder(size.dead_of)
        .gt(0);
    dead.record(&silent.to_kind(Kind::Float), 5000).expect("recorded");
    dead
}

struct Case {
    sae: Value,
    loss: Value,
    k: Option<i64>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let penalties = [
        json!({}),
        json!({ "sparsity_loss_type": "power", "p": 1, "l1_coefficient": 0.7 }),
        json!({ "sparsity_loss_type": "power", "p": 2, "l1_coefficient": 0.7 }),
        json!({ "sparsity_loss_type": "power", "p": 3, "l1_coefficient": 0.7 }),
        json!({ "sparsity_loss_type": "tanh", "l1_coefficient": 0.2 }),
        json!({ "sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.2, "frequency_scale": 0.1 }),
    ];
    for act in ["relu", "jumprelu", "topk", "batchtopk"] {
        for penalty in &penalties {
            for glu in [false, true] {
                for norms in [true, false] {
                    let mut loss = penalty.clone();
                    if act == "jumprelu" {
                        loss["lp_coefficient"] = json!(0.3);
                    }
                    let sae = json!({ "act_fn": act, "top_k": 5, "use_glu_encoder": glu, "sparsity_include_decoder_norm": norms });
                    cases.push(Case { sae, loss, k: None });
                }
            }
        }
        let k = act.ends_with("topk").then_some(7);
        let loss = json!({ "auxk_coefficient": 0.5, "k_aux": 4 });
        let sae = json!({ "act_fn": act, "top_k": 5, "use_decoder_bias": false });
        cases.push(Case { sae, loss, k });
        let loss = json!({ "auxk_coefficient": 0.5, "k_aux": 400, "sparsity_loss_type": "tanh" });
        let sae = json!({ "act_fn": act, "top_k": 5, "hook_point_out": "out" });
        cases.push(Case { sae, loss, k });
        cases.extend(matryoshka(act, k));
        cases.extend(penalties.iter().flat_map(|penalty| heads(act, k, penalty)));
    }
    cases
}

/// Heads that share their latents.
fn heads(act: &str, k: Option<i64>, penalty: &Value) -> [Case; 2] {
    let case = |hooks: &[&str], losses: Value| {
        let mut loss = penalty.clone();
        for (key, value) in losses.as_object().expect("settings") {
            loss[key] = value.clone();
        }
        let sae = json!({ "sae_type": "crosscoder", "hook_points": hooks, "act_fn": act, "top_k": 5 });
        Case { sae, loss, k }
    };
    let threshold = if act == "jumprelu" { 0.3 } else { 0.0 };
    [
        case(&["a", "b", "c"], json!({ "lp_coefficient": threshold })),
        case(
            &["a", "b"],
            json!({ "auxk_coefficient": 0.5, "k_aux": 4, "lp_coefficient": threshold }),
        ),
    ]
}

/// Prefixes of the latents that reconstruct by themselves.
fn matryoshka(act: &str, k: Option<i64>) -> [Case; 2] {
    let sae = |more: Value| {
        let mut sae = json!({ "sae_type": "matryoshka", "act_fn": act, "top_k": 5 });
        for (key, value) in more.as_object().expect("settings") {
            sae[key] = value.clone();
        }
        sae
    };
    [
        Case {
            sae: sae(json!({ "matryoshka_widths": [3, 17], "matryoshka_weights": [0.5, 2.0, 1.5] })),
            loss: json!({ "auxk_coefficient": 0.5, "k_aux": 4, "lp_coefficient": 0.3 }),
            k,
        },
        Case {
            sae: sae(
                json!({ "matryoshka_fractions": [0.5], "use_decoder_bias": false, "hook_point_out": "out" }),
            ),
            loss: json!({ "sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.2, "frequency_scale": 0.1 }),
            k: None,
        },
    ]
}

/// The engines by hand: in both forms, and with a few tokens at a time, of which all is kept, what may be selected, or nothing.
fn by_hand() -> Vec<(&'static str, NativeEngine)> {
    let within = |form: Form, kept_bytes: i64, most_bytes: i64| {
        let limits = StepLimits {
            block_bytes: 10 * SMALL.d_sae * 4,
            block_tokens: 1,
            kept_bytes,
            most_bytes,
            // Some tokens, or one where many latents take part; a few of the dead latents.
            pairs_bytes: 2000,
            rows_bytes: 5 * D_MODEL * 4,
        };
        NativeEngine::within(form, limits)
    };
    let (all, most) = (1 << 30, StepLimits::default().most_bytes);
    // Less than pre-activations in float32 take, and more than five or seven pairs of each token.
    let few = SMALL.rows * SMALL.d_sae * 4 - 1;
    vec![
        ("dense", NativeEngine::new(Form::Dense)),
        ("sparse", NativeEngine::new(Form::Sparse)),
        ("dense, all kept", within(Form::Dense, all, most)),
        ("dense, some kept", within(Form::Dense, few, most)),
        ("dense, none kept", within(Form::Dense, 0, most)),
        ("sparse, in parts", within(Form::Sparse, 0, most)),
        // Pairs of dead latents have no room either.
        ("sparse, in little room", within(Form::Sparse, 0, 4096)),
    ]
}

fn computed(engine: &mut dyn StepEngine, case: &Case, (kind, size): (Kind, Size), seed: i64) -> StepOutput {
    saescript::tensor::manual_seed(seed);
    let sae = dictionary(&case.sae, kind, size);
    let (x, other) = input(&sae, size);
    let label = if sae.cfg.is_transcoder() { &other } else { &x };
    let mut dead = dead(size);
    let settings: LossSettings = from_value(case.loss.clone()).expect("valid settings");
    let pass = Pass {
        k: case.k,
        ..Pass::default()
    };
    let input = LossInput { x: &x, label };
    engine
        .compute(&sae, &input, &settings, &pass, &mut dead)
        .expect("a step")
}

/// How far `ours` is from `theirs`, as a part of the norm of theirs.
fn apart(ours: &Tensor, theirs: &Tensor) -> f64 {
    let _no_grad = no_grad_guard();
    assert_eq!((ours.size(), ours.kind()), (theirs.size(), theirs.kind()));
    let (ours, theirs) = (ours.to_kind(Kind::Double), theirs.to_kind(Kind::Double));
    let distance = (&ours - &theirs).norm().double_value(&[]);
    distance / theirs.norm().double_value(&[]).max(1e-6)
}

fn compare(ours: &StepOutput, theirs: &StepOutput, tolerance: f64, names: &[&str], case: &str) {
    let mut pairs = vec![
        ("loss".to_string(), &ours.loss, &theirs.loss),
        ("squared error".into(), &ours.squared_error, &theirs.squared_error),
        ("fired".into(), &ours.fired, &theirs.fired),
        (
            "fired by head".into(),
            ours.fired_by_head.as_ref().unwrap_or(&ours.fired),
            theirs.fired_by_head.as_ref().unwrap_or(&theirs.fired),
        ),
        ("sum".into(), &ours.activity.0, &theirs.activity.0),
        ("active".into(), &ours.activity.1, &theirs.activity.1),
    ];
    assert_eq!(ours.terms.len(), theirs.terms.len(), "{case}");
    for (ours, theirs) in ours.terms.iter().zip(&theirs.terms) {
        assert_eq!((&ours.name, &ours.metric), (&theirs.name, &theirs.metric));
        pairs.push((ours.name.clone(), &ours.value, &theirs.value));
    }
    for ((ours, theirs), name) in ours.gradients.iter().zip(&theirs.gradients).zip(names) {
        pairs.push((format!("gradient of {name}"), ours, theirs));
    }
    for (name, ours, theirs) in pairs {
        let apart = apart(ours, theirs);
        assert!(
            apart <= tolerance,
            "{case}: {name} is {apart:e} apart\n{ours}\n{theirs}"
        );
    }
}

/// The names of the parameters that have gradients.
fn names(case: &Case) -> Vec<&'static str> {
    let sae = dictionary(&case.sae, Kind::Float, SMALL);
    sae.named_parameters().iter().map(|(name, _)| *name).collect()
}

fn agree(cases: &[Case], kind: Kind, size: Size, tolerance: f64) {
    for (index, case) in cases.iter().enumerate() {
        let theirs = computed(&mut AutogradEngine, case, (kind, size), index as i64);
        let names = names(case);
        let said = format!(
            "{} {} {kind:?}",
            case.sae,
            to_value(&case.loss).expect("plain data")
        );
        for (form, mut engine) in by_hand() {
            let ours = computed(&mut engine, case, (kind, size), index as i64);
            compare(&ours, &theirs, tolerance, &names, &format!("{form}: {said}"));
        }
    }
}

#[test]
fn in_float64_both_engines_are_the_same_to_ten_digits() {
    agree(&cases(), Kind::Double, SMALL, 1e-10);
}

#[test]
fn in_float32_both_engines_are_the_same_to_five_digits() {
    agree(&cases(), Kind::Float, SMALL, 1e-5);
}

#[test]
fn steps_leave_nothing_that_later_ones_find() {
    let of = |rows: i64, dead_of: i64| Size {
        rows,
        dead_of,
        ..SMALL
    };
    let sizes = [of(64, 3), of(9, 1), of(40, 40), of(1, 2), of(64, 2)];
    for case in cases().iter().skip(3).step_by(11) {
        for (place, (form, mut used)) in by_hand().into_iter().enumerate() {
            if !form.starts_with("sparse") && form != "dense, none kept" {
                continue;
            }
            for (seed, size) in (0..).zip(sizes) {
                let ours = computed(&mut used, case, (Kind::Float, size), seed);
                let (_, mut fresh) = by_hand().swap_remove(place);
                let theirs = computed(&mut fresh, case, (Kind::Float, size), seed);
                let said = format!("{form}: {}, step {seed}", case.sae);
                compare(&ours, &theirs, 0.0, &names(case), &said);
            }
        }
    }
}

#[test]
fn as_many_tokens_as_are_taken_at_a_time_add_up_to_the_batch() {
    let sae = json!({ "act_fn": "batchtopk", "top_k": 5, "use_glu_encoder": true });
    let loss = json!({ "auxk_coefficient": 0.5, "k_aux": 4 });
    let case = Case { sae, loss, k: None };
    let theirs = computed(&mut AutogradEngine, &case, (Kind::Float, BLOCKS), 0);
    let ours = computed(
        &mut NativeEngine::new(Form::Dense),
        &case,
        (Kind::Float, BLOCKS),
        0,
    );
    compare(&ours, &theirs, 1e-5, &names(&case), "in parts");
}

#[test]
fn latents_of_a_batch_compete_also_where_its_tokens_are_unlike() {
    let mut cases = Vec::new();
    for more in [
        json!({}),
        json!({ "use_glu_encoder": true }),
        json!({ "sae_type": "crosscoder", "hook_points": ["a", "b"] }),
        json!({ "top_k": 30 }),
    ] {
        let mut sae = json!({ "act_fn": "batchtopk", "top_k": 5 });
        for (key, value) in more.as_object().expect("settings") {
            sae[key] = value.clone();
        }
        for loss in [
            json!({ "auxk_coefficient": 0.5, "k_aux": 4 }),
            json!({ "sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.2 }),
        ] {
            let sae = sae.clone();
            cases.push(Case { sae, loss, k: None });
        }
    }
    agree(&cases, Kind::Float, UNLIKE, 1e-5);
}

#[test]
fn activations_may_lie_in_memory_in_any_order() {
    saescript::tensor::manual_seed(3);
    let sae = dictionary(&json!({ "act_fn": "topk", "top_k": 5 }), Kind::Float, SMALL);
    let lying = Tensor::randn([D_MODEL, SMALL.rows], (Kind::Float, Device::Cpu)).tr();
    let mut losses = Vec::new();
    for x in [&lying, &lying.contiguous()] {
        let input = LossInput { x, label: x };
        let mut dead = dead(SMALL);
        let step = NativeEngine::new(Form::Sparse).compute(
            &sae,
            &input,
            &LossSettings::default(),
            &Pass::default(),
            &mut dead,
        );
        losses.push(step.expect("a step").loss.double_value(&[]));
    }
    assert_eq!(losses[0], losses[1]);
}
