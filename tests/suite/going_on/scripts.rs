//! The same in scripts: `fit` from a checkpoint, `ActivationWriter` onto a folder, and what cannot be compared.

use std::path::Path;

use super::{copy_model, corpus};
use crate::program::{Ran, run_in};

const SCRIPT: &str = r#"
fn stream(texts, batch) {
    let model = TransformerLensLanguageModel(LanguageModelConfig(#{ model_from_pretrained_path: "model", device: "cpu" }));
    let factory = ActivationFactory(ActivationFactoryConfig(#{
        sources: [ActivationFactoryDatasetSource(#{ name: "corpus" })],
        target: ActivationFactoryTarget::ACTIVATIONS_1D,
        hook_points: ["blocks.1.hook_resid_post"],
        context_size: 32, model_batch_size: 8, batch_size: batch, buffer_size: 512,
    }));
    factory.process(#{ model: model, model_name: "tiny", datasets: #{ "corpus": texts } })
}
fn sae(k) {
    SparseAutoEncoder(SAEConfig(#{
        hook_point_in: "blocks.1.hook_resid_post", hook_point_out: "blocks.1.hook_resid_post",
        d_model: 48, expansion_factor: 4, act_fn: "topk", top_k: k, dtype: torch::float32,
    }))
}
fn trainer(lr, from, into) {
    Trainer(TrainerConfig(#{
        lr: lr, total_training_tokens: 2560, lr_warm_up_steps: 0.1, amp_dtype: torch::float32, n_checkpoints: 4,
        check_point_save_mode: "linear", exp_result_path: into, from_pretrained_path: from,
    }))
}
let corpus = datasets::load_dataset("corpus.jsonl");
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy_model(&folder.path().join("model"));
    std::fs::write(folder.path().join("corpus.jsonl"), corpus()).expect("written");
    folder
}

fn script(folder: &Path, text: &str) -> Ran {
    std::fs::write(folder.join("script.rhai"), format!("{SCRIPT}{text}")).expect("written");
    run_in(folder, ["run", "script.rhai"])
}

#[test]
fn fit_goes_on_from_a_checkpoint_with_what_it_was_begun_with() {
    let folder = folder();
    let folder = folder.path();
    let ran = script(
        folder,
        r#"
        trainer(0.001, (), "first").fit(sae(6), stream(corpus, 64));
        let at = "first/checkpoints/step_10";
        fn refused(name, action) {
            try { action.call(); } catch (e) {
                if !e.message.contains("`" + name + "` was ") { throw `${name}: ${e.message}`; }
                return;
            }
            throw `${name} was not compared`;
        }
        refused("trainer.lr", || trainer(0.002, at, "second").fit(sae(6), stream(corpus, 64)));
        refused("sae.top_k", || trainer(0.001, at, "second").fit(sae(8), stream(corpus, 64)));
        refused("sae.top_k", || Trainer::from_checkpoint(sae(8), at));
        refused("activation_factory.batch_size", || trainer(0.001, at, "second").fit(sae(6), stream(corpus, 32)));
        refused("datasets.corpus.steps", || trainer(0.001, at, "second").fit(sae(6), stream(corpus.take(399), 64)));
        refused("datasets.corpus.steps", || trainer(0.001, at, "second").fit(sae(6), stream(corpus.shuffle(1), 64)));
        refused("activation_stream.map[0]", || {
            trainer(0.001, at, "second").fit(sae(6), stream(corpus, 64).map(|batch| batch))
        });
        print(trainer(0.002, at, "second").fit(#{
            sae: sae(6), activation_stream: stream(corpus, 64), allow_change: ["trainer.lr"],
        }));
        print(trainer(0.001, at, "third").fit(sae(6), stream(corpus, 64)));
        "#,
    );
    assert_eq!(ran.ended_with(0).out, "finished\nfinished\n");
}

#[test]
fn closures_and_lists_are_compared_by_what_they_are() {
    let folder = folder();
    let folder = folder.path();
    let write = |records: &str, closure: &str| {
        script(
            folder,
            &format!(
                r#"
                let scale = 2.0;
                let hook = "blocks.1.hook_resid_post";
                let texts = datasets::from_list([{records}]);
                let batches = stream(texts, 8).map({closure});
                let writer = ActivationWriter(ActivationWriterConfig(#{{ hook_points: ["blocks.1.hook_resid_post"], cache_dir: "cache" }}));
                print(writer.process(batches).chunks);
                "#
            ),
        )
    };
    let records = r#"#{ text: "the cat sat on a mat" }, #{ text: "two birds saw old trees" }"#;
    let closure = "|batch| { batch[hook] = batch[hook] * scale; batch }";
    write(records, closure).ended_with(0);
    let ran = write(
        records,
        "|batch| { /* the same */ batch[hook] = batch[hook]*scale; batch }",
    )
    .ended_with(0);
    assert!(ran.err.contains("nothing is left to do"), "{}", ran.err);
    let ran = write(
        records,
        "|batch| { batch[hook] = batch[hook] * scale * scale; batch }",
    )
    .ended_with(2);
    assert!(ran.err.contains("`activation_stream.map[0]` was"), "{}", ran.err);
    let ran = write(
        r#"#{ text: "the cat sat on a mat" }, #{ text: "two birds" }"#,
        closure,
    )
    .ended_with(2);
    assert!(ran.err.contains("`datasets.corpus.records` was"), "{}", ran.err);
}

#[test]
fn a_writer_goes_on_with_what_its_folder_was_begun_with() {
    let folder = folder();
    let folder = folder.path();
    let ran = script(
        folder,
        r#"
        let writer = ActivationWriter(ActivationWriterConfig(#{ hook_points: ["blocks.1.hook_resid_post"], cache_dir: "cache" }));
        let first = writer.process(stream(corpus, 64));
        try { writer.process(stream(corpus, 32)); throw "not compared"; } catch (e) { print(e.message.contains("`activation_factory.batch_size` was 64")); }
        let again = writer.process(stream(corpus, 32), #{ allow_change: ["activation_factory.batch_size"] });
        print(again.kept == first.chunks);
        let made = ActivationStream([#{ "blocks.1.hook_resid_post": torch::ones([4, 48]) }]);
        let other = ActivationWriter(ActivationWriterConfig(#{ hook_points: ["blocks.1.hook_resid_post"], cache_dir: "made" }));
        print(other.process(made).chunks);
        other.process(ActivationStream([#{ "blocks.1.hook_resid_post": torch::ones([4, 48]) }]));
        "#,
    )
    .ended_with(0);
    assert_eq!(ran.out, "true\ntrue\n1\n");
    assert!(
        ran.err
            .contains("not compared with what the cache `made` was begun with"),
        "{}",
        ran.err
    );
}
