//! Data sets in scripts, and where their errors stand.

use crate::program::{finish, program, script};

const RECORDS: &str =
    "{\"text\": \"one\", \"n\": 1}\n{\"text\": \"two\", \"n\": 2}\n{\"text\": \"three\", \"n\": 3}\n";

/// Runs a script beside `records.jsonl`.
fn run(text: &str) -> crate::program::Ran {
    let (folder, path) = script(text);
    std::fs::write(folder.path().join("records.jsonl"), RECORDS).expect("written");
    let examples = concat!("--allow-read=", env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut command = program();
    command
        .args(["run", examples])
        .arg(path)
        .current_dir(folder.path());
    finish(&mut command, "")
}

#[test]
fn every_operation_is_there() {
    let ran = run(r#"
        let data = datasets::load_dataset("records.jsonl");
        for record in data { print(`${record.n} ${record.text}`); }
        let long = data.filter(|r| r.text.len() > 3);
        let upper = data.map(|r| #{ text: r.text.to_upper(), half: r.n / 2.0 });
        print(`${long.len()} ${long[0].text} ${upper[-1].text} ${upper[2].half} ${upper[2].n} ${upper.column_names}`);
        print(data.shuffle(#{ seed: 1, buffer_size: 2 }).skip(1).len());
        print(data.select([2, 0])[0].text + data.select(1..3)[0].text + data.select(1..=1)[0].text);
        print(data.shard(2, 1)[0].n + data.shard(#{ num_shards: 2, index: 0 }).len());
        print(datasets::from_list([#{ text: "a" }, #{ text: "b" }]).take(1).len());
        print(data.take(2));
        let parts = datasets::load_dataset("json", #{ data_files: #{ train: "records.jsonl" }, split: "train[1:2]" });
        print(parts[0].text);
    "#)
    .ended_with(0);
    let wanted = "1 one\n2 two\n3 three\n1 three THREE 1.5 3 [\"text\", \"n\", \"half\"]\n2\nthreetwotwo\n4\n1\n\
                  Dataset(\"records.jsonl.take(2)\", columns: [\"text\", \"n\"], files: 1)\ntwo\n";
    assert_eq!(ran.out, wanted);
}

#[test]
fn errors_stand_where_they_were_made() {
    for (text, place, words) in [
        (
            "let data = datasets::load_dataset(\"records.jsonl\");\ndata.filter(|r| {\n  r.missing.len() > 1\n});",
            "script.rhai:3",
            "missing",
        ),
        (
            "let data = datasets::load_dataset(\"records.jsonl\");\ndata.filter(|r| r.n);",
            "script.rhai:2",
            "returns true or false",
        ),
        (
            "let data = datasets::load_dataset(\"records.jsonl\");\ndata.map(|r| 5);",
            "script.rhai:2",
            "a record is a map",
        ),
        (
            "let data = datasets::load_dataset(\"records.jsonl\");\ndata.map(|r| #{ f: |x| x });",
            "script.rhai:2",
            "closure",
        ),
        (
            "let data = datasets::load_dataset(\"records.jsonl\");\nprint(data[3]);",
            "script.rhai:2",
            "no record 3",
        ),
        (
            "let data = datasets::load_dataset(\"records.jsonl\");\ndata.take(-1);",
            "script.rhai:2",
            "negative",
        ),
        (
            "datasets::load_dataset(\"records.jsonl\", #{ text_column: \"txet\" });",
            "script.rhai:1",
            "did you mean `text`",
        ),
        (
            "datasets::load_dataset(\"records.jsonl\", #{ split: \"train+test\" });",
            "script.rhai:1",
            "cannot be joined",
        ),
        (
            "datasets::load_from_disk(\".\");",
            "script.rhai:1",
            "save_to_disk",
        ),
        ("datasets::from_list([]);", "script.rhai:1", "no records"),
    ] {
        let ran = run(text).ended_with(2);
        assert!(
            ran.err.contains(place) && ran.err.contains(words),
            "{text}\n{}",
            ran.err
        );
    }
}

#[test]
fn cells_are_alike_whatever_they_were_written_in() {
    let ran = run(r#"
        records();
        fn records() {
            let list = datasets::from_list([#{ text: "a", x: [1.0 / 0.0, #{ y: 0.0 / 0.0 }], n: () }, #{ text: "b" }]);
            print(list[0].x); print(list[1].n == ());
            let mapped = list.map(|r| #{ z: -1.0 / 0.0 });
            print(`${mapped[0].x} ${mapped[1].z}`);
        }
        let bad = datasets::load_dataset("records.jsonl", #{ text_column: "n", on_bad_record: "skip" });
        print(bad.bad_records().count); print(bad.bad_records().first);
        for record in bad { print("never"); }
        print(datasets::load_dataset("records.jsonl").bad_records());
        try { bad[1] } catch (error) { print(error) }
    "#)
    .ended_with(0);
    let wanted = "[inf, #{\"y\": NaN}]\ntrue\n[inf, #{\"y\": NaN}] -inf\n3\n`records.jsonl`, record 1: the column `n` \
                  should hold a text, but holds the number 1\n#{\"count\": 0, \"first\": ()}\n`records.jsonl`, record 2: the \
                  column `n` should hold a text, but holds the number 2\n";
    assert_eq!(ran.out, wanted);
}

#[test]
fn a_stream_counts_what_it_skips_and_reads_again() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-pythia");
    let text = format!(
        r#"
        let model = LanguageModel(LanguageModelConfig(#{{ model_from_pretrained_path: "{model}" }}));
        let data = datasets::load_dataset("records.jsonl", #{{ on_bad_record: "skip" }})
            .map(|r| #{{ text: if r.n == 2 {{ () }} else {{ r.text }} }});
        let stream = ActivationFactory(ActivationFactoryConfig(#{{
            sources: [ActivationFactoryDatasetSource(#{{ name: "texts", passes: 3 }})],
            target: ActivationFactoryTarget::TOKENS, hook_points: [], batch_size: 1, context_size: 4
        }})).process(#{{ model: model, datasets: #{{ texts: data }} }});
        let batches = 0;
        for batch in stream {{ batches += 1; }}
        print(`${{batches}} ${{stream.stats().bad_records}}`);
        "#
    );
    let ran = run(&text).ended_with(0);
    assert_eq!(ran.out, "6 3\n");
    assert!(ran.err.contains("3 bad records were skipped"), "{}", ran.err);
}
