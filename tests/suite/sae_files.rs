//! Dictionaries on disk: what the reference wrote is read, what is written has its form, and folding changes nothing.

use saescript::config::{Value, from_value};
use saescript::dictionary::{LOG_THRESHOLD, LoadOptions, NormActivation, SAEConfig, SparseAutoEncoder};
use saescript::tensor::{Tensor, safetensors};
use serde_json::json;

use crate::fixtures::{distance, json as read_json, roots, tensor, tensors};

fn load(path: impl AsRef<std::path::Path>) -> SparseAutoEncoder {
    SparseAutoEncoder::from_pretrained(path, &LoadOptions::default()).expect("loaded")
}

#[test]
fn trained_dictionaries_of_the_reference_give_its_numbers() {
    let mut compared = 0;
    for root in roots("sae") {
        let folder = root.join("sae_pretrained");
        for name in ["relu", "topk", "jumprelu"] {
            if !folder.join(name).exists() {
                continue;
            }
            let sae = load(folder.join(name));
            let io = tensors(folder.join(format!("{name}_io.safetensors")));
            let x = sae
                .normalize(&tensor(&io, "x"), sae.cfg.reads()[0])
                .expect("normalised");
            let acts = sae.encode(&x).expect("encoded");
            for (what, ours) in [
                ("normalized", &x),
                ("feature_acts", &acts),
                ("reconstructed_normalized", &sae.decode(&acts).expect("decoded")),
            ] {
                let apart = distance(ours, &tensor(&io, what));
                assert!(apart < 1e-5, "{name}: {what} is {apart:.1e} off");
                compared += 1;
            }
            if !folder.join(format!("{name}_folded")).exists() {
                continue;
            }
            let folded = load(folder.join(format!("{name}_folded")));
            assert_eq!(folded.cfg.norm_activation, NormActivation::Inference);
            let io = tensors(folder.join(format!("{name}_folded_io.safetensors")));
            let acts = folded.encode(&tensor(&io, "x")).expect("encoded");
            assert!(
                distance(&acts, &tensor(&io, "feature_acts")) < 1e-5,
                "{name}, folded"
            );
        }
    }
    assert!(compared >= 6, "{compared} tensors");
}

#[test]
fn a_saved_folder_has_the_references_keys_and_shapes() {
    let source = roots("sae")[0].join("sae_pretrained/jumprelu");
    let sae = load(&source);
    let folder = tempfile::tempdir().expect("a temporary folder");
    sae.save_pretrained(folder.path(), false).expect("saved");
    let keys = |value: Value| {
        let mut keys: Vec<String> = value.as_object().expect("a table").keys().cloned().collect();
        keys.sort();
        keys
    };
    let configs =
        [&source, &folder.path().to_path_buf()].map(|folder| keys(read_json(folder.join("config.json"))));
    assert_eq!(configs[0], configs[1]);
    let [theirs, ours] =
        [source.as_path(), folder.path()].map(|folder| tensors(folder.join("sae_weights.safetensors")));
    let mut names = [theirs.names(), ours.names()];
    names.iter_mut().for_each(|names| names.sort());
    assert_eq!(names[0], names[1]);
    for name in &names[0] {
        assert_eq!(theirs.shape(name), ours.shape(name), "{name}");
        assert_eq!(theirs.dtype(name), ours.dtype(name), "{name}");
        assert!(tensor(&theirs, name).equal(&tensor(&ours, name)), "{name}");
    }
}

#[test]
fn folding_keeps_the_function_also_of_thresholds_and_gates() {
    const IN: &str = "blocks.0.hook_resid_post";
    const OUT: &str = "blocks.0.hook_mlp_out";
    for act_fn in ["relu", "jumprelu", "topk", "batchtopk"] {
        for (glu, with_norm) in [(false, true), (false, false), (true, true)] {
            let cfg: SAEConfig = from_value(json!({
                "hook_point_in": IN, "hook_point_out": OUT, "d_model": 16, "expansion_factor": 4, "act_fn": act_fn,
                "top_k": 5, "use_glu_encoder": glu, "sparsity_include_decoder_norm": with_norm, "dtype": "float64",
            }))
            .expect("valid");
            let mut sae = SparseAutoEncoder::new(cfg).expect("a dictionary");
            let options = (tch::Kind::Double, tch::Device::Cpu);
            for (name, shape) in [("b_E", 64), ("b_D", 16)] {
                sae.set_parameter(name, &(Tensor::randn([shape], options) * 0.3))
                    .expect("set");
            }
            if act_fn == "jumprelu" {
                sae.set_parameter(LOG_THRESHOLD, &(Tensor::randn([64], options) * 0.5))
                    .expect("set");
            }
            sae.set_dataset_average_activation_norm([(IN.to_string(), 11.5), (OUT.to_string(), 7.25)].into())
                .expect("set");
            let x = Tensor::randn([32, 16], options) * 3.0;
            let factor = |hook: &str| sae.norm_factor(&x, hook).expect("a factor").double_value(&[]);
            let (scale_in, scale_out) = (factor(IN), factor(OUT));
            let normalised = sae.normalize(&x, IN).expect("normalised");
            let before = sae.forward(&normalised).expect("a reconstruction") / scale_out;
            let acts_before = sae.encode(&normalised).expect("encoded") / scale_in;
            sae.standardize_parameters_of_dataset_norm().expect("folded");
            let after = sae
                .forward(&sae.normalize(&x, IN).expect("unchanged"))
                .expect("a reconstruction");
            assert!(
                distance(&after, &before) < 1e-10,
                "{act_fn}, glu {glu}, norms {with_norm}"
            );
            let acts_after = sae.encode(&x).expect("encoded");
            assert!(
                distance(&acts_after, &acts_before) < 1e-10,
                "{act_fn}, glu {glu}, norms {with_norm}"
            );
            let again = sae
                .standardize_parameters_of_dataset_norm()
                .expect_err("folded already");
            assert!(again.to_string().contains("folded already"), "{again}");
        }
    }
}

#[test]
fn broken_folders_are_refused_with_the_reason() {
    let source = roots("sae")[0].join("sae_pretrained/relu");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    let message = || {
        SparseAutoEncoder::from_pretrained(path, &LoadOptions::default())
            .expect_err("refused")
            .to_string()
    };
    assert!(message().contains("has no weights"), "{}", message());
    std::fs::copy(
        source.join("sae_weights.safetensors"),
        path.join("sae_weights.safetensors"),
    )
    .expect("copied");
    assert!(message().contains("config.json"), "{}", message());
    let mut cfg = read_json(source.join("config.json"));
    let mut put = |key: &str, value: Value| {
        cfg[key] = value;
        std::fs::write(path.join("config.json"), cfg.to_string()).expect("written");
    };
    put("expansion_factor", json!(8.0));
    assert!(
        message().contains("has shape [48, 192], but the configuration asks for [48, 384]"),
        "{}",
        message()
    );
    put("expansion_factor", json!(4.0));
    put("act_fn", json!("jumprelu"));
    assert!(
        message().contains("has no tensor `activation_function.log_jumprelu_threshold`"),
        "{}",
        message()
    );
    put("act_fn", json!("rellu"));
    assert!(message().contains("did you mean `relu`?"), "{}", message());
    put("act_fn", json!("relu"));
    put("use_decoder_bias", json!(false));
    assert!(message().contains("holds a tensor `b_D`"), "{}", message());
    put("use_decoder_bias", json!(true));
    let whole = std::fs::read(path.join("sae_weights.safetensors")).expect("read");
    std::fs::write(path.join("sae_weights.safetensors"), &whole[..whole.len() / 2]).expect("written");
    assert!(message().contains("was cut short"), "{}", message());
    let nowhere = SparseAutoEncoder::from_pretrained(path.join("nowhere"), &LoadOptions::default());
    assert!(
        nowhere
            .expect_err("refused")
            .to_string()
            .contains("there is no trained dictionary")
    );
}

#[test]
fn older_places_of_weights_are_found() {
    let source = roots("sae")[0].join("sae_pretrained/relu");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoints = folder.path().join("checkpoints");
    std::fs::create_dir(&checkpoints).expect("made");
    std::fs::copy(source.join("config.json"), folder.path().join("config.json")).expect("copied");
    std::fs::copy(
        source.join("sae_weights.safetensors"),
        checkpoints.join("final.safetensors"),
    )
    .expect("copied");
    let (found, there) = (load(folder.path()), load(&source));
    assert!(
        found
            .parameter("W_D")
            .expect("there")
            .equal(there.parameter("W_D").expect("there"))
    );
    let notes = safetensors::read(checkpoints.join("final.safetensors"))
        .expect("read")
        .metadata();
    assert!(!notes.is_empty());
}

#[test]
fn any_number_of_latents_is_kept() {
    let cfg: SAEConfig = from_value(json!({
        "hook_point_in": "h", "hook_point_out": "h", "d_model": 896, "d_sae": 7500,
    }))
    .expect("valid");
    let folder = tempfile::tempdir().expect("a temporary folder");
    cfg.save_hyperparameters(folder.path()).expect("saved");
    let saved = read_json(folder.path().join("config.json"));
    assert!(saved.get("d_sae").is_none(), "{saved}");
    let factor = saved["expansion_factor"].as_f64().expect("a number");
    assert_eq!((896.0 * factor) as i64, 7500);
    assert_eq!(
        (896.0 * factor.next_down()) as i64,
        7499,
        "the smallest such factor"
    );
    assert_eq!(SAEConfig::from_folder(folder.path()).expect("read").d_sae(), 7500);
}

/// A copy of a trained dictionary whose settings are changed.
fn changed(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> tempfile::TempDir {
    let source = roots("sae")[0].join("sae_pretrained/topk");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let weights = "sae_weights.safetensors";
    std::fs::copy(source.join(weights), folder.path().join(weights)).expect("copied");
    let mut cfg = read_json(source.join("config.json"));
    change(cfg.as_object_mut().expect("a table"));
    std::fs::write(folder.path().join("config.json"), cfg.to_string()).expect("written");
    folder
}

fn refusal(path: impl AsRef<std::path::Path>, options: &LoadOptions) -> String {
    SparseAutoEncoder::from_pretrained(path, options)
        .expect_err("refused")
        .to_string()
}

#[test]
fn what_settings_leave_out_is_not_guessed() {
    for key in [
        "act_fn",
        "top_k",
        "norm_activation",
        "sparsity_include_decoder_norm",
    ] {
        let folder = changed(|cfg| drop(cfg.remove(key)));
        let error = refusal(folder.path(), &LoadOptions::default());
        assert!(error.contains(&format!("the key `{key}` is missing")), "{error}");
    }
    let folder = changed(|cfg| drop(cfg.insert("topk".into(), json!(4))));
    let error = refusal(folder.path(), &LoadOptions::default());
    assert!(error.contains("unknown key `topk`"), "{error}");
}

#[test]
fn missing_weights_are_never_zeros() {
    let loose = LoadOptions {
        strict_loading: false,
        ..LoadOptions::default()
    };
    let folder = changed(|cfg| drop(cfg.insert("act_fn".into(), json!("jumprelu"))));
    let error = refusal(folder.path(), &loose);
    assert!(
        error.contains("has no tensor `activation_function.log_jumprelu_threshold`"),
        "{error}"
    );
    assert!(!error.contains("strict_loading"), "{error}");
    // A surplus tensor is named, and left out where that is asked for.
    let folder = changed(|cfg| drop(cfg.insert("use_decoder_bias".into(), json!(false))));
    let error = refusal(folder.path(), &LoadOptions::default());
    assert!(error.contains("`b_D`"), "{error}");
    let sae = SparseAutoEncoder::from_pretrained(folder.path(), &loose).expect("loaded");
    assert!(sae.parameter("b_D").is_err());
}

#[test]
fn dictionaries_of_other_makes_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases = [
        (
            "config.json",
            r#"{"trainer": {"dict_class": "AutoEncoderTopK", "k": 5}}"#,
            "dictionary_learning",
        ),
        (
            "cfg.json",
            r#"{"activation": "topk", "num_latents": 36, "d_in": 12}"#,
            "sparsify",
        ),
        (
            "config.json",
            r#"{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}"#,
            "a language model",
        ),
        ("params.npz", "PK", "Gemma Scope"),
        ("ae.pt", "PK", "dictionary_learning"),
        ("hyperparams.json", "{}", "Llama Scope"),
    ];
    for (number, (name, text, make)) in cases.into_iter().enumerate() {
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).expect("made");
        std::fs::write(folder.join(name), text).expect("written");
        let error = refusal(&folder, &LoadOptions::default());
        assert!(
            error.contains(make) && error.contains("SAELens loads many others"),
            "{error}"
        );
    }
    let error = refusal(folder.path().join("3/params.npz"), &LoadOptions::default());
    assert!(error.contains("NumPy"), "{error}");
}

#[test]
fn devices_and_pipes_are_no_weights() {
    let error = refusal("/dev/zero", &LoadOptions::default());
    assert!(error.contains("it is a device, not a regular file"), "{error}");
    let folder = changed(|_| ());
    for name in ["config.json", "sae_weights.safetensors"] {
        let path = folder.path().join(name);
        let kept = std::fs::read(&path).expect("read");
        std::fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("linked");
        let error = refusal(folder.path(), &LoadOptions::default());
        assert!(error.contains("it is a device"), "{error}");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, kept).expect("written");
    }
}

#[test]
fn altered_weights_and_settings_are_named() {
    let mut sae = load(roots("sae")[0].join("sae_pretrained/topk"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    sae.save_pretrained(folder.path(), false).expect("saved");
    load(folder.path());
    for name in ["sae_weights.safetensors", "config.json"] {
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).expect("read");
        let mut flipped = whole.clone();
        let at = flipped.iter().rposition(u8::is_ascii_digit).expect("a digit");
        flipped[at] ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() - 1]] {
            std::fs::write(&path, damaged).expect("written");
            let error = refusal(folder.path(), &LoadOptions::default());
            assert!(
                error.contains(&format!("{name}` was altered after it was written")),
                "{error}"
            );
        }
        std::fs::write(&path, whole).expect("written");
    }
    // Saving again, whole or the settings alone, brings the list up to date.
    sae.cfg.change(|cfg| cfg.top_k += 1).expect("valid");
    sae.cfg.save_hyperparameters(folder.path()).expect("saved");
    assert_eq!(load(folder.path()).cfg.top_k, sae.cfg.top_k);
    sae.save(folder.path()).expect("saved");
    load(folder.path());
    // Without the list, as older versions left such folders, nothing is compared.
    std::fs::remove_file(folder.path().join("checksums.json")).expect("removed");
    load(folder.path());
}
