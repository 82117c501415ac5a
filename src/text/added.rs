//! Tokens that the files beside `tokenizer.json` add to it, as transformers does when it reads a folder.

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer as Inner};

use super::failure::unusable;
use super::special::{Settings, token_text};
use crate::error::Result;

/// The keys of single special tokens.
const ROLES: &[&str] = &[
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

impl Settings {
    /// Makes what is listed in `added_tokens_decoder`, and then every special token, an added token of `inner`: one
    /// that texts cannot break. Where both list a token, `added_tokens_decoder` says which blanks it takes. Words that
    /// the vocabulary lacks are left alone, since no model has a row for them.
    ///
    /// # Errors
    /// The tokenizer refuses a token.
    pub(super) fn add_tokens(&self, inner: &mut Inner) -> Result<()> {
        let known = inner.get_added_tokens_decoder();
        let mut wanted = self.listed();
        let roles = ROLES.iter().filter_map(|key| self.said(key));
        let more = self.said("additional_special_tokens").and_then(Value::as_array);
        for text in roles.chain(more.into_iter().flatten()).filter_map(token_text) {
            if known.values().chain(&wanted).all(|token| token.content != text) {
                wanted.push(AddedToken::from(text, true));
            }
        }
        wanted.retain(|token| inner.token_to_id(&token.content).is_some());
        let (special, plain): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|token| token.special);
        inner.add_special_tokens(special).map_err(unusable)?;
        inner.add_tokens(plain).map_err(unusable)?;
        Ok(())
    }

    /// The tokens in `added_tokens_decoder`, by their ids.
    fn listed(&self) -> Vec<AddedToken> {
        let Some(Value::Object(listed)) = self.said("added_tokens_decoder") else {
            return Vec::new();
        };
        let mut tokens: Vec<(u32, AddedToken)> = listed
            .iter()
            .filter_map(|(id, token)| Some((id.parse().ok()?, added_token(token)?)))
            .collect();
        tokens.sort_by_key(|(id, _)| *id);
        tokens.into_iter().map(|(_, token)| token).collect()
    }
}

fn added_token(value: &Value) -> Option<AddedToken> {
    let flag = |key: &str| value[key].as_bool().unwrap_or(false);
    let token = AddedToken::from(token_text(value)?, flag("special"));
    Some(
        token
            .single_word(flag("single_word"))
            .lstrip(flag("lstrip"))
            .rstrip(flag("rstrip"))
            .normalized(value["normalized"].as_bool().unwrap_or(!flag("special"))),
    )
}
