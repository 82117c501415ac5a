//! Broken model folders and senseless requests: each is one clear error, and the input's fault.

use std::fmt::Write;
use std::path::Path;

use saescript::error::Fault;
use saescript::event::RunContext;
use saescript::model::{Backend, LanguageModel, LanguageModelConfig};
use saescript::tensor::{Device, DeviceSpec, Kind, Tensor, safetensors};
use saescript::{Error, Result};

use super::{copy_of, load, own, set, some_tokens};
use crate::fixtures::json;

/// Sentences and hints of errors, with the places of temporary folders taken out.
#[derive(Default)]
struct Collected(String);

impl Collected {
    fn add(&mut self, case: &str, error: &Error, folder: &Path) {
        assert_eq!(error.fault(), Fault::Input, "{case}: {error}");
        let mut text = error.headline();
        for hint in error.hints() {
            write!(text, "\n  hint: {hint}").expect("a string");
        }
        let text = text.replace(&folder.display().to_string(), "MODEL");
        writeln!(self.0, "{case}\n  {text}\n").expect("a string");
    }
}

/// A copy of a model folder after `change`, and what loading it says.
fn broken(case: &str, change: impl FnOnce(&Path), into: &mut Collected) {
    let folder = copy_of("gpt2");
    change(folder.path());
    let error = attempt(folder.path()).expect_err(case);
    into.add(case, &error, folder.path());
}

fn attempt(folder: &Path) -> Result<LanguageModel> {
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(folder.to_path_buf()),
        ..LanguageModelConfig::default()
    };
    LanguageModel::load(&config, &RunContext::default())
}

fn write(path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
    std::fs::write(path, text).expect("written");
}

/// Writes the weights again after `change`.
fn reweigh(folder: &Path, change: impl Fn(&str, Tensor) -> Option<Tensor>) {
    let path = folder.join("model.safetensors");
    let file = safetensors::read(&path).expect("weights");
    let tensors: Vec<(String, Tensor)> = file
        .names()
        .into_iter()
        .filter_map(|name| {
            let tensor = file.tensor(&name, Device::Cpu, None).expect("a tensor");
            Some((name.clone(), change(&name, tensor)?))
        })
        .collect();
    let borrowed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, x)| (name.as_str(), x)).collect();
    safetensors::write(&path, &borrowed, &Default::default()).expect("written");
}

#[test]
fn broken_folders() {
    let mut said = Collected::default();
    let remove =
        |name: &'static str| move |folder: &Path| std::fs::remove_file(folder.join(name)).expect("removed");
    broken(
        "no folder",
        |folder| std::fs::remove_dir_all(folder).expect("removed"),
        &mut said,
    );
    broken("no config.json", remove("config.json"), &mut said);
    broken("no tokenizer.json", remove("tokenizer.json"), &mut said);
    broken("no weights", remove("model.safetensors"), &mut said);
    broken(
        "pickled weights only",
        |folder| {
            std::fs::rename(folder.join("model.safetensors"), folder.join("pytorch_model.bin"))
                .expect("renamed")
        },
        &mut said,
    );
    broken(
        "config.json is no JSON",
        |folder| write(folder.join("config.json"), "{\"a\": "),
        &mut said,
    );
    broken(
        "config.json is a list",
        |folder| write(folder.join("config.json"), "[]"),
        &mut said,
    );
    broken(
        "tokenizer.json is no tokenizer",
        |folder| write(folder.join("tokenizer.json"), "{}"),
        &mut said,
    );
    broken(
        "weights cut short",
        |folder| {
            let path = folder.join("model.safetensors");
            let whole = std::fs::read(&path).expect("weights");
            write(&path, &whole[..whole.len() - 100]);
        },
        &mut said,
    );
    broken(
        "a shard is missing",
        |folder| {
            remove("model.safetensors")(folder);
            let index = r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#;
            write(folder.join("model.safetensors.index.json"), index);
        },
        &mut said,
    );
    insta::assert_snapshot!(said.0);
}

#[test]
fn rotations_that_are_not_known_or_not_whole() {
    let mut said = Collected::default();
    for (case, scaling) in [
        (
            "unknown",
            serde_json::json!({"rope_type": "spiral", "factor": 2.0}),
        ),
        ("no factor", serde_json::json!({"type": "linear"})),
        (
            "a list that is too long",
            serde_json::json!({
                "rope_type": "longrope", "factor": 2.0, "short_factor": [1.0, 2.0], "long_factor": [2.0],
            }),
        ),
        (
            "no list",
            serde_json::json!({"rope_type": "longrope", "factor": 2.0, "short_factor": 1.0}),
        ),
    ] {
        let folder = copy_of("neox_parallel");
        set(folder.path(), "rope_scaling", scaling);
        said.add(case, &attempt(folder.path()).expect_err(case), folder.path());
    }
    insta::assert_snapshot!(said.0);
}

fn broken_configs(said: &mut Collected) {
    broken(
        "unknown architecture",
        |folder| set(folder, "architectures", serde_json::json!(["MambaForCausalLM"])),
        said,
    );
    broken(
        "a key is missing",
        |folder| {
            let mut config = json(folder.join("config.json"));
            config.as_object_mut().expect("an object").remove("n_head");
            write(folder.join("config.json"), config.to_string());
        },
        said,
    );
    broken(
        "a key of another type",
        |folder| set(folder, "n_layer", "three".into()),
        said,
    );
    broken(
        "a size that is no size",
        |folder| set(folder, "n_head", 0.into()),
        said,
    );
    broken(
        "unknown activation function",
        |folder| set(folder, "activation_function", "gelu_neu".into()),
        said,
    );
    broken(
        "cross-attention",
        |folder| set(folder, "add_cross_attention", true.into()),
        said,
    );
    broken(
        "quantized weights",
        |folder| {
            set(
                folder,
                "quantization_config",
                serde_json::json!({"quant_method": "fp8"}),
            )
        },
        said,
    );
}

fn configs_and_weights_that_disagree(said: &mut Collected) {
    broken(
        "no unembedding",
        |folder| set(folder, "tie_word_embeddings", false.into()),
        said,
    );
    broken(
        "more layers than weights",
        |folder| set(folder, "n_layer", 4.into()),
        said,
    );
    broken("another width", |folder| set(folder, "n_embd", 64.into()), said);
    broken(
        "a tensor is missing",
        |folder| {
            reweigh(folder, |name, x| {
                (name != "transformer.h.1.mlp.c_fc.weight").then_some(x)
            });
        },
        said,
    );
    broken(
        "a tensor of another shape",
        |folder| {
            reweigh(folder, |name, x| {
                Some(if name == "transformer.ln_f.bias" {
                    x.narrow(0, 0, 47)
                } else {
                    x
                })
            });
        },
        said,
    );
}

#[test]
fn config_and_weights_that_disagree() {
    let mut said = Collected::default();
    broken_configs(&mut said);
    configs_and_weights_that_disagree(&mut said);
    insta::assert_snapshot!(said.0);
}

#[test]
fn senseless_requests() {
    let mut said = Collected::default();
    let folder = own("neox_parallel");
    let model = load(&folder, Backend::Auto);
    let tokens = some_tokens(1, 4);
    let mut refuse = |case: &str, result: Result<()>| said.add(case, &result.expect_err(case), &folder);
    let capture = |name: &str| model.capture(&tokens, &[name.into()]).map(drop);
    refuse("misspelt hook point", capture("blocks.1.hook_resid_pots"));
    refuse("a layer too far", capture("blocks.12.hook_resid_post"));
    refuse(
        "no middle in a parallel block",
        capture("blocks.1.hook_resid_mid"),
    );
    refuse("a pattern without a match", capture("blocks.*.hook_nothing"));
    refuse(
        "a hook without width",
        model.hook_width("blocks.0.attn.hook_pattern").map(drop),
    );
    refuse("too many tokens", model.forward(&some_tokens(1, 65)).map(drop));
    refuse("a token too large", model.forward(&(&tokens + 320)).map(drop));
    refuse("a negative token", model.forward(&(&tokens - 320)).map(drop));
    refuse(
        "floats as tokens",
        model.forward(&tokens.to_kind(Kind::Float)).map(drop),
    );
    refuse("one dimension", model.forward(&tokens.get(0)).map(drop));
    refuse("no tokens", model.forward(&tokens.narrow(1, 0, 0)).map(drop));
    refuse(
        "a loss of one token",
        model.loss(&tokens.narrow(1, 0, 1)).map(drop),
    );
    let bare = load(&folder, Backend::TokenizerOnly);
    refuse("weights that were not loaded", bare.forward(&tokens).map(drop));
    refuse(
        "ids that are no tokens",
        model.tokenizer().decode(&[5, 4000]).map(drop),
    );
    let load = |change: fn(&mut LanguageModelConfig)| {
        let mut config = LanguageModelConfig {
            model_from_pretrained_path: Some(folder.clone()),
            ..LanguageModelConfig::default()
        };
        change(&mut config);
        LanguageModel::load(&config, &RunContext::default()).map(drop)
    };
    refuse(
        "a pad token beyond the vocabulary",
        load(|config| config.pad_token_id = Some(1000)),
    );
    refuse(
        "a name that is no name",
        load(|config| {
            config.model_from_pretrained_path = None;
            config.model_name = "no/such/folder".into();
        }),
    );
    insta::assert_snapshot!(said.0);
}

#[test]
fn a_gpu_that_is_not_there() {
    let config = LanguageModelConfig {
        model_from_pretrained_path: Some(own("gpt2")),
        device: DeviceSpec::Cuda(99),
        ..LanguageModelConfig::default()
    };
    let error = LanguageModel::load(&config, &RunContext::default()).expect_err("no such GPU");
    assert_eq!(error.fault(), Fault::Input);
    assert_eq!(error.key_path(), "device");
    assert!(error.message().contains("\"cuda:99\" was asked for"), "{error}");
}
