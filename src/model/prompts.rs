//! Batches of texts of different lengths: token ids, and which of them are padding.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tensor::{Kind, TchError, Tensor};

/// On which side the shorter texts of a batch are filled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaddingSide {
    /// Texts end together.
    Left,
    /// Texts begin together.
    #[default]
    Right,
}

impl PaddingSide {
    /// Returns its name in scripts.
    pub fn name(self) -> &'static str {
        match self {
            PaddingSide::Left => "left",
            PaddingSide::Right => "right",
        }
    }
}

/// Token ids of one or several texts.
#[derive(Debug)]
pub struct Prompts {
    /// Int64 `[batch, seq]`.
    pub tokens: Tensor,
    /// Bool `[batch, seq]`: true where a token counts, false at padding; `None` where all count.
    pub mask: Option<Tensor>,
}

/// What a forward pass reads: tokens, `[batch, seq]`, and where some are padding, which of them count.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub(super) tokens: &'a Tensor,
    pub(super) mask: Option<&'a Tensor>,
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(tokens: &'a Tensor) -> Self {
        Input { tokens, mask: None }
    }
}

impl<'a> From<&'a Prompts> for Input<'a> {
    fn from(prompts: &'a Prompts) -> Self {
        Input {
            tokens: &prompts.tokens,
            mask: prompts.mask.as_ref(),
        }
    }
}

impl Prompts {
    /// Returns rows of token ids as one tensor, the shorter ones filled up with `pad`.
    ///
    /// # Errors
    /// Rows of different lengths without a `pad`.
    pub fn padded(rows: &[Vec<i64>], side: PaddingSide, pad: Option<i64>) -> Result<Self> {
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let size = [rows.len() as i64, longest as i64];
        let ragged = rows.iter().any(|row| row.len() < longest);
        let pad = match (ragged, pad) {
            (true, None) => {
                return Err(Error::input(
                    "texts of different lengths need padding, but the tokenizer has no PAD token",
                )
                .hint("set `pad_token_id` in the LanguageModelConfig"));
            }
            (_, pad) => pad.unwrap_or(0),
        };
        let filled = |row: &[i64], filling: i64| {
            let fill = vec![filling; longest - row.len()];
            match side {
                PaddingSide::Left => [&fill, row].concat(),
                PaddingSide::Right => [row, &fill].concat(),
            }
        };
        let ids: Vec<i64> = rows.iter().flat_map(|row| filled(row, pad)).collect();
        let counts = rows.iter().flat_map(|row| filled(&vec![1; row.len()], 0));
        let counts: Vec<i64> = counts.collect();
        let mask = if ragged {
            let counts = Tensor::f_from_slice(&counts)?.f_reshape(size)?;
            Some(counts.f_to_kind(Kind::Bool)?)
        } else {
            None
        };
        Ok(Prompts {
            tokens: Tensor::f_from_slice(&ids)?.f_reshape(size)?,
            mask,
        })
    }

    /// Returns which losses of next tokens count, bool `[batch, seq − 1]`: those of a token that counts after one that does.
    pub(super) fn counted(mask: &Tensor) -> Result<Tensor> {
        let places = mask.size()[1] - 1;
        Ok(mask
            .f_narrow(1, 0, places)?
            .f_logical_and(&mask.f_narrow(1, 1, places)?)?)
    }
}

/// What the attention and the positions of a pass have to know of padding in front of tokens.
#[derive(Debug)]
pub(super) struct Padding {
    /// Bool `[batch, key_seq]`: true where a token counts.
    mask: Tensor,
}

impl Padding {
    /// Returns what a pass has to know of `mask`: `None` where all padding is behind the tokens, which do not see it.
    pub(super) fn of(mask: &Tensor) -> Result<Option<Self>> {
        let places = mask.size()[1] - 1;
        let (earlier, later) = (mask.f_narrow(1, 0, places)?, mask.f_narrow(1, 1, places)?);
        let before = earlier.f_logical_not()?.f_logical_and(&later)?;
        let matters = bool::try_from(before.f_any()?)?;
        Ok(matters.then(|| Padding {
            mask: mask.shallow_clone(),
        }))
    }

    /// Returns the place of each of `seq` tokens from number `start` on, int64 `[batch, seq]`, counted from the first
    /// token that counts; 0 for padding.
    pub(super) fn positions(&self, start: i64, seq: i64) -> Result<Tensor, TchError> {
        let counted = self.mask.f_to_kind(Kind::Int64)?.f_cumsum(1, None)?;
        counted.f_sub_scalar(1)?.f_clamp_min(0)?.f_narrow(1, start, seq)
    }

    /// Returns 1 for each of `seq` tokens from number `start` on that counts, and 0 for padding: `[batch, seq, 1]`.
    pub(super) fn counts(&self, start: i64, seq: i64, kind: Kind) -> Result<Tensor, TchError> {
        self.mask
            .f_narrow(1, start, seq)?
            .f_unsqueeze(-1)?
            .f_to_kind(kind)
    }

    /// Returns which keys each query sees, bool `[batch, 1, seq, key_seq]`, given what it sees without padding,
    /// `[seq, key_seq]`. Padding sees itself, so that no row of scores is empty.
    pub(super) fn visible(&self, visible: &Tensor, start: i64) -> Result<Tensor, TchError> {
        let (seq, key_seq) = (visible.size()[0], visible.size()[1]);
        let options = (Kind::Bool, visible.device());
        let itself = Tensor::f_ones([seq, key_seq], options)?
            .f_triu(start)?
            .f_tril(start)?;
        let keys = self
            .mask
            .f_narrow(1, 0, key_seq)?
            .f_unsqueeze(1)?
            .f_unsqueeze(1)?;
        keys.f_logical_and(visible)?.f_logical_or(&itself)
    }
}
