//! What the functions of a language model read: a text, several texts, or token ids.

use rhai::{Array, Dynamic, ImmutableString, Map};

use super::model::{LanguageModelHandle, strings};
use super::tensor::TensorHandle;
use crate::error::{Error, Result, a};
use crate::model::{PaddingSide, Prompts, losses_per_token, mean_loss};
use crate::script::arguments::Arguments;
use crate::script::bridge::kind_of;
use crate::tensor::{DType, Kind, Tensor};

/// How a text becomes tokens, and what a forward pass is asked for.
pub struct Reading {
    prepend_bos: bool,
    padding_side: PaddingSide,
    attention_mask: Option<TensorHandle>,
    return_type: Option<Wanted>,
    per_token: bool,
}

/// What a forward pass is asked for.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Logits `[batch, seq, d_vocab]`.
    Logits,
    /// The loss of the next tokens.
    Loss,
    /// A map of the two.
    Both,
}

impl Reading {
    /// Returns what the model's settings say.
    pub fn of(model: &LanguageModelHandle) -> Self {
        Reading {
            prepend_bos: model.model().config().prepend_bos,
            padding_side: model.padding_side(),
            attention_mask: None,
            return_type: None,
            per_token: false,
        }
    }

    /// Takes it out of the named arguments of a call: `prepend_bos`, `padding_side`, and where the function's row in the
    /// table has them `attention_mask`, `return_type` and `loss_per_token`.
    ///
    /// # Errors
    /// An argument of another type.
    pub fn take(model: &LanguageModelHandle, arguments: &mut Arguments) -> Result<Self> {
        let mut reading = Self::of(model);
        if let Some(prepend_bos) = arguments.data("prepend_bos")? {
            reading.prepend_bos = prepend_bos;
        }
        if let Some(side) = arguments.data("padding_side")? {
            reading.padding_side = side;
        }
        if arguments.knows("attention_mask") {
            let what = "a tensor [batch, seq] with 0 at padding";
            reading.attention_mask = arguments.optional("attention_mask", what)?;
            reading.return_type = arguments.data("return_type")?;
            reading.per_token = arguments.data("loss_per_token")?.unwrap_or(false);
        }
        Ok(reading)
    }

    /// Returns the arguments of a call that takes nothing else.
    ///
    /// # Errors
    /// As [`take`](Self::take), and arguments that the function does not take.
    pub fn all(model: &LanguageModelHandle, function: &'static str, options: Map) -> Result<Self> {
        let mut arguments = Arguments::new("LanguageModel", function, options);
        let reading = Self::take(model, &mut arguments)?;
        arguments.finish()?;
        Ok(reading)
    }

    /// Returns the same where nothing else was asked for than `wanted`.
    pub fn or(mut self, wanted: Wanted) -> Self {
        self.return_type.get_or_insert(wanted);
        self
    }

    /// Returns what was asked for.
    pub fn wanted(&self) -> Option<Wanted> {
        self.return_type
    }

    /// Returns the tokens of `input`, and which of them are padding.
    ///
    /// # Errors
    /// What is neither text nor tokens; texts without a token.
    pub fn prompts(&self, model: &LanguageModelHandle, input: &Dynamic) -> Result<Prompts> {
        let mut prompts = if let Some(tensor) = input.read_lock::<TensorHandle>() {
            self.given(model, tensor.tensor())?
        } else if let Some(array) = input.read_lock::<Array>() {
            self.listed(model, &array)?
        } else if input.is_int() {
            self.listed(model, std::slice::from_ref(input))?
        } else if let Some(text) = input.read_lock::<ImmutableString>() {
            model
                .model()
                .prompts(&[text.to_string()], self.prepend_bos, self.padding_side)?
        } else {
            return Err(unreadable(input));
        };
        if let Some(mask) = &self.attention_mask {
            prompts.mask = Some(mask.tensor().f_ne(0)?);
        }
        Ok(prompts)
    }

    /// A tensor of token ids, which is taken at its word but for padding on the left where that is the model's side.
    fn given(&self, model: &LanguageModelHandle, tokens: &Tensor) -> Result<Prompts> {
        let tokens = match tokens.dim() {
            1 => tokens.f_unsqueeze(0)?,
            _ => tokens.shallow_clone(),
        };
        let reads_left = self.padding_side == PaddingSide::Left && tokens.dim() == 2 && tokens.numel() > 0;
        let mask = if reads_left {
            model.model().left_padding_mask(&tokens, self.prepend_bos)?
        } else {
            None
        };
        Ok(Prompts { tokens, mask })
    }

    /// An array of texts, of token ids, or of arrays of token ids.
    fn listed(&self, model: &LanguageModelHandle, list: &[Dynamic]) -> Result<Prompts> {
        let first = list
            .first()
            .ok_or_else(|| Error::input("the array of texts or tokens is empty"))?;
        if first.is_string() {
            return model
                .model()
                .prompts(&strings(list)?, self.prepend_bos, self.padding_side);
        }
        let rows = if first.is_int() {
            vec![token_ids(list)?]
        } else {
            let row = |(index, row): (usize, &Dynamic)| match row.read_lock::<Array>() {
                Some(ids) => token_ids(&ids).map_err(|error| error.under(format!("[{index}]"))),
                None => Err(unreadable(row).under(format!("[{index}]"))),
            };
            list.iter().enumerate().map(row).collect::<Result<Vec<_>>>()?
        };
        self.padded(model, &rows)
    }

    /// Returns rows of token ids as one tensor, the shorter ones filled up.
    ///
    /// # Errors
    /// Rows of different lengths, and a tokenizer without a token to fill them up with.
    pub fn padded(&self, model: &LanguageModelHandle, rows: &[Vec<i64>]) -> Result<Prompts> {
        Prompts::padded(rows, self.padding_side, model.model().padding_token())
    }

    /// Returns what was asked for, of the logits of `prompts`; the logits where nothing was.
    ///
    /// # Errors
    /// Sequences of a single token, which have no loss.
    pub fn answer(&self, logits: Tensor, prompts: &Prompts) -> Result<Dynamic> {
        let loss = || -> Result<Dynamic> {
            if self.per_token {
                let losses = losses_per_token(&logits, prompts)?;
                return Ok(Dynamic::from(TensorHandle::new(losses)));
            }
            Ok(mean_loss(&logits, prompts)?.f_double_value(&[])?.into())
        };
        Ok(match self.return_type {
            Some(Wanted::Loss) => loss()?,
            Some(Wanted::Both) => {
                let loss = loss()?;
                let logits = Dynamic::from(TensorHandle::new(logits));
                Dynamic::from(Map::from_iter([("logits".into(), logits), ("loss".into(), loss)]))
            }
            Some(Wanted::Logits) | None => Dynamic::from(TensorHandle::new(logits)),
        })
    }
}

/// Returns token ids from a number, an array of numbers or a tensor, in rows: one for `[seq]`.
///
/// # Errors
/// What is no token id.
pub fn rows_of_ids(tokens: &Dynamic) -> Result<Vec<Vec<i64>>> {
    if let Some(tensor) = tokens.read_lock::<TensorHandle>() {
        let tensor = tensor.tensor();
        if !matches!(
            tensor.kind(),
            Kind::Int64 | Kind::Int | Kind::Int16 | Kind::Int8 | Kind::Uint8
        ) {
            let dtype = DType::from(tensor.kind());
            return Err(Error::input(format!(
                "expected token ids as int64, but was given {dtype}"
            )));
        }
        let width = tensor.size().last().copied().unwrap_or(1);
        let rows = tensor.f_to_kind(Kind::Int64)?.f_reshape([-1, width.max(1)])?;
        return Ok(Vec::<Vec<i64>>::try_from(rows)?);
    }
    if let Some(array) = tokens.read_lock::<Array>() {
        return match array.first() {
            Some(first) if !first.is_int() => {
                let rows: Vec<Vec<Vec<i64>>> = array.iter().map(rows_of_ids).collect::<Result<_>>()?;
                Ok(rows.concat())
            }
            _ => Ok(vec![token_ids(&array)?]),
        };
    }
    Ok(vec![token_ids(std::slice::from_ref(tokens))?])
}

/// Returns the text of each row of token ids.
///
/// # Errors
/// An id beyond the vocabulary.
pub fn texts_of(model: &LanguageModelHandle, rows: &[Vec<i64>]) -> Result<Array> {
    let text = |row: &Vec<i64>| model.model().tokenizer().decode(row).map(Dynamic::from);
    rows.iter().map(text).collect()
}

/// Returns what is for one row alone, or the array for several.
pub fn one_or_all(mut rows: Array) -> Dynamic {
    match rows.len() {
        1 => rows.remove(0),
        _ => rows.into(),
    }
}

fn token_ids(ids: &[Dynamic]) -> Result<Vec<i64>> {
    let one = |(index, id): (usize, &Dynamic)| {
        let wrong = |_| {
            let given = a(&kind_of(id));
            Error::input(format!("expected a token id, but was given {given}")).under(format!("[{index}]"))
        };
        id.as_int().map_err(wrong)
    };
    ids.iter().enumerate().map(one).collect()
}

fn unreadable(input: &Dynamic) -> Error {
    Error::input(format!(
        "expected a text, an array of texts, or token ids, but was given {}",
        a(&kind_of(input))
    ))
}
