//! Folders of SAELens, of each of its versions: what they say is used, what has no counterpart is refused by name.

use std::path::Path;

use saescript::config::Value;
use saescript::dictionary::{ActFn, HookPoints, LOG_THRESHOLD, LoadOptions, SAEConfig, SparseAutoEncoder};
use saescript::event::RunContext;
use saescript::tensor::{DType, Device, Kind, Tensor, safetensors};
use serde_json::json;

use crate::fixtures::{distance, folders, json as read_json, roots, tensor, tensors};

fn load(folder: &Path, dtype: Option<DType>) -> saescript::Result<SparseAutoEncoder> {
    let options = LoadOptions {
        dtype,
        ..LoadOptions::default()
    };
    SparseAutoEncoder::from_pretrained(folder, &options)
}

fn sum(x: &Tensor) -> f64 {
    x.sum(Kind::Double).double_value(&[])
}

fn l0(acts: &Tensor) -> Value {
    let counts = acts
        .gt(0.0)
        .sum_dim_intlist([-1i64].as_slice(), false, Kind::Int64);
    (0..acts.size()[0])
        .map(|row| counts.int64_value(&[row]))
        .collect()
}

#[test]
fn folders_of_older_versions_give_its_numbers() {
    let root = roots("sae")[0].join("sae_saelens_cases");
    let expected = read_json(root.join("expected.json"));
    let x = tensor(&tensors(root.join("x.safetensors")), "x");
    for (name, wanted) in expected.as_object().expect("a table") {
        if wanted.get("refused").is_some() {
            continue;
        }
        let wide = load(&root.join(name), Some(DType::FLOAT32)).expect(name);
        assert_eq!(l0(&wide.encode(&x).expect("encoded")), wanted["l0"], "{name}");
        // The sums are those of the file's own dtype.
        let sae = load(&root.join(name), None).expect(name);
        let acts = sae.encode(&x).expect("encoded");
        assert_eq!(l0(&acts), wanted["l0"], "{name}");
        let reconstructed = sae.decode(&acts).expect("decoded");
        for (what, ours) in [
            ("sum_of_latents", &acts),
            ("sum_of_reconstruction", &reconstructed),
        ] {
            let theirs = wanted[what].as_f64().expect("a number");
            assert!(
                (sum(ours) - theirs).abs() < 2e-4,
                "{name}: {what} {} {theirs}",
                sum(ours)
            );
        }
    }
}

#[test]
fn every_kind_that_it_writes_gives_its_numbers_or_is_refused_by_name() {
    let (mut compared, mut refused) = (0, 0);
    for folder in folders("sae", "interop/saelens") {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let sae = match load(&folder, None) {
            Ok(sae) => sae,
            Err(error) => {
                let error = error.to_string();
                assert!(
                    ["no counterpart here", "unknown architecture"]
                        .iter()
                        .any(|reason| error.contains(reason)),
                    "{name}: {error}"
                );
                refused += 1;
                continue;
            }
        };
        let io = tensors(folder.join("io.safetensors"));
        let mut acts = sae.encode(&tensor(&io, "x")).expect("encoded");
        let reconstructed = sae.decode(&acts).expect("decoded");
        if sae.cfg.sparsity_include_decoder_norm {
            acts *= sae.decoder_norm().expect("norms");
        }
        assert!(distance(&acts, &tensor(&io, "feature_acts")) < 1e-5, "{name}");
        assert!(
            distance(&reconstructed, &tensor(&io, "reconstructed")) < 1e-5,
            "{name}"
        );
        compared += 1;
    }
    assert!(compared >= 6, "{compared} compared, {refused} refused");
}

#[test]
fn factors_on_the_latents_are_folded_into_the_decoder() {
    let folder = roots("sae")[0].join("sae_saelens_cases/v3-finetuned");
    let x = tensor(&tensors(folder.with_file_name("x.safetensors")), "x");
    let file = tensors(folder.join("sae_weights.safetensors"));
    let get = |name: &str| tensor(&file, name);
    let acts = (x.matmul(&get("W_enc")) + get("b_enc")).relu();
    let reconstructed = (&acts * get("scaling_factor")).matmul(&get("W_dec")) + get("b_dec");
    let sae = load(&folder, None).expect("loaded");
    assert!(distance(&sae.encode(&x).expect("encoded"), &acts) < 1e-6);
    assert!(distance(&sae.forward(&x).expect("decoded"), &reconstructed) < 1e-6);
    let error = changed(&folder, |cfg| cfg["finetuning_scaling_factor"] = json!(false));
    assert!(
        error.contains("a tensor `scaling_factor` with factors other than 1"),
        "{error}"
    );
}

/// What loading `folder` with a changed cfg.json is refused with.
fn changed(folder: &Path, change: impl FnOnce(&mut Value)) -> String {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let weights = "sae_weights.safetensors";
    std::fs::copy(folder.join(weights), copy.path().join(weights)).expect("copied");
    let mut cfg = read_json(folder.join("cfg.json"));
    change(&mut cfg);
    std::fs::write(copy.path().join("cfg.json"), cfg.to_string()).expect("written");
    match load(copy.path(), None) {
        Ok(_) => panic!("{cfg} was read"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_would_be_computed_in_another_way_is_refused() {
    let root = roots("sae")[0].join("sae_saelens_cases");
    let topk = root.join("v5-topk");
    let cases: [(&str, Value, &str); 14] = [
        (
            "activation_fn_kwargs",
            Value::Null,
            "does not say how many latents are active",
        ),
        (
            "activation_fn_kwargs",
            json!({"k": 2.5}),
            "a whole number, not 2.5",
        ),
        (
            "activation_fn_kwargs",
            json!({"k": 3, "lam": 1}),
            "`lam` = 1 has no counterpart",
        ),
        ("k", json!(4), "two numbers of active latents"),
        (
            "activation_fn_str",
            json!("tanh-relu"),
            "\"tanh-relu\" of architecture \"topk\"",
        ),
        (
            "architecture",
            json!("gated"),
            "\"topk\" of architecture \"gated\"",
        ),
        ("architecture", json!("skip_transcoder"), "W_skip"),
        ("architecture", json!("batchtopk"), "training checkpoint"),
        ("normalize_activations", json!("layer_norm"), "layer_norm"),
        ("normalize_activations", json!(true), "expected_average_only_in"),
        ("reshape_activations", json!("hook_z"), "hook_z"),
        ("hook_name", json!("blocks.1.attn.hook_z"), "hook_z"),
        ("hook_head_index", json!(2), "attention head 2 alone"),
        (
            "finetuning_scaling_factor",
            json!(true),
            "lacks the tensor `finetuning_scaling_factor`",
        ),
    ];
    for (key, value, reason) in cases {
        let error = changed(&topk, |cfg| cfg[key] = value.clone());
        assert!(error.contains(reason), "{key}: {error}");
    }
    let error = changed(&root.join("jump-bf16"), |cfg| {
        cfg["architecture"] = json!("standard")
    });
    assert!(error.contains("a tensor `threshold`"), "{error}");
    let error = changed(&root.join("v3-no-bdec-key"), |cfg| {
        cfg["architecture"] = json!("jumprelu")
    });
    assert!(error.contains("`threshold`"), "{error}");
}

#[test]
fn thresholds_come_through_to_their_last_bit() {
    let root = roots("sae")[0].join("sae_saelens_cases");
    let same = |name: &str, dtype: Option<DType>, wanted: &dyn Fn(&Tensor) -> Tensor| {
        let sae = load(&root.join(name), dtype).expect("loaded");
        let theirs = wanted(&tensor(
            &tensors(root.join(name).join("sae_weights.safetensors")),
            "threshold",
        ));
        let kind = sae.parameter("W_E").expect("there").kind();
        let ours = sae.parameter(LOG_THRESHOLD).expect("there").exp().to_kind(kind);
        assert!(ours.equal(&theirs.to_kind(kind)), "{name} {dtype:?}");
        sae
    };
    let itself = |x: &Tensor| x.shallow_clone();
    same("jump-bf16", None, &itself);
    same("jump-bf16", Some(DType::FLOAT32), &itself);
    // Half precision rounds the threshold, not its logarithm.
    same("jump-bf16", Some(DType::BFLOAT16), &itself);
    same("jump-neg-thr", None, &|x| x.clamp_min(0.0));
    // Both ways, in both formats.
    let sae = same("jump-bf16", Some(DType::FLOAT32), &itself);
    let folder = tempfile::tempdir().expect("a temporary folder");
    sae.save(folder.path().join("ours")).expect("saved");
    let again = load(&folder.path().join("ours"), None).expect("loaded");
    again
        .to_saelens(folder.path().join("theirs"), "gpt2")
        .expect("written");
    let back = tensors(folder.path().join("theirs/sae_weights.safetensors"));
    let source = tensors(root.join("jump-bf16/sae_weights.safetensors"));
    for name in ["threshold", "W_enc", "b_enc", "W_dec", "b_dec"] {
        let wanted = tensor(&source, name).to_kind(Kind::Float);
        assert!(tensor(&back, name).equal(&wanted), "{name}");
    }
}

#[test]
fn half_precision_thresholds_of_any_size_decide_as_they_are() {
    // Of bfloat16 logarithms the nearest to log 150 stands for 148.4.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bf16 = |values: &[f32]| Tensor::from_slice(values).to_kind(Kind::BFloat16);
    let cfg = json!({
        "architecture": "jumprelu", "d_in": 1, "d_sae": 2, "hook_name": "h", "dtype": "bfloat16",
        "apply_b_dec_to_input": false,
    });
    std::fs::write(folder.path().join("cfg.json"), cfg.to_string()).expect("written");
    let tensors = [
        ("W_enc", bf16(&[1.0, 1.0]).view([1, 2])),
        ("b_enc", bf16(&[0.0, 0.0])),
        ("W_dec", bf16(&[1.0, 1.0]).view([2, 1])),
        ("b_dec", bf16(&[0.0])),
        ("threshold", bf16(&[150.0, 0.001953125])),
    ];
    let named: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, x)| (*name, x)).collect();
    safetensors::write(
        folder.path().join("sae_weights.safetensors"),
        &named,
        &Default::default(),
    )
    .expect("written");
    for dtype in [DType::FLOAT32, DType::BFLOAT16] {
        let sae = load(folder.path(), Some(dtype)).expect("loaded");
        let acts = sae
            .encode(&Tensor::from_slice(&[149.0f32, 150.0, 151.0]).view([3, 1]))
            .expect("encoded");
        assert_eq!(l0(&acts), json!([1, 1, 2]), "{dtype}");
    }
}

#[test]
fn transcoders_say_both_hook_points() {
    let folder = roots("sae")[0].join("interop/saelens/jumprelu_transcoder");
    let cfg = load(&folder, None).expect("loaded").cfg;
    assert_eq!(
        (cfg.reads()[0], cfg.writes()[0]),
        ("blocks.1.hook_mlp_in", "blocks.1.hook_mlp_out")
    );
    assert_eq!(cfg.act_fn, ActFn::JumpRelu);
    let error = changed(&folder, |cfg| cfg["d_out"] = json!(24));
    assert!(error.contains("width 24"), "{error}");
    let error = changed(&folder, |cfg| cfg["metadata"]["hook_name_out"] = Value::Null);
    assert!(error.contains("which hook point it writes"), "{error}");
}

#[test]
fn both_doors_are_one() {
    let folder = roots("sae")[0].join("sae_saelens_cases/v5-topk");
    let context = RunContext::default();
    let own = SAEConfig::from_pretrained(&folder, &context).expect("read");
    assert_eq!((own.act_fn, own.top_k, own.d_sae()), (ActFn::TopK, 3, 96));
    let x = Tensor::ones([4, 8], (Kind::Float, Device::Cpu));
    let mut cfg = own.clone();
    cfg.sae_pretrained_name_or_path = Some(folder.to_string_lossy().into_owned());
    let one = SparseAutoEncoder::from_config(cfg.clone(), &context).expect("loaded");
    let other = load(&folder, None).expect("loaded");
    assert!(
        one.encode(&x)
            .expect("encoded")
            .equal(&other.encode(&x).expect("encoded"))
    );
    cfg.top_k = 5;
    if let HookPoints::InOut(points) = &mut cfg.hooks {
        points.hook_point_out = "blocks.3.hook_resid_post".into();
    }
    let error = SparseAutoEncoder::from_config(cfg, &context)
        .expect_err("refused")
        .to_string();
    assert!(error.contains("`top_k` is 3 there and 5 here"), "{error}");
    assert!(
        error.contains("`hook_point_out` is \"blocks.2.hook_resid_post\" there"),
        "{error}"
    );
}
