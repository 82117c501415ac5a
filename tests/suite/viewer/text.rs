//! The page of a text of one's own: its figures are those of the model and the dictionary, and others are refused.

use std::path::{Path, PathBuf};

use saescript::dictionary::{LoadOptions, SparseAutoEncoder};
use saescript::event::RunContext;
use saescript::findings::{Store, Vocabulary};
use saescript::model::{LanguageModel, LanguageModelConfig, LogitMode};
use saescript::tensor::{Kind, Tensor};
use serde_json::{Value, json};

use super::chromium::Browser;
use super::made_store::{Size, make};
use super::served::Served;

const HOOK: &str = "blocks.1.hook_resid_post";
const TEXT: &str = "The old bridge was closed in June.";

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

fn model() -> LanguageModel {
    let config = LanguageModelConfig {
        model_name: "neox".into(),
        model_from_pretrained_path: Some(fixture("model/lm/neox_parallel")),
        ..LanguageModelConfig::default()
    };
    LanguageModel::load(config, &RunContext::default()).expect("a model")
}

fn dictionary() -> SparseAutoEncoder {
    SparseAutoEncoder::from_pretrained(fixture("sae/sae_pretrained/topk"), &LoadOptions::default())
        .expect("a dictionary")
}

/// A store that says what it is of.
fn store(folder: &Path, model: &LanguageModel) -> PathBuf {
    let path = folder.join("text.sqlite");
    let size = Size {
        latents: 192,
        ..Size::SMALL
    };
    make(&path, size).expect("a store");
    let store = Store::open(&path).expect("the store");
    let sae = fixture("sae/sae_pretrained/topk");
    let identity = SparseAutoEncoder::identity(&sae, &RunContext::default()).expect("an identity");
    let facts = [
        ("dictionary.path", sae.display().to_string()),
        ("dictionary.identity", identity),
        (
            "model.name",
            fixture("model/lm/neox_parallel").display().to_string(),
        ),
    ];
    facts
        .iter()
        .for_each(|(key, value)| store.set_meta(key, value).expect("set"));
    let ids: Vec<i64> = (0..model.tokenizer().vocab_size() as i64).collect();
    let texts = model.tokenizer().token_strings(&ids).expect("texts");
    store
        .put_vocabulary(&Vocabulary::new(
            texts.into_iter().map(String::into_bytes).collect(),
        ))
        .expect("put");
    path
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).reshape([-1])).expect("numbers")
}

#[track_caller]
fn near(told: &Value, expected: f64, what: &str) {
    let told = told.as_f64().expect("a number");
    assert!(
        (told - expected).abs() < 1e-4 * expected.abs().max(1.0),
        "{what}: {told}, not {expected}"
    );
}

/// What the page is told of each token, against the library's own way to the same numbers.
fn compare(read: &Value, model: &LanguageModel, sae: &SparseAutoEncoder) {
    let ids = model.tokenizer().encode(TEXT, true, None).expect("tokens");
    let bos = usize::from(model.tokenizer().bos_token_id().is_some());
    let tokens = Tensor::from_slice(&ids).view([1, ids.len() as i64]);
    let names = [HOOK.to_string(), "ln_final.hook_scale".to_string()];
    let (logits, cache) = model.run_with_cache(&tokens, Some(&names)).expect("run");
    let x = &cache[HOOK];
    let acts = sae
        .encode(&sae.normalize(x, HOOK).expect("normal"))
        .expect("encoded");
    let factor = numbers(&sae.norm_factor(x, HOOK).expect("a factor"));
    let scale = numbers(&cache["ln_final.hook_scale"]);
    let losses = numbers(&saescript::model::next_token_losses(&logits, &tokens).expect("losses"));
    let rows = sae.parameter("W_D").expect("rows");
    let direct = model
        .direct_logits(
            &model.to_residual(rows, HOOK).expect("residual"),
            LogitMode::Linear,
        )
        .expect("logits");
    assert_eq!(read["pieces"].as_array().map(Vec::len), Some(ids.len() - bos));
    for token in bos..ids.len() {
        let told = read["latents"][token - bos].as_array().expect("latents");
        let acts = numbers(&acts.get(0).get(token as i64));
        assert_eq!(told.len(), acts.iter().filter(|act| **act != 0.0).count());
        let near = |told: &Value, expected: f64, what: &str| {
            near(told, expected, &format!("{what} of token {token}"))
        };
        let mut shares = 0.0;
        for one in told {
            let latent = one[0].as_u64().expect("a latent") as usize;
            near(&one[1], acts[latent], "activation");
            shares += one[2].as_f64().expect("a share");
            match ids.get(token + 1) {
                Some(next) => {
                    let per_unit = direct.double_value(&[latent as i64, *next]);
                    let factor = factor[token % factor.len()];
                    near(&one[3], acts[latent] * per_unit / factor / scale[token], "effect");
                }
                None => assert!(one[3].is_null()),
            }
        }
        near(&shares.into(), 1.0, "shares");
        if token > 0 {
            near(&read["loss"][token - bos], losses[token - 1], "loss");
        }
    }
}

#[test]
fn a_text_is_read_by_the_model_and_the_dictionary() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (model, sae) = (model(), dictionary());
    let folder = tempfile::tempdir().expect("a folder");
    let served = Served::start(&[&store(folder.path(), &model)], &[]);
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    browser.open(&served.at("text"));
    browser.wait("document.activeElement?.tagName === 'TEXTAREA'");
    browser.write(TEXT);
    browser.click(".ask button");
    browser.wait("document.querySelectorAll('.read .t').length > 5");
    browser.wait_text(".told", "of the activations unexplained");
    let ask = format!(
        "(async () => {{ const meta = await (await fetch('/api/meta')).json(); const answer = await fetch('/api/text', {{ method: 'POST', \
         headers: {{ 'Content-Type': 'application/json', 'X-Saescript-Token': meta.write_token }}, body: JSON.stringify({{ text: {} }}) }}); \
         return answer.json(); }})()",
        json!(TEXT)
    );
    let answer = browser.value(&ask);
    compare(&answer["read"], &model, &sae);
    // A token's latents, by keys; one of them across the text.
    browser.keys(["j", "j"]);
    browser.wait("location.hash.includes('piece=1') && document.querySelectorAll('.fired li').length === 8");
    let strongest = answer["read"]["latents"][1][0][0].to_string();
    assert_eq!(browser.text(".fired li .number"), strongest);
    browser.click(".fired .pin");
    browser.wait(&format!("location.hash.includes('pin={strongest}')"));
    browser.value("(() => { const choice = document.querySelector('.side select'); choice.value = 'effect'; choice.dispatchEvent(new Event('change')); })()");
    browser.wait("location.hash.includes('by=effect')");
    let address = browser.address();
    browser.open("about:blank");
    browser.open(&address);
    browser.wait("document.querySelectorAll('.fired li').length === 8");
    assert_eq!(browser.troubles(), [] as [String; 0]);
}

#[test]
fn other_weights_than_those_of_the_analysis_are_refused() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = store(folder.path(), &model());
    let other = fixture("sae/sae_pretrained/relu").display().to_string();
    let said = |browser: &mut Browser, arguments: &[&str], expected: &[&str]| {
        let served = Served::start(&[&path], arguments);
        browser.open(&served.link);
        browser.wait("document.querySelector('.cards')");
        browser.open(&served.at("text?text=A+text"));
        browser.wait("!document.getElementById('bar').hidden");
        expected.iter().for_each(|text| browser.wait_text("#bar", text));
        browser.open(&served.at("overview"));
        browser.wait("document.querySelector('.cards')");
    };
    said(
        &mut browser,
        &["--sae", &other],
        &["is not the dictionary that was analysed", "--sae"],
    );
    said(
        &mut browser,
        &["--sae", "no/such/folder"],
        &["no/such/folder", "--sae"],
    );
    let store = Store::open(&path).expect("the store");
    store
        .set_meta("model.weights", "1 file, 3 bytes, xxh3 0")
        .expect("set");
    said(
        &mut browser,
        &[],
        &["is not the model of the analysis", "--model"],
    );
    for key in ["model.name", "dictionary.path"] {
        store.set_meta(key, "").expect("set");
    }
    let served = Served::start(&[&path], &[]);
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    browser.open(&served.at("text"));
    browser.wait_text(
        "main",
        "No text can be read: the store names neither model nor dictionary; `--model` and `--sae` do.",
    );
}
