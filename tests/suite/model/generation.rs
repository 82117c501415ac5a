//! Generation: the cache changes nothing, seeds decide, hooks are heard.

use saescript::event::RunContext;
use saescript::model::{Backend, Edit, GenerationConfig, LanguageModel, LanguageModelConfig};
use saescript::tensor::Tensor;

use super::{copy_of, load, own, set, some_tokens};
use crate::fixtures::{folders, tensor, tensors};

fn generate(model: &LanguageModel, prompt: &Tensor, config: &GenerationConfig) -> Tensor {
    model
        .generate(prompt, config, Vec::new(), &RunContext::default())
        .expect("a text")
}

fn greedy() -> GenerationConfig {
    GenerationConfig {
        max_new_tokens: 24,
        temperature: 0.0,
        stop_at_eos: false,
        ..GenerationConfig::default()
    }
}

#[test]
fn greedy_text_is_the_same_with_and_without_the_cache() {
    let prompt = some_tokens(2, 12);
    let folders = folders("model", "lm");
    for folder in &folders {
        let model = load(folder, Backend::Auto);
        let cached = generate(&model, &prompt, &greedy());
        let plain = GenerationConfig {
            use_cache: false,
            ..greedy()
        };
        assert_eq!(cached.size(), [2, 36]);
        assert!(
            cached.equal(&generate(&model, &prompt, &plain)),
            "{}",
            folder.display()
        );
        assert!(cached.narrow(1, 0, 12).equal(&prompt));
    }
    eprintln!("compared {} models", folders.len());
}

#[test]
fn greedy_text_is_that_of_transformers() {
    let mut compared = 0;
    for folder in folders("model", "lm") {
        let reference = tensors(folder.join("hf_outputs.safetensors"));
        if !reference.contains("greedy") {
            continue;
        }
        let text = tensor(&reference, "greedy");
        let model = load(&folder, Backend::Huggingface);
        for use_cache in [true, false] {
            let config = GenerationConfig {
                max_new_tokens: 12,
                use_cache,
                ..greedy()
            };
            let ours = generate(&model, &text.narrow(1, 0, 12), &config);
            assert!(ours.equal(&text), "{}, cache: {use_cache}", folder.display());
        }
        compared += 1;
    }
    assert!(compared >= 5);
}

#[test]
fn the_seed_decides_what_is_sampled() {
    let model = load(&own("gpt2"), Backend::Auto);
    let sampled = |seed| {
        let config = GenerationConfig {
            seed,
            temperature: 5.0,
            stop_at_eos: false,
            ..GenerationConfig::default()
        };
        generate(&model, &some_tokens(1, 4), &config)
    };
    assert!(sampled(1).equal(&sampled(1)));
    assert!(!sampled(1).equal(&sampled(2)));
}

#[test]
fn a_text_ends_at_eos_and_waits_for_the_others() {
    let model = load(&own("gpt2"), Backend::Auto);
    // The first row is steered to EOS (id 0) at once, the second never gets there.
    let steer = |x: Tensor, _: &str| {
        let direction = model.weight("unembed.W_U")?.select(1, 0) * 1e4;
        x.get(0).copy_(&(x.get(0) + direction));
        Ok(x)
    };
    let edits: Vec<(String, Edit<'_>)> = vec![("blocks.2.hook_resid_post".into(), Box::new(steer))];
    let config = GenerationConfig {
        stop_at_eos: true,
        max_new_tokens: 5,
        ..greedy()
    };
    let text = model
        .generate(&some_tokens(2, 6), &config, edits, &RunContext::default())
        .expect("a text");
    assert_eq!(
        Vec::<i64>::try_from(text.get(0).narrow(0, 6, 5)).expect("tokens"),
        [0; 5]
    );
    assert_eq!(text.size(), [2, 11]);
}

#[test]
fn a_text_ends_where_the_models_files_say_too() {
    let prompt = some_tokens(1, 12);
    let config = GenerationConfig {
        stop_at_eos: true,
        ..greedy()
    };
    let folder = copy_of("gpt2");
    let whole =
        Vec::<i64>::try_from(generate(&load(folder.path(), Backend::Auto), &prompt, &greedy()).get(0));
    let whole = whole.expect("tokens");
    let fifth = whole[16];
    let ends = format!(r#"{{"eos_token_id": [0, {fifth}]}}"#);
    std::fs::write(folder.path().join("generation_config.json"), ends).expect("written");
    let model = load(folder.path(), Backend::Auto);
    assert_eq!(model.ends(), [0, fifth]);
    let text = Vec::<i64>::try_from(generate(&model, &prompt, &config).get(0)).expect("tokens");
    let length = whole[12..].iter().position(|token| [0, fifth].contains(token));
    assert_eq!(text, whole[..12 + length.expect("an end") + 1]);
    std::fs::write(
        folder.path().join("generation_config.json"),
        r#"{"eos_token_id": "end"}"#,
    )
    .expect("written");
    let settings = LanguageModelConfig {
        model_from_pretrained_path: Some(folder.path().into()),
        ..LanguageModelConfig::default()
    };
    let error = LanguageModel::load(&settings, &RunContext::default()).expect_err("no id");
    assert!(
        error.message().contains("expected an id or a list of ids"),
        "{error}"
    );
}

#[test]
fn hooks_see_the_prompt_once_and_then_each_new_token() {
    let model = load(&own("neox_parallel"), Backend::Auto);
    let mut lengths = Vec::new();
    let note: Edit<'_> = Box::new(|x, _| {
        lengths.push(x.size()[1]);
        Ok(x)
    });
    let config = GenerationConfig {
        max_new_tokens: 4,
        ..greedy()
    };
    let edits = vec![("blocks.0.hook_resid_pre".to_string(), note)];
    let text = model
        .generate(&some_tokens(1, 7), &config, edits, &RunContext::default())
        .expect("a text");
    assert_eq!(text.size(), [1, 11]);
    assert_eq!(lengths, [7, 1, 1, 1]);
}

#[test]
fn the_cache_starts_anew_where_a_longrope_model_turns_to_its_long_frequencies() {
    let folder = copy_of("neox_parallel");
    let scaling = serde_json::json!({
        "rope_type": "longrope", "short_factor": [1.0], "long_factor": [64.0],
    });
    set(folder.path(), "rope_scaling", scaling);
    set(folder.path(), "original_max_position_embeddings", 15.into());
    let model = load(folder.path(), Backend::Auto);
    let mut lengths = Vec::new();
    let note: Edit<'_> = Box::new(|x, _| {
        lengths.push(x.size()[1]);
        Ok(x)
    });
    let config = GenerationConfig {
        max_new_tokens: 6,
        ..greedy()
    };
    let edits = vec![("blocks.0.hook_resid_pre".to_string(), note)];
    let prompt = some_tokens(1, 12);
    let text = model
        .generate(&prompt, &config, edits, &RunContext::default())
        .expect("a text");
    let plain = GenerationConfig {
        use_cache: false,
        ..config
    };
    assert!(text.equal(&generate(&model, &prompt, &plain)));
    assert_eq!(lengths, [12, 1, 1, 1, 16, 1]);
}

#[test]
fn a_prompt_that_leaves_no_room_is_refused() {
    let model = load(&own("gpt2"), Backend::Auto);
    let error = model
        .generate(&some_tokens(1, 50), greedy(), Vec::new(), &RunContext::default())
        .expect_err("too long");
    assert!(
        error
            .message()
            .contains("50 tokens and 24 new ones are more than the context"),
        "{error}"
    );
}
