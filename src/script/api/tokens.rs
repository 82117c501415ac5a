//! Between texts and tokens with a language model's tokenizer: `to_tokens`, `to_string`, `to_str_tokens`, `trace`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, Module};

use super::model::{LanguageModelHandle, strings};
use super::tensor::TensorHandle;
use crate::error::{Error, Result};
use crate::model::LanguageModel;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::Tensor;
use crate::text::TracedToken;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "model_tokens", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Returns token ids `[batch, seq]` of a text or of several, padded on the right.
pub fn tokens_of(model: &LanguageModel, texts: &[String]) -> Result<Tensor> {
    let limit = Some(model.max_length());
    let ids: Vec<Vec<i64>> = texts
        .iter()
        .map(|text| model.tokenizer().encode(text, model.config().prepend_bos, limit))
        .collect::<Result<_>>()?;
    let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
    let pad = model
        .tokenizer()
        .pad_token_id()
        .or(model.tokenizer().eos_token_id());
    if ids.iter().any(|ids| ids.len() < longest) && pad.is_none() {
        return Err(Error::input(
            "texts of different lengths need padding, but the tokenizer has no PAD token",
        )
        .hint("set `pad_token_id` in the LanguageModelConfig"));
    }
    let padded: Vec<i64> = ids
        .iter()
        .flat_map(|ids| {
            ids.iter()
                .copied()
                .chain(std::iter::repeat_n(pad.unwrap_or(0), longest - ids.len()))
        })
        .collect();
    Ok(Tensor::f_from_slice(&padded)?.f_reshape([ids.len() as i64, longest as i64])?)
}

/// Token ids of a tensor `[seq]` or `[1, seq]`.
fn ids_of(tokens: &TensorHandle) -> Result<Vec<i64>> {
    Ok(Vec::<i64>::try_from(
        tokens
            .tensor()
            .f_flatten(0, -1)?
            .f_to_kind(crate::tensor::Kind::Int64)?,
    )?)
}

/// A traced token as scripts see it.
fn traced(model: &LanguageModel, text: &str, token: TracedToken) -> Result<Map> {
    let mut map = Map::new();
    map.insert("token".into(), token.token.into());
    let (part, start, end) = match (&token.bytes, &token.characters) {
        (Some(bytes), Some(characters)) => (
            text[bytes.clone()].to_string(),
            Dynamic::from_int(characters.start as i64),
            Dynamic::from_int(characters.end as i64),
        ),
        _ => {
            let names = model.tokenizer().token_strings(&[token.token])?;
            (names.concat(), Dynamic::UNIT, Dynamic::UNIT)
        }
    };
    map.insert("text".into(), part.into());
    map.insert("start".into(), start);
    map.insert("end".into(), end);
    Ok(map)
}

#[export_module(manifest)]
mod functions {
    /// Returns the token ids `[1, seq]`, int64, of a text, with BOS in front where the configuration wants it.
    #[rhai_fn(return_raw, pure)]
    pub fn to_tokens(model: &mut LanguageModelHandle, text: ImmutableString) -> RhaiResultOf<TensorHandle> {
        tokens_of(model.model(), &[text.to_string()])
            .map(TensorHandle::new)
            .raise()
    }

    /// Returns the token ids `[batch, seq]`, int64, of several texts, padded on the right.
    #[rhai_fn(name = "to_tokens", return_raw, pure)]
    pub fn to_tokens_batch(model: &mut LanguageModelHandle, texts: Array) -> RhaiResultOf<TensorHandle> {
        strings(&texts)
            .and_then(|texts| tokens_of(model.model(), &texts))
            .map(TensorHandle::new)
            .raise()
    }

    /// Returns the text of token ids `[seq]` or `[1, seq]`.
    #[rhai_fn(return_raw, pure)]
    pub fn to_string(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<String> {
        ids_of(&tokens)
            .and_then(|ids| model.model().tokenizer().decode(&ids))
            .raise()
    }

    /// Returns the text of each token, an array of strings.
    #[rhai_fn(return_raw, pure)]
    pub fn to_str_tokens(model: &mut LanguageModelHandle, tokens: TensorHandle) -> RhaiResultOf<Array> {
        let texts = ids_of(&tokens)
            .and_then(|ids| model.model().tokenizer().token_strings(&ids))
            .raise()?;
        Ok(texts.into_iter().map(Dynamic::from).collect())
    }

    /// Returns the tokens of a text with the characters that each stands for: an array of
    /// `#{ token, text, start, end }`, where `text` is the part of the original text from character `start` up to
    /// `end`.
    ///
    /// A token that is only a part of a character stands for the whole character. Tokens that were added, such as BOS,
    /// have their own name as `text`, and `()` as `start` and `end`.
    #[rhai_fn(return_raw, pure)]
    pub fn trace(model: &mut LanguageModelHandle, text: ImmutableString) -> RhaiResultOf<Array> {
        let model = model.model();
        let limit = Some(model.max_length());
        let tokens = model
            .tokenizer()
            .trace(&text, model.config().prepend_bos, limit)
            .raise()?;
        let maps = tokens.into_iter().map(|token| traced(model, &text, token));
        maps.map(|map| map.map(Dynamic::from))
            .collect::<Result<Array>>()
            .raise()
    }
}
