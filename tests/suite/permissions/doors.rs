//! Every function and every setting by which a script could name something outside asks the policy, or is known to name
//! nothing.

use std::collections::BTreeSet;

use saescript::Host;
use saescript::config::Value;
use saescript::script::CLASSES;
use saescript::script::definitions::definitions;
use saescript::script::doors::{DOORS, Door, KEYS, UNLESS};

/// Functions that take texts, lists, maps or settings, and reach nothing that these name. `fit` asks by itself, for the
/// folder in its trainer's settings; constructors of settings only make them.
const HARMLESS: &str = "
    ablate add_metric all amax amin any append apply_chat_template arange at attention_mask attribute bars
    binary_cross_entropy binary_cross_entropy_with_logits block_diag bookmark bookmarked broadcast_tensors
    broadcast_to bytes cartesian_prod cat chars chop clamp clear column_stack compute_loss concat concatenate
    cond contains convert_tokens_to_ids copy copy_ cosine_embedding_loss count count_nonzero crop cross_entropy
    debug decode dedup div drain dstack eigh eigvalsh einsum empty encode ends_with expand extract eye
    fill_with filter find find_map fit flagged flatten flip fmt for_each format forward from_list full gelu
    generate get get_fn_metadata_list get_token_position grad histogram hstack huber_loss image index_of insert
    is_empty isin items join keys kl_div l1_loss latents layer_norm len lines linspace log logspace logsumexp
    loss loss_with_hooks make_lower make_upper map matrix_norm max mean meshgrid min mixin moveaxis movedim
    mse_loss multi_dot nanmean nanquantile nansum neighbours new_full new_ones new_zeros nll_loss norm normal
    normalize normalize_activations ones order order_by order_desc pad parameter parse_float parse_int
    parse_json permute pop print print_table process push qr quantile rand randint randn reduce reduce_rev
    remove repeat replace reshape retain reverse rms_norm roll rot90 run_with_cache run_with_hooks samples
    scatter_reduce scatter_reduce_ searchsorted select set set_at set_label set_tag shard shift shuffle
    smooth_l1_loss soft_margin_loss some sort sort_by sort_desc sparkline splice split split_rev squeeze stack
    starts_with std std_mean steer step strip sub_string sum tag take tensor tensor_split tensordot tile to
    to_blob to_chars to_debug to_json to_jumprelu to_lower to_map to_single_token to_str_tokens to_string
    to_tokens to_upper tokens_to_residual_directions trace tril_indices trim triplet_margin_loss triu_indices
    truncate unflatten unique update values var var_mean variance vector_norm view vstack weight write_ascii
    write_utf8 zeros zip
    ActivationFactoryActivationsSource ActivationFactoryConfig ActivationFactoryDatasetSource ActivationStream
    ActivationWriterConfig Adam AdamW AnalyzeCrosscoderSettings AnalyzeSAESettings BufferShuffleConfig
    CrossCoderConfig CrosscoderConfig DatasetConfig DirectLogitAttributeSettings DirectLogitAttributorConfig
    Error EvalSettings FeatureAnalyzer FeatureAnalyzerConfig GenerateActivationsSettings GenerationConfig
    InitializerConfig LanguageModelConfig Muon PretrainedSAE SAEConfig SGD Signum SparseAdam
    TrainCrossCoderSettings TrainCrosscoderSettings TrainSAESettings TrainerConfig WandbConfig
";

/// Settings that are texts, and name nothing outside: words, columns, devices, hook points, parts of a data set.
const WORDS: &str = "
    amp_dtype data_dir device device_type dtype exp_name feature_analysis_name field generator_device hook_point_in
    hook_point_out hook_points name override_dtype revision sae_name sae_series sep split text_column wandb_entity
    wandb_run_id
";

fn host() -> Host {
    Host::builder().build().expect("a host")
}

/// Every function that takes what could name something, as the definitions for editors have them.
fn functions() -> BTreeSet<String> {
    let catalog = host().catalog().expect("a catalog");
    let classes: Vec<&str> = CLASSES.iter().map(|class| class.name).collect();
    let kinds = ["string", "array", "map", "any"].into_iter().chain(classes);
    let kinds: Vec<&str> = kinds.collect();
    let files = definitions(&catalog);
    let mut names = BTreeSet::new();
    for line in files.values().flat_map(|text| text.lines()) {
        let Some((name, rest)) = line
            .trim()
            .strip_prefix("fn ")
            .and_then(|line| line.split_once('('))
        else {
            continue;
        };
        // Properties of what there is.
        if name.starts_with("get ") || name.starts_with("set ") {
            continue;
        }
        let parameters = rest.split(')').next().unwrap_or_default();
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let mut words = parameters.split(|letter| !is_word(letter));
        if words.any(|word| kinds.contains(&word)) {
            names.insert(name.trim().to_string());
        }
    }
    names
}

#[test]
fn every_function_that_takes_texts_asks_or_is_harmless() {
    let harmless: BTreeSet<String> = HARMLESS.split_whitespace().map(str::to_string).collect();
    let functions = functions();
    assert!(functions.len() > 150, "{functions:?}");
    let doors: BTreeSet<String> = DOORS.iter().map(|door| door.function.to_string()).collect();
    let open: Vec<&String> = functions
        .difference(&doors)
        .filter(|name| !harmless.contains(*name))
        .collect();
    assert!(
        open.is_empty(),
        "neither in DOORS nor known to be harmless: {open:?}"
    );
    let gone: Vec<&String> = doors
        .union(&harmless)
        .filter(|name| !functions.contains(*name))
        .collect();
    assert!(gone.is_empty(), "there are none of these names: {gone:?}");
    let both: Vec<&String> = doors.intersection(&harmless).collect();
    assert!(both.is_empty(), "{both:?}");
}

/// Names of the fields in a schema, wherever in it, that may be any text.
fn texts(schema: &Value, whole: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                for (name, property) in properties {
                    if may_be_text(property, whole, 0) {
                        found.insert(name.clone());
                    }
                }
            }
            fields.values().for_each(|field| texts(field, whole, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, whole, found)),
        _ => (),
    }
}

fn may_be_text(schema: &Value, whole: &Value, depth: usize) -> bool {
    if depth > 8 || schema.get("enum").is_some() || schema.get("const").is_some() {
        return false;
    }
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix("#/$defs/"))
    {
        return may_be_text(&whole["$defs"][name], whole, depth + 1);
    }
    let is_text = match &schema["type"] {
        Value::String(kind) => kind == "string",
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    };
    let nested = ["anyOf", "oneOf", "allOf"]
        .iter()
        .flat_map(|key| schema[*key].as_array().into_iter().flatten());
    let parts = [&schema["items"], &schema["additionalProperties"]];
    is_text
        || nested
            .chain(parts)
            .any(|part| part.is_object() && may_be_text(part, whole, depth + 1))
}

#[test]
fn every_setting_that_is_a_text_asks_or_is_a_word() {
    let mut fields = BTreeSet::new();
    for class in CLASSES {
        let schema = class.schema();
        texts(&schema, &schema, &mut fields);
    }
    assert!(fields.len() > 20, "{fields:?}");
    let words: BTreeSet<String> = WORDS.split_whitespace().map(str::to_string).collect();
    let keys: BTreeSet<String> = KEYS.iter().map(|(key, _)| key.to_string()).collect();
    let open: Vec<&String> = fields
        .difference(&keys)
        .filter(|name| !words.contains(*name))
        .collect();
    assert!(open.is_empty(), "neither in KEYS nor known to be words: {open:?}");
    let gone: Vec<&String> = words.difference(&fields).collect();
    assert!(gone.is_empty(), "no class has these: {gone:?}");
    for (key, others) in UNLESS {
        assert!(keys.contains(*key), "{key}");
        assert!(!others.is_empty());
    }
}

#[test]
fn a_door_is_found_by_its_name() {
    assert!(Door::of("read_text").is_some_and(|door| !door.arguments.is_empty()));
    assert!(Door::of("print").is_none());
}
