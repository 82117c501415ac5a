//! Between texts and tokens with a language model's tokenizer: `to_tokens`, `to_string`, `to_str_tokens`,
//! `to_single_token`, `trace`.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, Module};

use super::model::LanguageModelHandle;
use super::prompts::{Reading, one_or_all, rows_of_ids, texts_of};
use super::tensor::TensorHandle;
use crate::error::{Error, Result, a};
use crate::model::LanguageModel;
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;
use crate::tensor::{Kind, Tensor};
use crate::text::TracedToken;

/// Puts the methods into `module`.
pub fn register(module: &mut Module) {
    combine_with_exported_module!(module, "model_tokens", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
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

/// The texts of the tokens of `input`, one array, or one for each of several rows.
fn str_tokens(model: &LanguageModelHandle, reading: &Reading, input: &Dynamic) -> Result<Array> {
    let prompts = reading.prompts(model, input)?;
    let rows = Vec::<Vec<i64>>::try_from(&prompts.tokens)?;
    let masks = prompts
        .mask
        .map(|mask| Vec::<Vec<bool>>::try_from(&mask))
        .transpose()?;
    let texts = |(index, row): (usize, &Vec<i64>)| -> Result<Dynamic> {
        let counts = |place: usize| masks.as_ref().is_none_or(|masks| masks[index][place]);
        let row: Vec<i64> = (0..row.len())
            .filter(|place| counts(*place))
            .map(|place| row[place])
            .collect();
        let texts = model.model().tokenizer().token_strings(&row)?;
        Ok(texts.into_iter().map(Dynamic::from).collect::<Array>().into())
    };
    let mut all = rows.iter().enumerate().map(texts).collect::<Result<Array>>()?;
    match all.len() {
        1 => all
            .remove(0)
            .into_array()
            .map_err(|_| Error::run("no array of texts")),
        _ => Ok(all),
    }
}

/// The id of a text that is one token.
fn single_token(model: &LanguageModel, text: &str) -> Result<i64> {
    let ids = model.tokenizer().encode(text, false, None)?;
    match ids.as_slice() {
        [one] => Ok(*one),
        several => Err(Error::input(format!(
            "`{text}` is {} tokens, and one is asked about",
            several.len()
        ))
        .hint("mind the blank before a word: \" Paris\"; `model.to_str_tokens(text)` shows tokens")),
    }
}

/// Returns the id that an int is, or a text that is one token.
///
/// # Errors
/// Other values, texts of several tokens, and ids beyond the vocabulary.
pub fn token_of(model: &LanguageModel, token: &Dynamic) -> Result<i64> {
    match (token.as_int(), token.read_lock::<ImmutableString>()) {
        (Ok(id), _) => Ok(id),
        (_, Some(text)) => single_token(model, &text),
        _ => {
            let given = a(&kind_of(token));
            let sentence = format!("expected a token, its text or its number, but was given {given}");
            Err(Error::input(sentence))
        }
    }
}

fn token_position(
    model: &LanguageModelHandle,
    token: &Dynamic,
    input: &Dynamic,
    options: Map,
) -> Result<i64> {
    let mut arguments = Arguments::new("LanguageModel", "get_token_position", options);
    let mode: Option<String> = arguments.data("mode")?;
    let reading = Reading::take(model, &mut arguments)?;
    arguments.finish()?;
    let wanted = token_of(model.model(), token)?;
    let rows = Vec::<Vec<i64>>::try_from(&reading.prompts(model, input)?.tokens)?;
    let [row] = &rows[..] else {
        return Err(Error::input(
            "a position is that in one text, but several were given",
        ));
    };
    let found = match mode.as_deref() {
        None | Some("first") => row.iter().position(|id| *id == wanted),
        Some("last") => row.iter().rposition(|id| *id == wanted),
        Some(other) => return Err(Error::unknown("mode", other, &["first", "last"]).under("mode")),
    };
    let name = || {
        model
            .model()
            .tokenizer()
            .token_strings(&[wanted])
            .map(|texts| texts.concat())
    };
    match found {
        Some(place) => Ok(place as i64),
        None => Err(Error::input(format!(
            "the token {:?} (id {wanted}) is not in the text",
            name()?
        ))),
    }
}

fn residual_directions(model: &LanguageModel, tokens: &Dynamic) -> Result<Tensor> {
    let (ids, shape) = if let Some(tensor) = tokens.read_lock::<TensorHandle>() {
        let size = tensor.tensor().size();
        (rows_of_ids(tokens)?.concat(), size)
    } else if let Some(array) = tokens.read_lock::<Array>() {
        let ids = array
            .iter()
            .map(|token| token_of(model, token))
            .collect::<Result<Vec<_>>>()?;
        let count = ids.len() as i64;
        (ids, vec![count])
    } else {
        (vec![token_of(model, tokens)?], Vec::new())
    };
    model.check_token_ids(&ids)?;
    let unembed = model.weight("unembed.W_U")?;
    let ids = Tensor::f_from_slice(&ids)?.f_to_device(unembed.device())?;
    let rows = unembed.f_index_select(1, &ids)?.f_transpose(0, 1)?;
    let shape = [&shape[..], &unembed.size()[..1]].concat();
    Ok(rows.f_contiguous()?.f_view(&shape[..])?)
}

#[export_module(manifest)]
mod functions {
    /// Returns the token ids `[batch, seq]`, int64, of a text or of an array of texts, with BOS in front where the
    /// configuration wants it. Shorter texts of several are filled up on the side `tokenizer.padding_side`.
    #[rhai_fn(return_raw, pure)]
    pub fn to_tokens(model: &mut LanguageModelHandle, input: Dynamic) -> RhaiResultOf<TensorHandle> {
        to_tokens_with(model, input, Map::new())
    }

    /// Returns the token ids with `#{ prepend_bos: false, padding_side: "left" }` for this call.
    #[rhai_fn(name = "to_tokens", return_raw, pure)]
    pub fn to_tokens_with(
        model: &mut LanguageModelHandle,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<TensorHandle> {
        let prompts = Reading::all(model, "to_tokens", options).and_then(|it| it.prompts(model, &input));
        prompts.map(|prompts| TensorHandle::new(prompts.tokens)).raise()
    }

    /// Returns 1 where a token counts and 0 at padding, int64 `[batch, seq]`, for what `to_tokens` takes. Token ids are
    /// taken at their word, but for padding on the left where `tokenizer.padding_side` is that.
    #[rhai_fn(return_raw, pure)]
    pub fn attention_mask(model: &mut LanguageModelHandle, input: Dynamic) -> RhaiResultOf<TensorHandle> {
        attention_mask_with(model, input, Map::new())
    }

    /// Returns the mask with `#{ prepend_bos: false, padding_side: "left" }` for this call.
    #[rhai_fn(name = "attention_mask", return_raw, pure)]
    pub fn attention_mask_with(
        model: &mut LanguageModelHandle,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<TensorHandle> {
        let reading = Reading::all(model, "attention_mask", options).raise()?;
        let prompts = reading.prompts(model, &input).raise()?;
        let mask = match prompts.mask {
            Some(mask) => mask.f_to_kind(Kind::Int64),
            None => prompts.tokens.f_ones_like(),
        };
        mask.map(TensorHandle::new).raise()
    }

    /// Returns the text of a token id, of an array or a tensor `[seq]` of them; for several rows, `[batch, seq]`, an array
    /// of texts.
    #[rhai_fn(return_raw, pure)]
    pub fn to_string(model: &mut LanguageModelHandle, tokens: Dynamic) -> RhaiResultOf<Dynamic> {
        let rows = rows_of_ids(&tokens).raise()?;
        texts_of(model, &rows).map(one_or_all).raise()
    }

    /// Returns the text of each token, an array of strings, for a text, an array of token ids or a tensor `[seq]`; for
    /// several texts or rows an array of such arrays, in which padding is left out of texts.
    #[rhai_fn(return_raw, pure)]
    pub fn to_str_tokens(model: &mut LanguageModelHandle, input: Dynamic) -> RhaiResultOf<Array> {
        to_str_tokens_with(model, input, Map::new())
    }

    /// Returns the text of each token, with `#{ prepend_bos: false }` for this call.
    #[rhai_fn(name = "to_str_tokens", return_raw, pure)]
    pub fn to_str_tokens_with(
        model: &mut LanguageModelHandle,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Array> {
        let reading = Reading::all(model, "to_str_tokens", options).raise()?;
        str_tokens(model, &reading, &input).raise()
    }

    /// Returns the id of a text that is one token; any other text is refused.
    #[rhai_fn(return_raw, pure)]
    pub fn to_single_token(model: &mut LanguageModelHandle, text: ImmutableString) -> RhaiResultOf<i64> {
        single_token(model.model(), &text).raise()
    }

    /// Returns the text of one token.
    #[rhai_fn(return_raw, pure)]
    pub fn to_single_str_token(model: &mut LanguageModelHandle, token: i64) -> RhaiResultOf<String> {
        let texts = model.model().tokenizer().token_strings(&[token]).raise()?;
        Ok(texts.concat())
    }

    /// Returns where a token, an id or a text that is one, first stands in a text or among token ids, counted from 0 with
    /// the BOS.
    #[rhai_fn(return_raw, pure)]
    pub fn get_token_position(
        model: &mut LanguageModelHandle,
        token: Dynamic,
        input: Dynamic,
    ) -> RhaiResultOf<i64> {
        token_position(model, &token, &input, Map::new()).raise()
    }

    /// Returns where a token stands, with `#{ mode: "last" }` the last time; `prepend_bos` as in `to_tokens`.
    #[rhai_fn(name = "get_token_position", return_raw, pure)]
    pub fn get_token_position_with(
        model: &mut LanguageModelHandle,
        token: Dynamic,
        input: Dynamic,
        options: Map,
    ) -> RhaiResultOf<i64> {
        token_position(model, &token, &input, options).raise()
    }

    /// Returns the directions of the residual stream that raise tokens' logits, the columns of `W_U`: `[d_model]` for a
    /// text that is one token or an id, `[…, d_model]` for an array of such or a tensor of ids.
    #[rhai_fn(return_raw, pure)]
    pub fn tokens_to_residual_directions(
        model: &mut LanguageModelHandle,
        tokens: Dynamic,
    ) -> RhaiResultOf<TensorHandle> {
        residual_directions(model.model(), &tokens)
            .map(TensorHandle::new)
            .raise()
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
