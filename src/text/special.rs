//! Which ids are BOS, EOS and PAD, and which of them a tokenizer puts around texts by itself.
//!
//! The files are read as transformers 4.57 reads them: the tokens of `tokenizer_config.json`; those of
//! `special_tokens_map.json` before them where the former has no `added_tokens_decoder`; then the defaults of the
//! tokenizer's class. Classes of the Llama kind replace the template in `tokenizer.json` by `add_bos_token` and
//! `add_eos_token`. Then TransformerLens's rules: no EOS is `<|endoftext|>`, no PAD or BOS is EOS.

use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::{PostProcessorWrapper, Tokenizer as Inner};

use super::failure::unusable;
use crate::error::{Error, Result};
use crate::files;

/// Ids that replace those the tokenizer's files name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Beginning of sequence.
    pub bos: Option<u32>,
    /// End of sequence.
    pub eos: Option<u32>,
    /// Padding.
    pub pad: Option<u32>,
}

/// What a class of transformers assumes where the files say nothing.
struct Class {
    name: &'static str,
    bos: Option<&'static str>,
    eos: Option<&'static str>,
    pad: Option<&'static str>,
    /// It makes its own template: whether BOS is in that by default.
    own_template: Option<bool>,
}

const END: Option<&str> = Some("<|endoftext|>");

/// The classes of the supported families, by name without `Fast`.
const CLASSES: &[Class] = &[
    Class {
        name: "GPT2Tokenizer",
        bos: END,
        eos: END,
        pad: None,
        own_template: None,
    },
    Class {
        name: "CodeGenTokenizer",
        bos: END,
        eos: END,
        pad: None,
        own_template: None,
    },
    Class {
        name: "Qwen2Tokenizer",
        bos: None,
        eos: END,
        pad: END,
        own_template: None,
    },
    Class {
        name: "GPTNeoXTokenizer",
        bos: END,
        eos: END,
        pad: None,
        own_template: Some(false),
    },
    Class {
        name: "LlamaTokenizer",
        bos: Some("<s>"),
        eos: Some("</s>"),
        pad: None,
        own_template: Some(true),
    },
    Class {
        name: "GemmaTokenizer",
        bos: Some("<bos>"),
        eos: Some("<eos>"),
        pad: Some("<pad>"),
        own_template: Some(true),
    },
];

/// The class of a model type where no file names one.
const BY_MODEL: &[(&str, &str)] = &[
    ("gpt2", "GPT2Tokenizer"),
    ("phi", "CodeGenTokenizer"),
    ("qwen2", "Qwen2Tokenizer"),
    ("qwen3", "Qwen2Tokenizer"),
    ("gpt_neox", "GPTNeoXTokenizer"),
    ("olmo2", "GPTNeoXTokenizer"),
    ("llama", "LlamaTokenizer"),
    ("mistral", "LlamaTokenizer"),
    ("phi3", "LlamaTokenizer"),
    ("gemma", "GemmaTokenizer"),
    ("gemma2", "GemmaTokenizer"),
    ("gemma3_text", "GemmaTokenizer"),
];

/// What the files beside `tokenizer.json` say.
pub(super) struct Settings {
    tokenizer: Option<Map<String, Value>>,
    /// `special_tokens_map.json`.
    map: Option<Map<String, Value>>,
    /// `config.json`.
    model: Option<Map<String, Value>>,
}

/// What a tokenizer's own template puts around a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    /// BOS in front.
    pub bos: bool,
    /// EOS at the end.
    pub eos: bool,
}

impl Settings {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        Ok(Settings {
            tokenizer: optional_object(&folder.join("tokenizer_config.json"))?,
            map: optional_object(&folder.join("special_tokens_map.json"))?,
            model: optional_object(&folder.join("config.json"))?,
        })
    }

    /// Returns BOS, EOS and PAD, `overrides` before all.
    ///
    /// # Errors
    /// An override that is not in the vocabulary.
    pub(super) fn tokens(&self, inner: &Inner, overrides: SpecialTokens) -> Result<SpecialTokens> {
        for (given, name) in [
            (overrides.bos, "bos"),
            (overrides.eos, "eos"),
            (overrides.pad, "pad"),
        ] {
            if let Some(id) = given.filter(|id| inner.id_to_token(*id).is_none()) {
                return Err(Error::input(format!(
                    "{id} is not in the tokenizer's vocabulary, which has {} tokens",
                    inner.get_vocab_size(true)
                ))
                .under(format!("{name}_token_id")));
            }
        }
        let eos = overrides
            .eos
            .or_else(|| self.id(inner, "eos", |class| class.eos))
            .or_else(|| inner.token_to_id("<|endoftext|>"));
        let bos = overrides.bos.or_else(|| self.id(inner, "bos", |class| class.bos));
        let pad = overrides.pad.or_else(|| self.id(inner, "pad", |class| class.pad));
        Ok(SpecialTokens {
            bos: bos.or(eos),
            eos,
            pad: pad.or(eos),
        })
    }

    /// Puts the template that the tokenizer's class makes into `inner`, if it makes one.
    ///
    /// # Errors
    /// `add_bos_token` or `add_eos_token` without such a token.
    pub(super) fn apply_template(&self, inner: &mut Inner, special: SpecialTokens) -> Result<Template> {
        let Some(bos_by_default) = self.class().and_then(|class| class.own_template) else {
            return template_of(inner, special);
        };
        let flag = |key: &str, default: bool| {
            let value = self.tokenizer.as_ref().and_then(|file| file.get(key));
            value.and_then(Value::as_bool).unwrap_or(default)
        };
        let template = Template {
            bos: flag("add_bos_token", bos_by_default) && special.bos.is_some(),
            eos: flag("add_eos_token", false),
        };
        let mut single = vec![json!({"Sequence": {"id": "A", "type_id": 0}})];
        let mut tokens = Map::new();
        let mut piece = |id: Option<u32>, role: &str| {
            let id = id.ok_or_else(|| {
                Error::input(format!(
                    "tokenizer_config.json has add_{role}_token, but there is no {role} token"
                ))
                .hint(format!("give a `{role}_token_id`"))
            })?;
            let text = inner.id_to_token(id).unwrap_or_default();
            tokens.insert(text.clone(), json!({"id": text, "ids": [id], "tokens": [text]}));
            Ok::<Value, Error>(json!({"SpecialToken": {"id": text, "type_id": 0}}))
        };
        if template.bos {
            single.insert(0, piece(special.bos, "bos")?);
        }
        if template.eos {
            single.push(piece(special.eos, "eos")?);
        }
        let mut pair = single.clone();
        pair.push(json!({"Sequence": {"id": "B", "type_id": 1}}));
        let processor =
            json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens});
        let processor: PostProcessorWrapper =
            serde_json::from_value(processor).map_err(|error| unusable(error.into()))?;
        inner.with_post_processor(Some(processor));
        Ok(template)
    }

    /// The id of a role's token: by the tokenizer's files, its class, or else the model's file.
    fn id(&self, inner: &Inner, role: &str, default: fn(&Class) -> Option<&'static str>) -> Option<u32> {
        let key = format!("{role}_token");
        // A null is a word too: no such token, whatever the class assumes.
        if let Some(said) = self.said(&key) {
            return token_text(said).and_then(|text| inner.token_to_id(text));
        }
        let by_class = self.class().and_then(default);
        by_class.and_then(|text| inner.token_to_id(text)).or_else(|| {
            // Only without any word from the tokenizer's own files does the model's count.
            let silent = self.tokenizer.is_none() && self.map.is_none();
            let id = self
                .model
                .as_ref()
                .filter(|_| silent)?
                .get(&format!("{key}_id"))?;
            let id = id.as_u64().or_else(|| id.get(0)?.as_u64())?;
            u32::try_from(id).ok()
        })
    }

    /// Returns what the tokenizer's own files say under `key`.
    pub(super) fn said(&self, key: &str) -> Option<&Value> {
        let new_style = self
            .tokenizer
            .as_ref()
            .is_some_and(|file| file.contains_key("added_tokens_decoder"));
        let files = if new_style {
            [&self.tokenizer, &None]
        } else {
            [&self.map, &self.tokenizer]
        };
        files.into_iter().flatten().find_map(|file| file.get(key))
    }

    /// Returns what `tokenizer_config.json` says under `key`.
    pub(super) fn own(&self, key: &str) -> Option<&Value> {
        self.tokenizer.as_ref()?.get(key)
    }

    fn class(&self) -> Option<&'static Class> {
        let text = |file: &Option<Map<String, Value>>, key: &str| {
            let value = file.as_ref()?.get(key)?.as_str()?;
            Some(value.to_string())
        };
        let named = text(&self.tokenizer, "tokenizer_class").or_else(|| text(&self.model, "tokenizer_class"));
        let name = named.or_else(|| {
            let model_type = text(&self.model, "model_type")?;
            let (_, class) = BY_MODEL.iter().find(|(name, _)| *name == model_type)?;
            Some(class.to_string())
        })?;
        let name = name.trim_end_matches("Fast");
        CLASSES.iter().find(|class| class.name == name)
    }
}

/// What the template in `tokenizer.json` puts around a text.
fn template_of(inner: &Inner, special: SpecialTokens) -> Result<Template> {
    let with = |text: &str, special: bool| inner.encode_fast(text, special).map_err(unusable);
    let (bare, whole) = (with("a", false)?, with("a", true)?);
    let (bare, whole) = (bare.get_ids(), whole.get_ids());
    let added = whole.len() > bare.len();
    Ok(Template {
        bos: added && special.bos.is_some() && whole.first() == special.bos.as_ref(),
        eos: added
            && special.eos.is_some()
            && whole.last() == special.eos.as_ref()
            && bare.last() != whole.last(),
    })
}

/// Returns the text of a special token, which is written as its text or as an object with the text in it.
pub(super) fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// A JSON object in a file that need not exist.
fn optional_object(path: &Path) -> Result<Option<Map<String, Value>>> {
    let text = match files::read(path, files::SETTINGS_MOST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    match serde_json::from_slice(&text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(Error::input(format!(
            "`{}` should hold a JSON object, but holds something else",
            path.display()
        ))),
        Err(error) => Err(Error::input(format!(
            "`{}` is not valid JSON: {error}",
            path.display()
        ))),
    }
}
