//! What a tokenizer fails with, in words.

use crate::error::Error;

pub(super) fn unusable(error: tokenizers::Error) -> Error {
    Error::run(format!("the tokenizer failed: {error}"))
}
