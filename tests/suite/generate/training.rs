//! Caches and what is trained on them.

use super::*;

/// Trains on a cache and converts what comes of it.
const TRAIN_AND_CONVERT: &str = r#"
        let stream = ActivationFactory(ActivationFactoryConfig(#{
            sources: [ActivationFactoryActivationsSource(#{ path: "activations", name: "cached" })],
            target: ActivationFactoryTarget::ACTIVATIONS_1D,
            hook_points: ["blocks.1.hook_resid_post"],
            batch_size: 128,
        })).process();
        let sae = SparseAutoEncoder(SAEConfig(#{
            hook_point_in: "blocks.1.hook_resid_post", hook_point_out: "blocks.1.hook_resid_post",
            d_model: 48, expansion_factor: 4, act_fn: "batchtopk", top_k: 6,
        }));
        Trainer(TrainerConfig(#{ amp_dtype: torch::float32, total_training_tokens: 1280, exp_result_path: "run" })).fit(sae, stream);
        sae.save_pretrained("topk");
        let converted = SparseAutoEncoder::from_pretrained("topk").to_jumprelu(stream, #{ batches: 8 });
        print(converted.cfg.act_fn);
        converted.save_pretrained("by_script");
        converted.to_saelens("lens_by_script", "tiny");
        print(SparseAutoEncoder::from_saelens("lens_by_script").cfg.act_fn);
        "#;

/// A training on a cache.
const TRAIN: &str = r#"sae_name = "tiny-sae"
sae_series = "tiny"
device_type = "cpu"

[sae]
hook_point_in = "blocks.1.hook_resid_post"
hook_point_out = "blocks.1.hook_resid_post"
d_model = 48
expansion_factor = 8
act_fn = "relu"
dtype = "torch.float32"
device = "cpu"

[trainer]
amp_dtype = "torch.float32"
lr = 0.0001
total_training_tokens = 2_560
exp_result_path = "by_toml"

[activation_factory]
target = "activations-1d"
hook_points = ["blocks.1.hook_resid_post"]
batch_size = 128

[[activation_factory.sources]]
type = "activations"
name = "tiny-cached"
path = "activations"
device = "cpu"
"#;

/// The same training from settings in a script, and step by step.
const TRAIN_IN_SCRIPT: &str = r#"
        let factory_cfg = ActivationFactoryConfig(#{
            sources: [ActivationFactoryActivationsSource(#{ path: "activations", name: "tiny-cached", device: "cpu" })],
            target: ActivationFactoryTarget::ACTIVATIONS_1D,
            hook_points: ["blocks.1.hook_resid_post"],
            batch_size: 128,
        });
        let sae_cfg = SAEConfig(#{
            hook_point_in: "blocks.1.hook_resid_post", hook_point_out: "blocks.1.hook_resid_post",
            d_model: 48, expansion_factor: 8, act_fn: "relu", dtype: torch::float32, device: "cpu",
        });
        let trainer_cfg = |folder| TrainerConfig(#{
            amp_dtype: torch::float32, lr: 1e-4, total_training_tokens: 2560, exp_result_path: folder,
        });
        train_sae(TrainSAESettings(#{
            sae: sae_cfg, trainer: trainer_cfg.call("by_settings"), activation_factory: factory_cfg,
            sae_name: "tiny-sae", sae_series: "tiny", device_type: "cpu",
        }));

        torch::manual_seed(0);
        let factory = ActivationFactory(factory_cfg);
        let activations_stream = factory.process();
        let sae = SparseAutoEncoder(sae_cfg);
        let trainer = Trainer(trainer_cfg.call("by_script"));
        trainer.fit(#{ sae: sae, activation_stream: activations_stream });
        sae.save_pretrained(#{ save_path: "by_script", fold_activation_scale: true });
        "#;

/// `saescript convert` with these words.
fn convert(folder: &Path, words: &str) -> Ran {
    run_in(folder, std::iter::once("convert").chain(words.split(' ')))
}

#[test]
fn a_trained_dictionary_is_converted_from_the_command_line_and_in_scripts() {
    let folder = workspace();
    let folder = folder.path();
    run_in(folder, ["generate", "generate.toml"]).ended_with(0);
    script(folder, TRAIN_AND_CONVERT).ended_with(0);
    let ran = convert(folder, "topk jump --to jumprelu --cache activations --json");
    assert!(ran.ended_with(0).out.contains("\"act_fn\":\"jumprelu\""));
    convert(
        folder,
        "topk jump_texts --to jumprelu --model model --dataset corpus.jsonl --batch-size 128",
    )
    .ended_with(0);
    convert(folder, "jump lens --to saelens --model-name tiny").ended_with(0);
    convert(folder, "lens back --to saescript").ended_with(0);
    let ran = script(
        folder,
        r#"
        let x = torch::randn([32, 48]);
        let there = SparseAutoEncoder::from_pretrained("jump").forward(x);
        let back = SparseAutoEncoder::from_pretrained("back").forward(x);
        print((there - back).abs().max().item() < 1e-4);
        "#,
    )
    .ended_with(0);
    assert_eq!(ran.out, "true\n");
    let ran = convert(folder, "topk no --to jumprelu").ended_with(2);
    assert!(ran.err.contains("give a cache of activations"), "{}", ran.err);
    let ran = convert(folder, "topk no --to saelens").ended_with(2);
    assert!(ran.err.contains("jumprelu"), "{}", ran.err);
    assert!(!folder.join("no").exists());
}

/// The walkthrough's "Training with Cached Activations".
#[test]
fn cached_activations_are_trained_on_by_configuration_settings_and_full_script() {
    let folder = workspace();
    let folder = folder.path();
    run_in(folder, ["generate", "generate.toml"]).ended_with(0);
    write(folder, "train.toml", TRAIN);
    run_in(folder, ["train", "train.toml"]).ended_with(0);
    let ran = script(folder, TRAIN_IN_SCRIPT).ended_with(0);
    let weights = |run: &str| {
        std::fs::read(folder.join(run).join("sae_weights.safetensors"))
            .unwrap_or_else(|error| panic!("{run}: {error}\n{}", ran.err))
    };
    assert!(
        weights("by_toml") == weights("by_settings"),
        "settings in a script differ"
    );
    assert!(
        weights("by_toml") == weights("by_script"),
        "the full script differs"
    );
}
