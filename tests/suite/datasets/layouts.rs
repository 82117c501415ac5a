//! Which files belong to a data set and to a split.

use saescript::text::{DataFiles, DatasetConfig};

use super::{config, load, texts, write};

#[test]
fn folders_are_read_by_split() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    write(
        &root.join("train-00000-of-00002.jsonl"),
        "{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
    );
    write(&root.join("train-00001-of-00002.jsonl"), "{\"text\": \"c\"}\n");
    write(&root.join("valid.jsonl"), "{\"text\": \"v\"}\n");
    write(&root.join("README.md"), "about");
    let dataset = load(&config(root)).expect("train");
    assert_eq!(texts(&dataset, 0).expect("texts"), ["a", "b", "c"]);
    assert_eq!(texts(&dataset, 2).expect("texts"), ["c"]);
    assert_eq!(dataset.len().expect("counted"), 3);
    let validation = DatasetConfig {
        split: "validation".into(),
        ..config(root)
    };
    assert_eq!(
        texts(&load(&validation).expect("validation"), 0).expect("texts"),
        ["v"]
    );
    let error = load(&DatasetConfig {
        split: "test".into(),
        ..config(root)
    })
    .expect_err("no test split");
    assert_eq!(error.key_path(), "split");
    assert!(error.to_string().contains("`train`, `validation`"), "{error}");
    let chosen = DatasetConfig {
        data_files: Some(DataFiles::One("*-00001-*".into())),
        ..config(root)
    };
    assert_eq!(texts(&load(&chosen).expect("chosen"), 0).expect("texts"), ["c"]);
}

#[test]
fn the_data_folder_of_a_hub_layout_comes_first() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("data/train.txt"), "one\r\ntwo\n\nthree");
    write(
        &folder.path().join("jsonl/train.jsonl"),
        "{\"text\": \"other\"}\n",
    );
    let dataset = load(&config(folder.path())).expect("loaded");
    assert_eq!(texts(&dataset, 0).expect("texts"), ["one", "two", "", "three"]);
    assert_eq!(dataset.len().expect("counted"), 4);
    let sub = load(&config(&folder.path().join("jsonl"))).expect("loaded");
    assert_eq!(texts(&sub, 0).expect("texts"), ["other"]);
}

/// A README that lists configurations decides before all names do.
#[test]
fn a_readme_with_configurations_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let readme = "---\nconfigs:\n- config_name: small\n  default: true\n  data_files:\n  - split: train\n    path: a/*.txt\n  - split: \
                  test\n    path: b/x.txt\n- config_name: large\n  data_dir: c\n---\n# About\n";
    write(&root.join("README.md"), readme);
    write(&root.join("a/one.txt"), "a1");
    write(&root.join("a/two.txt"), "a2");
    write(&root.join("b/x.txt"), "b");
    write(&root.join("c/train.txt"), "c");
    let read = |name: Option<&str>, split: &str| {
        let config = DatasetConfig {
            name: name.map(String::from),
            split: split.into(),
            ..config(root)
        };
        load(&config).and_then(|dataset| texts(&dataset, 0))
    };
    assert_eq!(read(None, "train").expect("texts"), ["a1", "a2"]);
    assert_eq!(read(Some("small"), "test").expect("texts"), ["b"]);
    assert_eq!(read(Some("large"), "train").expect("texts"), ["c"]);
    let error = read(Some("larg"), "train").expect_err("not listed");
    assert!(error.to_string().contains("did you mean `large`"), "{error}");
    assert_eq!(error.key_path(), "name");
    let error = read(Some("small"), "validation").expect_err("not listed");
    assert!(error.to_string().contains("`train`, `test`"), "{error}");
    // What is chosen by hand comes before the README.
    let chosen = DatasetConfig {
        data_files: Some(DataFiles::One("**/x.txt".into())),
        ..config(root)
    };
    assert_eq!(texts(&load(&chosen).expect("loaded"), 0).expect("texts"), ["b"]);
    let folder = DatasetConfig {
        data_files: Some(DataFiles::One("*.txt".into())),
        data_dir: Some("a".into()),
        ..config(root)
    };
    assert_eq!(
        texts(&load(&folder).expect("loaded"), 0).expect("texts"),
        ["a1", "a2"]
    );
}

#[test]
fn a_configuration_that_no_readme_lists_is_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("en/train.txt"), "english");
    write(&folder.path().join("de/train.txt"), "deutsch");
    let named = |name: &str| DatasetConfig {
        name: Some(name.into()),
        ..config(folder.path())
    };
    assert_eq!(
        texts(&load(&named("de")).expect("loaded"), 0).expect("texts"),
        ["deutsch"]
    );
    let error = load(&named("dee")).expect_err("no such folder");
    assert!(error.to_string().contains("did you mean `de`"), "{error}");
}

#[test]
fn parts_of_a_split_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<String> = (0..20).map(|line| format!("line {line}")).collect();
    write(&folder.path().join("train.txt"), lines.join("\n"));
    for (split, range) in [
        ("train[:3]", 0..3),
        ("train[15:]", 15..20),
        ("train[50%:60%]", 10..12),
        ("train[-2:]", 18..20),
    ] {
        let part = DatasetConfig {
            split: split.into(),
            ..config(folder.path())
        };
        let dataset = load(&part).expect(split);
        assert_eq!(
            texts(&dataset, 0).expect("texts"),
            lines[range.clone()],
            "{split}"
        );
        assert_eq!(dataset.len().expect("counted"), range.len() as u64, "{split}");
    }
}
