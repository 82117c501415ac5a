//! Tokenizers in Hugging Face's format.
//!
//! A text gets its BOS from the tokenizer's own template, or in front of it where it does not begin with one yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::Tokenizer as Inner;

use super::failure::unusable;
use super::offsets::keep_blanks_in_offsets;
use super::special::{Settings, SpecialTokens, Template};
use super::windows::{self, Cut, Piece};
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::{files, guard};

/// The longest tokenizer.json that is read; those of large vocabularies have 30 MB.
const LONGEST_FILE: u64 = 256 << 20;

/// A tokenizer; a cheap handle that can be cloned and sent to other threads.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    pub(super) inner: Arc<Inner>,
    folder: Arc<PathBuf>,
    special: SpecialTokens,
    /// What the template puts around texts by itself.
    template: Template,
    /// The same as ids: before a text and after it.
    around: Arc<(Vec<u32>, Vec<u32>)>,
    stop: StopFlag,
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
        let bytes = files::read(&path, LONGEST_FILE).map_err(|error| Error::io("read", &path, error))?;
        // The parser below panics at some files that are damaged.
        let what = format!("reading `{}`", path.display());
        guard::caught(&what, || Self::parse(folder, &path, &bytes, overrides))
    }

    fn parse(folder: &Path, path: &Path, bytes: &[u8], overrides: SpecialTokens) -> Result<Self> {
        let mut inner = Inner::from_bytes(bytes).map_err(|error| {
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
        let around = around(&inner)?;
        Ok(Tokenizer {
            inner: Arc::new(inner),
            folder: Arc::new(folder.to_path_buf()),
            special,
            template,
            around: Arc::new(around),
            stop: StopFlag::new(),
        })
    }

    /// Returns the same tokenizer, whose work ends once `stop` is set.
    pub fn with_stop(self, stop: StopFlag) -> Self {
        Tokenizer { stop, ..self }
    }

    /// Returns where it was read from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the id of the beginning-of-sequence token.
    pub fn bos_token_id(&self) -> Option<i64> {
        self.special.bos.map(i64::from)
    }

    /// Returns the id of the end-of-sequence token.
    pub fn eos_token_id(&self) -> Option<i64> {
        self.special.eos.map(i64::from)
    }

    /// Returns the id of the padding token.
    pub fn pad_token_id(&self) -> Option<i64> {
        self.special.pad.map(i64::from)
    }

    /// Returns the number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Returns the id of a token by its name in the vocabulary, e.g. `<|endoftext|>`.
    pub fn token_id(&self, token: &str) -> Option<i64> {
        self.inner.token_to_id(token).map(i64::from)
    }

    /// Returns the token ids of `text`, cut to `max_length`, BOS included; with a BOS in front if `prepend_bos`.
    ///
    /// A text that begins with the BOS token, written out, gets no second one.
    ///
    /// # Errors
    /// A BOS is wanted but the tokenizer has none.
    pub fn encode(&self, text: &str, prepend_bos: bool, max_length: Option<usize>) -> Result<Vec<i64>> {
        let bos = self.bos_for(prepend_bos)?;
        let ids = windows::ids(&self.inner, text, max_length, Cut::default(), &self.stop)?;
        let ids = self.with_template(ids.into_iter());
        Ok(self.finish(ids, bos, max_length))
    }

    /// Returns the tokens of `text` alone; where only `max_length` are wanted, no more of it is tokenised than that
    /// takes.
    pub(super) fn pieces(&self, text: &str, max_length: Option<usize>) -> Result<Vec<Piece>> {
        windows::tokens(&self.inner, text, max_length, Cut::default(), &self.stop)
    }

    /// Returns `ids` with what the template puts around them.
    pub(super) fn with_template(&self, ids: impl Iterator<Item = u32>) -> Vec<u32> {
        let (before, after) = &*self.around;
        let all = before.iter().copied().chain(ids);
        all.chain(after.iter().copied()).collect()
    }

    /// Returns how many ids the template puts before a text, and after it.
    pub(super) fn template_lengths(&self) -> (usize, usize) {
        (self.around.0.len(), self.around.1.len())
    }

    /// Returns the text of `tokens`, special tokens written out.
    ///
    /// # Errors
    /// A negative id, or one beyond the vocabulary.
    pub fn decode(&self, tokens: &[i64]) -> Result<String> {
        let ids = self.checked(tokens)?;
        self.inner.decode(&ids, false).map_err(unusable)
    }

    /// Returns each token's own text.
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

    /// Returns the BOS to put in front of what the template gives, if any.
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

    /// Returns the tokens of a text whose ids, the template's with them, are `ids`.
    pub(super) fn finish(&self, ids: Vec<u32>, bos: Bos, max_length: Option<usize>) -> Vec<i64> {
        let added = bos.adds_to(&ids);
        let ids = ids.into_iter().map(i64::from);
        let mut tokens: Vec<i64> = match added {
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
    /// Returns the token to put in front of `ids`, if any.
    pub(super) fn adds_to(self, ids: &[u32]) -> Option<u32> {
        match self {
            Bos::Add(bos) if ids.first() != Some(&bos) => Some(bos),
            Bos::Add(_) | Bos::AsTemplate | Bos::Remove => None,
        }
    }
}

/// The ids that the template puts before and after a text.
fn around(inner: &Inner) -> Result<(Vec<u32>, Vec<u32>)> {
    let encoding = inner.encode_fast("a", true).map_err(unusable)?;
    let (ids, added) = (encoding.get_ids(), encoding.get_special_tokens_mask());
    let before = added.iter().take_while(|added| **added == 1).count();
    let after = added[before..]
        .iter()
        .rev()
        .take_while(|added| **added == 1)
        .count();
    Ok((ids[..before].to_vec(), ids[ids.len() - after..].to_vec()))
}

fn missing(folder: &Path) -> Error {
    let error = Error::input(format!("there is no tokenizer.json in `{}`", folder.display()));
    if folder.join("tokenizer.model").exists() || folder.join("vocab.json").exists() {
        error.hint(
            "this model has a tokenizer of the older kind; in Python, \
         `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` writes tokenizer.json",
        )
    } else {
        error.hint("the tokenizer lies beside the weights, as `save_pretrained` leaves it")
    }
}
