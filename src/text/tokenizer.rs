//! Tokenizers in Hugging Face's format.
//!
//! A text gets its BOS from the tokenizer's own template, or in front of it where it does not begin with one yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::{Encoding, Tokenizer as Inner};

use super::special::{Settings, SpecialTokens, Template};
use super::trace::keep_blanks_in_offsets;
use crate::error::{Error, Result};

/// A tokenizer; a cheap handle that can be cloned and sent to other threads.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    pub(super) inner: Arc<Inner>,
    folder: Arc<PathBuf>,
    special: SpecialTokens,
    /// What the template puts around texts by itself.
    template: Template,
}

impl Tokenizer {
    /// Reads `tokenizer.json` in `folder`, and beside it `tokenizer_config.json`, `special_tokens_map.json` and
    /// `config.json` where they exist.
    ///
    /// # Errors
    /// There is no `tokenizer.json`, or a file is broken.
    pub fn from_folder(folder: &Path, overrides: SpecialTokens) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            return Err(missing(folder));
        }
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
        let mut inner = Inner::from_bytes(&bytes).map_err(|error| {
            Error::input(format!("`{}` is not a usable tokenizer: {error}", path.display()))
                .hint("download or save the file again")
        })?;
        // Padding and truncation that a file was saved with are no part of how a text is tokenised.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(unusable)?;
        let settings = Settings::read(folder)?;
        settings.add_tokens(&mut inner)?;
        let special = settings.tokens(&inner, overrides)?;
        let template = settings.apply_template(&mut inner, special)?;
        keep_blanks_in_offsets(&mut inner)?;
        Ok(Tokenizer {
            inner: Arc::new(inner),
            folder: Arc::new(folder.to_path_buf()),
            special,
            template,
        })
    }

    /// Where it was read from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Id of the beginning-of-sequence token.
    pub fn bos_token_id(&self) -> Option<i64> {
        self.special.bos.map(i64::from)
    }

    /// Id of the end-of-sequence token.
    pub fn eos_token_id(&self) -> Option<i64> {
        self.special.eos.map(i64::from)
    }

    /// Id of the padding token.
    pub fn pad_token_id(&self) -> Option<i64> {
        self.special.pad.map(i64::from)
    }

    /// Number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token by its name in the vocabulary, e.g. `<|endoftext|>`.
    pub fn token_id(&self, token: &str) -> Option<i64> {
        self.inner.token_to_id(token).map(i64::from)
    }

    /// Token ids of `text`, cut to `max_length`, BOS included; with a BOS in front if `prepend_bos`.
    ///
    /// A text that begins with the BOS token, written out, gets no second one.
    ///
    /// # Errors
    /// A BOS is wanted but the tokenizer has none.
    pub fn encode(&self, text: &str, prepend_bos: bool, max_length: Option<usize>) -> Result<Vec<i64>> {
        let bos = self.bos_for(prepend_bos)?;
        let encoding = self.inner.encode_fast(text, true).map_err(unusable)?;
        Ok(self.finish(&encoding, bos, max_length))
    }

    /// [`encode`](Self::encode) for several texts at once, on all processors.
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        prepend_bos: bool,
        max_length: Option<usize>,
    ) -> Result<Vec<Vec<i64>>> {
        let bos = self.bos_for(prepend_bos)?;
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let encodings = self.inner.encode_batch_fast(texts, true).map_err(unusable)?;
        let finished = encodings
            .iter()
            .map(|encoding| self.finish(encoding, bos, max_length));
        Ok(finished.collect())
    }

    /// The text of `tokens`, special tokens written out.
    ///
    /// # Errors
    /// A negative id, or one beyond the vocabulary.
    pub fn decode(&self, tokens: &[i64]) -> Result<String> {
        let ids = self.checked(tokens)?;
        self.inner.decode(&ids, false).map_err(unusable)
    }

    /// Each token's own text.
    ///
    /// A token that is only a part of a character reads `�`.
    ///
    /// # Errors
    /// A negative id, or one beyond the vocabulary.
    pub fn token_strings(&self, tokens: &[i64]) -> Result<Vec<String>> {
        let ids = self.checked(tokens)?;
        ids.iter()
            .map(|id| self.inner.decode(&[*id], false).map_err(unusable))
            .collect()
    }

    fn checked(&self, tokens: &[i64]) -> Result<Vec<u32>> {
        let check = |token: &i64| {
            let id = u32::try_from(*token).ok();
            id.filter(|id| self.inner.id_to_token(*id).is_some())
                .ok_or_else(|| {
                    Error::input(format!(
                        "token id {token} is not in the vocabulary, which has {} tokens",
                        self.vocab_size()
                    ))
                })
        };
        tokens.iter().map(check).collect()
    }

    /// The BOS to put in front of what the template gives, if any.
    pub(super) fn bos_for(&self, prepend_bos: bool) -> Result<Bos> {
        match (prepend_bos, self.template.bos, self.special.bos) {
            (true, true, _) | (false, false, _) => Ok(Bos::AsTemplate),
            (false, true, _) => Ok(Bos::Remove),
            (true, false, Some(bos)) => Ok(Bos::Add(bos)),
            (true, false, None) => Err(Error::input(format!(
                "the tokenizer in `{}` has no BOS token to put in front of texts",
                self.folder.display()
            ))
            .hint("set `prepend_bos` to false, or give a `bos_token_id`")),
        }
    }

    pub(super) fn finish(&self, encoding: &Encoding, bos: Bos, max_length: Option<usize>) -> Vec<i64> {
        let ids = encoding.get_ids().iter().map(|id| i64::from(*id));
        let mut tokens: Vec<i64> = match bos.adds_to(encoding) {
            Some(bos) => std::iter::once(i64::from(bos)).chain(ids).collect(),
            None if bos == Bos::Remove => ids.skip(1).collect(),
            None => ids.collect(),
        };
        if let Some(length) = max_length.filter(|length| *length < tokens.len()) {
            tokens.truncate(length);
            // What the template puts at the end stays there when the text is cut.
            if let (true, Some(last), Some(eos)) = (self.template.eos, tokens.last_mut(), self.special.eos) {
                *last = eos.into();
            }
        }
        tokens
    }
}

/// What happens to the BOS that the template may give.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bos {
    AsTemplate,
    Add(u32),
    Remove,
}

impl Bos {
    /// The token to put in front of `encoding`, if any.
    pub(super) fn adds_to(self, encoding: &Encoding) -> Option<u32> {
        match self {
            Bos::Add(bos) if encoding.get_ids().first() != Some(&bos) => Some(bos),
            Bos::Add(_) | Bos::AsTemplate | Bos::Remove => None,
        }
    }
}

fn missing(folder: &Path) -> Error {
    let error = Error::input(format!("there is no tokenizer.json in `{}`", folder.display()));
    match folder.join("tokenizer.model").exists() || folder.join("vocab.json").exists() {
        true => error.hint(
            "this model has a tokenizer of the older kind; in Python, \
             `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` writes tokenizer.json",
        ),
        false => error.hint("the tokenizer lies beside the weights, as `save_pretrained` leaves it"),
    }
}

pub(super) fn unusable(error: tokenizers::Error) -> Error {
    Error::run(format!("the tokenizer failed: {error}"))
}
