//! Latents changed while a model runs, and what made a model say something, as scripts do it.

use saescript::Host;

use crate::program::run_in;

/// A model, a dictionary for its hook point, tokens, and what closures would do in the place of changes.
fn start() -> String {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    format!(
        r#"
        let model = TransformerLensLanguageModel(LanguageModelConfig(#{{
            model_name: "tiny", model_from_pretrained_path: "{fixtures}/model/lm/neox_parallel" }}));
        let sae = SparseAutoEncoder::from_pretrained("{fixtures}/analysis/sae_pretrained/topk_folded");
        let hook = sae.cfg.hook_point_in;
        let tokens = model.to_tokens("the cat sat on a mat and saw two birds near old trees");
        let x = model.run_with_cache(tokens, [hook])[hook];
        let f = sae.encode(x);
        let latent = f[0].sum(0).argmax().item();
        let row = sae.parameter("W_D")[latent];
        let acts = f.slice(-1, latent, latent + 1);
        fn difference(a, b) {{ (a - b).abs().max().item() }}
        "#
    )
}

fn eval(text: &str) -> saescript::Result<saescript::script::rhai::Dynamic> {
    let mut host = Host::builder().output(|_| {}).build().expect("a host");
    host.eval("test", &format!("{}{text}", start()))
}

fn number(text: &str) -> f64 {
    let value = eval(text).unwrap_or_else(|error| panic!("{error}"));
    value.as_float().expect("a float")
}

fn refused(text: &str) -> String {
    eval(text)
        .err()
        .map_or_else(|| panic!("{text} is not refused"), |error| error.to_string())
}

#[test]
fn changes_do_what_closures_would() {
    for (changes, closure) in [
        ("[ablate(sae, latent)]", "|x| x - acts * row"),
        ("[ablate(sae, [latent])]", "|x| x - acts * row"),
        ("[steer(sae, latent, 2)]", "|x| x + row * 2.0"),
        ("[clamp(sae, latent, 1.5)]", "|x| x + (acts * -1.0 + 1.5) * row"),
        (
            "[clamp(sae, latent, 3), steer(sae, latent, -1.5)]",
            "|x| x + (acts * -1.0 + 1.5) * row",
        ),
        (
            "[ablate(sae, latent), steer(sae, [latent, latent], 0.5)]",
            "|x| x + (acts * -1.0 + 1.0) * row",
        ),
    ] {
        let text = format!(
            "let hooks = #{{}}; hooks[hook] = {closure};
             let changed = model.run_with_hooks(tokens, {changes});
             if difference(changed, model.forward(tokens)) < 1e-4 {{ throw \"nothing was changed\"; }}
             difference(changed, model.run_with_hooks(tokens, hooks))"
        );
        let apart = number(&text);
        assert!(apart < 1e-4, "{changes}: {apart}");
    }
}

#[test]
fn what_changes_nothing_leaves_the_very_same_numbers() {
    let same = "difference(model.run_with_hooks(tokens, CHANGES), model.forward(tokens))";
    let silent = "f[0].sum(0).argmin().item()";
    for changes in [
        "[]".to_string(),
        "[steer(sae, latent, 0.0)]".to_string(),
        format!("[ablate(sae, {silent})]"),
        "[ablate(sae, [])]".to_string(),
    ] {
        assert_eq!(number(&same.replace("CHANGES", &changes)), 0.0, "{changes}");
    }
}

#[test]
fn changes_go_with_closures_losses_and_generation() {
    let text = "
        let zeros = #{}; zeros[hook] = |x| x * 0.0;
        let both = model.run_with_hooks(tokens, zeros, [clamp(sae, latent, 4.0)]);
        let f = sae.encode(x * 0.0);
        let hooks = #{}; hooks[hook] = |x| (f.slice(-1, latent, latent + 1) * -1.0 + 4.0) * row;
        difference(both, model.run_with_hooks(tokens, hooks))";
    assert!(number(text) < 1e-4);
    let text = "
        let hooks = #{}; hooks[hook] = |x| x - acts * row;
        let ours = model.loss_with_hooks(tokens, [ablate(sae, latent)]);
        (ours - model.loss_with_hooks(tokens, hooks)).abs() + (ours - model.loss_with_hooks(tokens, #{}, [ablate(sae, latent)])).abs()";
    assert!(number(text) < 1e-5);
    let text = r#"
        let options = #{ max_new_tokens: 8, temperature: 0.0 };
        let plain = model.generate("the cat", options);
        let steered = options; steered.changes = [steer(sae, latent, 500.0)];
        let none = options; none.changes = [];
        if model.generate("the cat", none) != plain { throw "no change, other text"; }
        if model.generate("the cat", steered) == plain { throw "the same text"; }
        0.0"#;
    assert_eq!(number(text), 0.0);
}

#[test]
fn transcoders_change_what_they_write() {
    let text = r#"
        let coder = SparseAutoEncoder(SAEConfig(#{ hook_point_in: "blocks.0.hook_resid_pre",
            hook_point_out: "blocks.1.hook_resid_post", d_model: 48, d_sae: 96, act_fn: "relu",
            norm_activation: "token-wise" }));
        let at = "blocks.0.hook_resid_pre";
        let out = "blocks.1.hook_resid_post";
        let seen = model.run_with_cache(tokens, [at, out]);
        let f = coder.encode(coder.normalize_activations(seen)[at]);
        let factor = seen[out].norm(2, -1, true) / 48.0.sqrt();
        let added = (f.slice(-1, 5, 6) * -1.0 + 2.0) * coder.parameter("W_D")[5] * factor;
        let hooks = #{}; hooks[out] = |y| y + added;
        let changed = model.run_with_hooks(tokens, [clamp(coder, 5, 2)]);
        if difference(changed, model.forward(tokens)) < 1e-3 { throw "nothing was changed"; }
        difference(changed, model.run_with_hooks(tokens, hooks))"#;
    let apart = number(text);
    assert!(apart < 1e-3, "{apart}");
}

#[test]
fn the_parts_of_an_attribution_add_up() {
    let text = r#"
        let found = attribute(model, sae, tokens, 17);
        let sum = found.bias;
        for part in found.latents { sum += part.attribution; }
        for error in found.errors { sum += error; }
        if found.latents.len() == 0 || found.errors.len() != tokens.size()[1] { throw "parts are missing"; }
        (sum - found.total).abs() / (found.total.abs() + 1e-3)"#;
    assert!(number(text) < 1e-5, "the parts are not the whole");
    // The whole is the slope of the logit along the activations.
    let text = r#"
        let found = attribute(model, sae, tokens, 17);
        fn said(model, tokens, hook, by) {
            let hooks = #{}; hooks[hook] = |x| x * by;
            let last = model.run_with_hooks(tokens, hooks)[0][-1];
            last[17].item() - last.mean().item()
        }
        let slope = (said(model, tokens, hook, 1.01) - said(model, tokens, hook, 0.99)) / 0.02;
        if (said(model, tokens, hook, 1.0) - found.logit).abs() > 1e-4 { throw "another logit"; }
        (slope - found.total).abs() / (found.total.abs() + 0.1)"#;
    let apart = number(text);
    assert!(apart < 0.02, "{apart}");
    // A part is the slope along the latent's own direction, where it alone is turned up at every position it fires on.
    let text = r#"
        let found = attribute(model, sae, tokens, 17);
        let first = found.latents[0];
        let expected = 0.0;
        for part in found.latents { if part.latent == first.latent { expected += part.attribution; } }
        let acts = f.slice(-1, first.latent, first.latent + 1);
        let row = sae.parameter("W_D")[first.latent];
        fn said(model, tokens, hook, added) {
            let hooks = #{}; hooks[hook] = |x| x + added;
            let last = model.run_with_hooks(tokens, hooks)[0][-1];
            last[17].item() - last.mean().item()
        }
        let slope = (said(model, tokens, hook, acts * row * 0.01) - said(model, tokens, hook, acts * row * -0.01)) / 0.02;
        (slope - expected).abs() / (expected.abs() + 0.1)"#;
    let apart = number(text);
    assert!(apart < 0.02, "{apart}");
}

#[test]
fn texts_can_be_asked_about() {
    let text = r#"
        let token = model.to_str_tokens(model.to_tokens("the cat"))[1];
        let found = attribute(model, sae, "the cat sat", token);
        let first = found.latents[0];
        if found.tokens[first.position] != first.token { throw "another token"; }
        if first.activation <= 0.0 { throw "it does not fire"; }
        let last = first;
        for part in found.latents { if part.attribution.abs() > last.attribution.abs() { throw "not in order"; } last = part; }
        found.logit"#;
    assert!(number(text).is_finite());
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (text, expected) in [
        ("ablate(sae, 192)", "there is no latent 192"),
        ("ablate(sae, -1)", "numbered from 0 to 191"),
        ("ablate(sae, \"3\")", "expected the number of a latent"),
        ("ablate(sae, [1, 2.5])", "[1]"),
        ("steer(sae, 1, \"strong\")", "the strength, a number"),
        ("steer(sae, 1, 1.0 / 0.0)", "cannot be changed by, or to, inf"),
        ("model.run_with_hooks(tokens, [3])", "as `ablate(sae, [3])`"),
        ("model.generate(\"a\", #{ changes: 3 })", "a list of changes"),
        (
            "attribute(model, sae, \"the cat\", \"the cat sat on a mat\")",
            "tokens, and one is asked about",
        ),
        (
            "attribute(model, sae, \"the cat\", 1000000)",
            "there is no token 1000000",
        ),
        ("attribute(model, sae, tokens.repeat([2, 1]), 3)", "[1, seq]"),
        (
            "let both = SparseAutoEncoder(SAEConfig(#{ sae_type: \"crosscoder\", hook_points: [\"a\", \"b\"], d_model: 4, \
             d_sae: 8, norm_activation: \"inference\" })); model.run_with_hooks(tokens, [ablate(both, 3)])",
            "reads 2 hook points together",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn the_example_analyses_labels_steers_and_attributes() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/analysis/quickstart");
    std::fs::create_dir(folder.path().join("sae")).expect("made");
    for file in ["config.json", "sae_weights.safetensors"] {
        let from = std::path::Path::new(shipped).join(file);
        std::fs::copy(from, folder.path().join("sae").join(file)).expect("copied");
    }
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/analyse.rhai");
    let ran = run_in(folder.path(), ["run", "--quiet", example, "sae", "8000"]).ended_with(0);
    for expected in [
        "latents fire 20 times",
        "found by its label: [",
        "turned up:",
        "attribution",
        "saescript view sae/analysis.sqlite",
    ] {
        assert!(ran.out.contains(expected), "{expected} in {}", ran.out);
    }
    let continued = |name: &str| {
        ran.out
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::trim))
    };
    assert_ne!(continued("as it is:"), continued("turned up:"), "{}", ran.out);
}
