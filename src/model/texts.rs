//! From texts to the tokens that a model reads, and which tokens in a batch are padding.

use super::LanguageModel;
use super::prompts::{PaddingSide, Prompts};
use crate::error::Result;
use crate::tensor::{Kind, Tensor};

impl LanguageModel {
    /// Returns the tokens of texts, cut to [`max_length`](Self::max_length), the shorter ones filled up on `side` with PAD,
    /// or EOS where the tokenizer has none.
    ///
    /// # Errors
    /// A BOS is wanted but the tokenizer has none; texts of different lengths and no token to pad with.
    pub fn prompts(&self, texts: &[String], prepend_bos: bool, side: PaddingSide) -> Result<Prompts> {
        let limit = Some(self.max_length());
        let encode = |text: &String| self.tokenizer().encode(text, prepend_bos, limit);
        let rows: Vec<Vec<i64>> = texts.iter().map(encode).collect::<Result<_>>()?;
        Prompts::padded(&rows, side, self.padding_token())
    }

    /// Returns the token with which texts are filled up: PAD, or EOS where the tokenizer has none.
    pub fn padding_token(&self) -> Option<i64> {
        let tokenizer = self.tokenizer();
        tokenizer.pad_token_id().or(tokenizer.eos_token_id())
    }

    /// Returns which of `tokens`, int64 `[batch, seq]`, count where texts are filled up on the left: all but the PAD tokens
    /// in front. With a BOS that is the same token as PAD, the last of these is it. `None` where all count.
    ///
    /// # Errors
    /// Too little memory.
    pub fn left_padding_mask(&self, tokens: &Tensor, prepend_bos: bool) -> Result<Option<Tensor>> {
        let Some(pad) = self.padding_token() else {
            return Ok(None);
        };
        let other = tokens.f_ne(pad)?.f_to_kind(Kind::Int64)?;
        let mut counts = other.f_cumsum(1, None)?.f_gt(0)?;
        if prepend_bos && self.tokenizer().bos_token_id() == Some(pad) {
            // One place earlier: the BOS itself.
            let seq = counts.size()[1];
            let last = Tensor::f_ones([counts.size()[0], 1], (Kind::Bool, counts.device()))?;
            counts = Tensor::f_cat(&[&counts.f_narrow(1, 1, seq - 1)?, &last], 1)?;
        }
        let all = bool::try_from(counts.f_all()?)?;
        Ok((!all).then_some(counts))
    }
}
