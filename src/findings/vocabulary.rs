//! Tokens: what they stand for, and which latents fire on them.

use super::store::Store;
use crate::error::Result;

/// What each token stands for, as bytes: a token may be a part of a character.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vocabulary(Vec<Vec<u8>>);

impl Vocabulary {
    /// Returns a vocabulary whose token `i` stands for `bytes[i]`.
    pub fn new(bytes: Vec<Vec<u8>>) -> Self {
        Vocabulary(bytes)
    }

    /// Returns what the token stands for; nothing for one that is not known.
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.0.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// Returns the token's text; a part of a character reads `�`.
    pub fn text(&self, token: u32) -> String {
        String::from_utf8_lossy(self.bytes(token)).into_owned()
    }

    /// Returns how many tokens there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the pieces of a text as a reader sees them: the range of tokens that each is of, and its text. Most pieces
    /// are one token; tokens that share a character make one piece.
    pub fn pieces(&self, tokens: &[u32]) -> Vec<(std::ops::Range<usize>, String)> {
        let mut pieces = Vec::with_capacity(tokens.len());
        let (mut first, mut held): (usize, Vec<u8>) = (0, Vec::new());
        for (index, token) in tokens.iter().enumerate() {
            held.extend(self.bytes(*token));
            let unfinished = match std::str::from_utf8(&held) {
                Ok(_) => false,
                // A character is at most 4 bytes: what is longer is no beginning of one.
                Err(error) => error.error_len().is_none() && held.len() - error.valid_up_to() < 4,
            };
            if !unfinished || index + 1 == tokens.len() {
                pieces.push((first..index + 1, String::from_utf8_lossy(&held).into_owned()));
                first = index + 1;
                held.clear();
            }
        }
        pieces
    }
}

/// A token and a latent that fires on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenFiring {
    /// The token.
    pub token: u32,
    /// The latent.
    pub latent: u32,
    /// How often the latent fires on the token.
    pub count: u64,
    /// Its mean activation when it does.
    pub mean: f64,
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<TokenFiring> {
    Ok(TokenFiring {
        token: row.get(0)?,
        latent: row.get(1)?,
        count: row.get::<_, i64>(2)? as u64,
        mean: row.get(3)?,
    })
}

impl Store {
    /// Returns what every token stands for.
    ///
    /// # Errors
    /// A damaged store.
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        let rows = self.rows("SELECT token, bytes FROM vocabulary ORDER BY token", [], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut bytes = Vec::with_capacity(rows.len());
        for (token, known) in rows {
            // A store that was tampered with may name any number; what is beyond the others by far is not filled up to.
            if token as usize > bytes.len() + (1 << 20) {
                break;
            }
            bytes.resize(token as usize, Vec::new());
            bytes.push(known);
        }
        Ok(Vocabulary(bytes))
    }

    /// Writes what every token stands for.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_vocabulary(&self, vocabulary: &Vocabulary) -> Result<()> {
        for (token, bytes) in vocabulary.0.iter().enumerate() {
            self.change(
                "INSERT OR REPLACE INTO vocabulary VALUES (?, ?)",
                (token as i64, bytes),
            )?;
        }
        Ok(())
    }

    /// Returns the tokens on which a latent fires most, most firings first.
    ///
    /// # Errors
    /// A damaged store.
    pub fn tokens_of(&self, analysis: i64, latent: u32) -> Result<Vec<TokenFiring>> {
        let query = "SELECT token, latent, count, mean FROM token_latent WHERE analysis = ? AND latent = ? \
                     ORDER BY count DESC, token";
        self.rows(query, (analysis, latent), read)
    }

    /// Returns the latents that have a token among those they fire on most, most firings first.
    ///
    /// # Errors
    /// A damaged store.
    pub fn latents_of(&self, analysis: i64, token: u32) -> Result<Vec<TokenFiring>> {
        let query = "SELECT token, latent, count, mean FROM token_latent WHERE analysis = ? AND token = ? \
                     ORDER BY count DESC, latent";
        self.rows(query, (analysis, token), read)
    }

    /// Writes that a latent fires on a token.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_token(&self, analysis: i64, firing: &TokenFiring) -> Result<()> {
        self.change(
            "INSERT OR REPLACE INTO token_latent VALUES (?, ?, ?, ?, ?)",
            (
                analysis,
                firing.token,
                firing.latent,
                firing.count as i64,
                firing.mean,
            ),
        )
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_share_a_character_make_one_piece() {
        let words: [&[u8]; 5] = [b"a", &[0xe2, 0x82], &[0xac], b" b", &[0xff]];
        let vocabulary = Vocabulary::new(words.map(<[u8]>::to_vec).to_vec());
        let pieces = |tokens: &[u32]| -> Vec<(usize, usize, String)> {
            let pieces = vocabulary.pieces(tokens).into_iter();
            pieces
                .map(|(range, text)| (range.start, range.end, text))
                .collect()
        };
        let piece = |from, to, text: &str| (from, to, text.to_string());
        assert_eq!(
            pieces(&[0, 1, 2, 3]),
            [piece(0, 1, "a"), piece(1, 3, "€"), piece(3, 4, " b")]
        );
        assert_eq!(
            pieces(&[0, 1]),
            [piece(0, 1, "a"), piece(1, 2, "\u{fffd}")],
            "cut off"
        );
        assert_eq!(
            pieces(&[4, 9]),
            [piece(0, 1, "\u{fffd}"), piece(1, 2, "")],
            "no text, unknown"
        );
    }
}
