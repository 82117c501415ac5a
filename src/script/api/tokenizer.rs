//! `model.tokenizer`: texts to ids and back without the model, special tokens, the side of padding, chat templates.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, Module};

use super::model::LanguageModelHandle;
use super::prompts::{one_or_all, rows_of_ids, texts_of};
use super::tensor::TensorHandle;
use crate::error::{Error, Result};
use crate::model::PaddingSide;
use crate::script::arguments::Arguments;
use crate::script::bridge;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::Tensor;
use crate::text::{ChatOptions, Tokenizer};

/// The tokenizer of a language model that scripts hold.
#[derive(Clone)]
pub struct TokenizerHandle(LanguageModelHandle);

impl TokenizerHandle {
    fn tokenizer(&self) -> &Tokenizer {
        self.0.model().tokenizer()
    }

    /// The text of a special token.
    fn text_of(&self, id: Option<i64>) -> Result<Dynamic> {
        match id {
            Some(id) => Ok(self.tokenizer().decode(&[id])?.into()),
            None => Ok(Dynamic::UNIT),
        }
    }
}

/// Puts the tokenizer object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<TokenizerHandle>(
        "Tokenizer",
        &["/// The tokenizer of a language model, `model.tokenizer`."],
    );
    combine_with_exported_module!(module, "tokenizer", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

fn chat(tokenizer: &TokenizerHandle, messages: &Array, options: Map) -> Result<Dynamic> {
    let mut arguments = Arguments::new("Tokenizer", "apply_chat_template", options);
    let tokenize = arguments.data("tokenize")?.unwrap_or(true);
    let plain = |name: &'static str, arguments: &mut Arguments| -> Result<_> {
        let value = arguments.take(name).map(|value| bridge::to_value(&value));
        value.transpose().map_err(|error| error.under(name))
    };
    let options = ChatOptions {
        add_generation_prompt: arguments.data("add_generation_prompt")?.unwrap_or(false),
        continue_final_message: arguments.data("continue_final_message")?.unwrap_or(false),
        chat_template: arguments.data("chat_template")?,
        tools: plain("tools", &mut arguments)?,
        variables: plain("variables", &mut arguments)?,
    };
    arguments.finish()?;
    let messages = bridge::to_value(&Dynamic::from(messages.clone()))?;
    let text = tokenizer.tokenizer().apply_chat_template(&messages, &options)?;
    if !tokenize {
        return Ok(text.into());
    }
    let ids = tokenizer.tokenizer().encode_as_is(&text)?;
    let ids = Tensor::f_from_slice(&ids)?.f_unsqueeze(0)?;
    Ok(Dynamic::from(TensorHandle::new(ids)))
}

#[export_module(manifest)]
mod functions {
    /// Returns the model's tokenizer.
    #[rhai_fn(get = "tokenizer", pure)]
    pub fn tokenizer(model: &mut LanguageModelHandle) -> TokenizerHandle {
        TokenizerHandle(model.clone())
    }

    /// Returns the side on which shorter texts of a batch are filled up, "right" or "left".
    #[rhai_fn(get = "padding_side", pure)]
    pub fn padding_side(tokenizer: &mut TokenizerHandle) -> String {
        tokenizer.0.padding_side().name().into()
    }

    /// Sets the side on which shorter texts of a batch are filled up, for all later calls on the model.
    #[rhai_fn(set = "padding_side", return_raw, pure)]
    pub fn set_padding_side(tokenizer: &mut TokenizerHandle, side: ImmutableString) -> RhaiResultOf<()> {
        let sides = [PaddingSide::Left, PaddingSide::Right];
        match sides.into_iter().find(|known| known.name() == side.as_str()) {
            Some(side) => {
                tokenizer.0.pad_on(side);
                Ok(())
            }
            None => Err(Error::unknown(
                "side of padding",
                &side,
                &sides.map(PaddingSide::name),
            ))
            .raise(),
        }
    }

    /// Returns the number of tokens, added ones included.
    #[rhai_fn(get = "vocab_size", pure)]
    pub fn vocab_size(tokenizer: &mut TokenizerHandle) -> i64 {
        tokenizer.tokenizer().vocab_size() as i64
    }

    /// Returns the id of the beginning-of-sequence token, or `()`.
    #[rhai_fn(get = "bos_token_id", pure)]
    pub fn bos_token_id(tokenizer: &mut TokenizerHandle) -> Dynamic {
        tokenizer
            .tokenizer()
            .bos_token_id()
            .map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Returns the id of the end-of-sequence token, or `()`.
    #[rhai_fn(get = "eos_token_id", pure)]
    pub fn eos_token_id(tokenizer: &mut TokenizerHandle) -> Dynamic {
        tokenizer
            .tokenizer()
            .eos_token_id()
            .map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Returns the id of the padding token, or `()`.
    #[rhai_fn(get = "pad_token_id", pure)]
    pub fn pad_token_id(tokenizer: &mut TokenizerHandle) -> Dynamic {
        tokenizer
            .tokenizer()
            .pad_token_id()
            .map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Returns the text of the beginning-of-sequence token, or `()`.
    #[rhai_fn(get = "bos_token", return_raw, pure)]
    pub fn bos_token(tokenizer: &mut TokenizerHandle) -> RhaiResultOf<Dynamic> {
        tokenizer.text_of(tokenizer.tokenizer().bos_token_id()).raise()
    }

    /// Returns the text of the end-of-sequence token, or `()`.
    #[rhai_fn(get = "eos_token", return_raw, pure)]
    pub fn eos_token(tokenizer: &mut TokenizerHandle) -> RhaiResultOf<Dynamic> {
        tokenizer.text_of(tokenizer.tokenizer().eos_token_id()).raise()
    }

    /// Returns the text of the padding token, or `()`.
    #[rhai_fn(get = "pad_token", return_raw, pure)]
    pub fn pad_token(tokenizer: &mut TokenizerHandle) -> RhaiResultOf<Dynamic> {
        tokenizer.text_of(tokenizer.tokenizer().pad_token_id()).raise()
    }

    /// Returns the ids of a text exactly as it is written, an array: special tokens that stand in it are themselves, and
    /// nothing is put around it. `model.to_tokens` gives the BOS in front.
    #[rhai_fn(return_raw, pure)]
    pub fn encode(tokenizer: &mut TokenizerHandle, text: ImmutableString) -> RhaiResultOf<Array> {
        let ids = tokenizer.tokenizer().encode_as_is(&text).raise()?;
        Ok(ids.into_iter().map(Dynamic::from).collect())
    }

    /// Returns the text of a token id, of an array or a tensor `[seq]` of them; for several rows an array of texts.
    #[rhai_fn(return_raw, pure)]
    pub fn decode(tokenizer: &mut TokenizerHandle, tokens: Dynamic) -> RhaiResultOf<Dynamic> {
        let rows = rows_of_ids(&tokens).raise()?;
        texts_of(&tokenizer.0, &rows).map(one_or_all).raise()
    }

    /// Returns the id of a token by its name in the vocabulary, such as `<|endoftext|>`, or `()` where there is none.
    #[rhai_fn(pure)]
    pub fn convert_tokens_to_ids(tokenizer: &mut TokenizerHandle, token: ImmutableString) -> Dynamic {
        tokenizer
            .tokenizer()
            .token_id(&token)
            .map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Returns the template by which conversations become texts, from `chat_template.jinja` or `tokenizer_config.json`, or
    /// `()` where the model has none.
    #[rhai_fn(get = "chat_template", return_raw, pure)]
    pub fn chat_template(tokenizer: &mut TokenizerHandle) -> RhaiResultOf<Dynamic> {
        let template = tokenizer.tokenizer().chat_template(None).raise()?;
        Ok(template.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Returns the token ids `[1, seq]` of a conversation, `[#{ role: "user", content: "Hello" }]`, by the model's own chat
    /// template, special tokens and BOS as the template writes them.
    #[rhai_fn(return_raw, pure)]
    pub fn apply_chat_template(tokenizer: &mut TokenizerHandle, messages: Array) -> RhaiResultOf<Dynamic> {
        chat(tokenizer, &messages, Map::new()).raise()
    }

    /// Returns a conversation's tokens, or with `#{ tokenize: false }` its text. `add_generation_prompt: true` ends with the
    /// beginning of an answer; `continue_final_message: true` leaves the last message open; `chat_template` is another
    /// template, or the name of one of several; `tools` and what `variables` names are given to the template.
    #[rhai_fn(name = "apply_chat_template", return_raw, pure)]
    pub fn apply_chat_template_with(
        tokenizer: &mut TokenizerHandle,
        messages: Array,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        chat(tokenizer, &messages, options).raise()
    }

    /// Returns its size and the side of padding, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(tokenizer: &mut TokenizerHandle) -> String {
        let size = tokenizer.tokenizer().vocab_size();
        let side = tokenizer.0.padding_side().name();
        format!("Tokenizer(vocab_size: {size}, padding_side: {side:?})")
    }
}
