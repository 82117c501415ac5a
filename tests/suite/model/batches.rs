//! Texts of different lengths in one batch: what counts comes out as if each were alone.

use saescript::event::RunContext;
use saescript::model::{
    Backend, GenerationConfig, LanguageModel, PaddingSide, Prompts, losses_per_token, mean_loss,
};
use saescript::tensor::{Kind, Tensor};

use super::{difference, load, own};

/// Rows of different lengths, none with the padding token in it.
fn rows() -> Vec<Vec<i64>> {
    let row = |length: i64| (0..length).map(|at| 3 + (at * 37 + length) % 290).collect();
    [9, 4, 1].into_iter().map(row).collect()
}

fn padded(side: PaddingSide) -> Prompts {
    Prompts::padded(&rows(), side, Some(1)).expect("a batch")
}

/// The part of a batch's `x`, `[batch, seq, …]`, that is row `index` without its padding.
fn part(x: &Tensor, index: i64, length: i64, side: PaddingSide) -> Tensor {
    let start = match side {
        PaddingSide::Left => x.size()[1] - length,
        PaddingSide::Right => 0,
    };
    x.narrow(0, index, 1).narrow(1, start, length)
}

fn alone(row: &[i64]) -> Tensor {
    Tensor::from_slice(row).unsqueeze(0)
}

/// Learned positions, rotations, a window with a soft cap, grouped queries with biases, frequencies that stretch.
const MODELS: &[&str] = &[
    "gpt2",
    "neox_parallel",
    "gemma2",
    "qwen2_biases",
    "llama_dynamic_base",
];

#[test]
fn padding_on_either_side_changes_nothing_that_counts() {
    for name in MODELS {
        let model = load(&own(name), Backend::Auto);
        for side in [PaddingSide::Left, PaddingSide::Right] {
            let prompts = padded(side);
            let places = if *name == "gpt2" {
                "hook_pos_embed"
            } else {
                "blocks.*.attn.hook_rot_q"
            };
            let hooks = ["blocks.*.hook_resid_post".to_string(), places.to_string()];
            let (logits, cache) = model.run_with_cache(&prompts, Some(&hooks)).expect("a pass");
            for (index, row) in rows().iter().enumerate() {
                let (length, index) = (row.len() as i64, index as i64);
                let (wanted, wanted_cache) = model.run_with_cache(&alone(row), Some(&hooks)).expect("a pass");
                let scale = wanted.abs().max().double_value(&[]).max(1.0);
                let worst = difference(&part(&logits, index, length, side), &wanted) / scale;
                assert!(worst <= 3e-6, "{name} {side:?} row {index}: {worst:.1e}");
                for (hook, wanted) in &wanted_cache {
                    let worst = difference(&part(&cache[hook], index, length, side), wanted);
                    assert!(worst <= 3e-5, "{name} {side:?} row {index} {hook}: {worst:.1e}");
                }
            }
        }
    }
}

#[test]
fn no_token_attends_to_padding() {
    for name in ["gpt2", "gemma2"] {
        let model = load(&own(name), Backend::Auto);
        let hook = "blocks.0.attn.hook_pattern".to_string();
        let (_, cache) = model
            .run_with_cache(&padded(PaddingSide::Left), Some(std::slice::from_ref(&hook)))
            .expect("a pass");
        // The second row has five places of padding: queries after them see none of these keys.
        let onto_padding = cache[&hook].select(0, 1).narrow(1, 5, 4).narrow(2, 0, 5);
        assert_eq!(onto_padding.abs().max().double_value(&[]), 0.0, "{name}");
        let among_themselves = cache[&hook]
            .select(0, 1)
            .narrow(1, 5, 4)
            .narrow(2, 5, 4)
            .sum_dim_intlist(-1, false, None::<Kind>);
        assert!(
            difference(&among_themselves, &among_themselves.ones_like()) <= 1e-6,
            "{name}"
        );
    }
}

#[test]
fn texts_padded_on_the_left_are_continued_as_if_alone() {
    for name in MODELS {
        let model = load(&own(name), Backend::Auto);
        for use_cache in [true, false] {
            let config = GenerationConfig {
                max_new_tokens: 6,
                do_sample: false,
                stop_at_eos: false,
                use_cache,
                ..GenerationConfig::default()
            };
            let generate = |model: &LanguageModel, prompts: &Prompts| {
                model
                    .generate(prompts, &config, Vec::new(), &RunContext::default())
                    .expect("text")
            };
            let made = generate(&model, &padded(PaddingSide::Left));
            for (index, row) in rows().iter().enumerate() {
                let single =
                    Prompts::padded(std::slice::from_ref(row), PaddingSide::Left, None).expect("a row");
                let wanted = generate(&model, &single);
                let ours = part(&made, index as i64, wanted.size()[1], PaddingSide::Left);
                assert!(ours == wanted, "{name}, cache {use_cache}, row {index}");
            }
        }
    }
}

#[test]
fn padding_counts_in_no_loss() {
    let model = load(&own("gpt2"), Backend::Auto);
    for side in [PaddingSide::Left, PaddingSide::Right] {
        let prompts = padded(side);
        let logits = model.forward(&prompts).expect("logits");
        let per_token = losses_per_token(&logits, &prompts).expect("losses");
        assert_eq!(per_token.size(), [3, 8]);
        let (mut sum, mut count) = (0.0, 0.0);
        for (index, row) in rows().iter().enumerate().take(2) {
            let places = row.len() as f64 - 1.0;
            let loss = model.loss(&alone(row)).expect("a loss").double_value(&[]);
            let ours = per_token.get(index as i64).sum(None::<Kind>).double_value(&[]);
            assert!(
                (ours - loss * places).abs() <= 1e-4,
                "{side:?}: {ours} instead of {}",
                loss * places
            );
            sum += loss * places;
            count += places;
        }
        let mean = mean_loss(&logits, &prompts).expect("a loss").double_value(&[]);
        assert!(
            (mean - sum / count).abs() <= 1e-5,
            "{mean} instead of {}",
            sum / count
        );
    }
}

#[test]
fn a_mask_of_another_shape_is_refused() {
    let model = load(&own("gpt2"), Backend::Auto);
    let mut prompts = padded(PaddingSide::Left);
    prompts.mask = prompts.mask.map(|mask| mask.narrow(1, 0, 3));
    let error = model.forward(&prompts).expect_err("refused").to_string();
    assert!(error.contains("[3, 3]") && error.contains("[3, 9]"), "{error}");
}
