//! Every field of every configuration class either decides the numbers of a run, or is free to change.

use std::collections::BTreeSet;

use saescript::activations::{
    ActivationFactoryActivationsSource, ActivationFactoryConfig, ActivationFactoryDatasetSource,
    ActivationWriterConfig, BufferShuffleConfig,
};
use saescript::analysis::FeatureAnalyzerConfig;
use saescript::config::Value;
use saescript::dictionary::{Row, SAEConfig, VARIANTS};
use saescript::fingerprint::Identified;
use saescript::model::LanguageModelConfig;
use saescript::runner::{GenerateActivationsSettings, PretrainedSAE, TrainSAESettings};
use saescript::text::DatasetConfig;
use saescript::train::{InitializerConfig, TrainerConfig};

fn schema<C: Identified>() -> Value {
    serde_json::to_value(schemars::schema_for!(C)).expect("a schema")
}

/// Compares the fields of a class with its two lists; its name.
fn check<C: Identified>() -> String {
    check_with::<C>(&[])
}

/// The same for a class with further fields, which all decide.
fn check_with<C: Identified>(further: &[String]) -> String {
    let schema = schema::<C>();
    let fields: BTreeSet<&str> = schema["properties"]
        .as_object()
        .expect("a table")
        .keys()
        .map(String::as_str)
        .collect();
    let mut listed = BTreeSet::new();
    for field in C::DECIDES.iter().chain(C::FREE) {
        assert!(listed.insert(*field), "{}: `{field}` is listed twice", C::NAME);
    }
    for field in further {
        assert!(C::decides(field), "{}: `{field}`", C::NAME);
        listed.insert(field);
    }
    assert_eq!(
        listed,
        fields,
        "{}: a field belongs into `DECIDES` or `FREE`, whichever it is",
        C::NAME
    );
    C::NAME.to_string()
}

/// The settings that only some kinds of dictionaries have.
fn own_fields() -> Vec<String> {
    let of_row = |row: &Row| {
        let schema = (row.schema)();
        let keys = schema["properties"].as_object().into_iter().flatten();
        keys.map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    VARIANTS.iter().flat_map(of_row).collect()
}

#[test]
fn every_field_decides_numbers_or_is_free() {
    let checked: BTreeSet<String> = [
        check::<ActivationFactoryActivationsSource>(),
        check::<ActivationFactoryConfig>(),
        check::<ActivationFactoryDatasetSource>(),
        check::<ActivationWriterConfig>(),
        check::<BufferShuffleConfig>(),
        check::<DatasetConfig>(),
        check::<FeatureAnalyzerConfig>(),
        check::<GenerateActivationsSettings>(),
        check::<InitializerConfig>(),
        check::<LanguageModelConfig>(),
        check::<PretrainedSAE>(),
        check_with::<SAEConfig>(&own_fields()),
        check::<TrainSAESettings>(),
        check::<TrainerConfig>(),
    ]
    .into();
    // All tables within the settings, but for those that are free as a whole.
    for settings in [
        schema::<TrainSAESettings>(),
        schema::<GenerateActivationsSettings>(),
    ] {
        for (name, table) in settings["$defs"].as_object().expect("definitions") {
            let is_table = table.get("properties").is_some();
            let known = checked.contains(name) || name == "WandbConfig";
            assert!(!is_table || known, "{name} is in no list");
        }
    }
}
