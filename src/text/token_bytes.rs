//! What each token of a vocabulary stands for, as bytes: a token may be a part of a character.

use std::collections::HashMap;

use super::tokenizer::Tokenizer;

/// How the names of tokens in a vocabulary stand for bytes.
enum Spelling {
    /// A letter for each byte (GPT-2's).
    Letters(HashMap<char, u8>),
    /// Text with `▁` for a blank, and `<0x0A>` for single bytes (SentencePiece's).
    Text,
}

impl Tokenizer {
    /// Returns the bytes that each token stands for, by id; special tokens stand for their names. Ids without a token
    /// have no bytes.
    pub fn token_bytes(&self) -> Vec<Vec<u8>> {
        let decoder = serde_json::to_string(&self.inner.get_decoder()).unwrap_or_default();
        let spelling = if decoder.contains("ByteLevel") {
            Spelling::Letters(letters())
        } else {
            Spelling::Text
        };
        let added = self.inner.get_added_tokens_decoder();
        let vocabulary = self.inner.get_vocab(true);
        let largest = vocabulary.values().copied().max().unwrap_or(0);
        let mut bytes = vec![Vec::new(); largest as usize + 1];
        for (name, id) in vocabulary {
            bytes[id as usize] = match added.get(&id) {
                Some(token) => token.content.clone().into_bytes(),
                None => spelling.bytes(&name),
            };
        }
        bytes
    }
}

impl Spelling {
    fn bytes(&self, name: &str) -> Vec<u8> {
        match self {
            Spelling::Letters(letters) => {
                let bytes: Option<Vec<u8>> =
                    name.chars().map(|letter| letters.get(&letter).copied()).collect();
                bytes.unwrap_or_else(|| name.as_bytes().to_vec())
            }
            Spelling::Text => match single_byte(name) {
                Some(byte) => vec![byte],
                None => name.replace('▁', " ").into_bytes(),
            },
        }
    }
}

/// Returns the byte that `<0x0A>` stands for.
fn single_byte(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 2)
}

/// Returns the byte of each letter of GPT-2's alphabet: bytes that print stand for themselves, and the others, in their
/// order, have the letters from U+0100 on (<https://github.com/openai/gpt-2>, `bytes_to_unicode`).
fn letters() -> HashMap<char, u8> {
    let prints = |byte: &u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let (own, others): (Vec<u8>, Vec<u8>) = (0..=255).partition(prints);
    let own = own.into_iter().map(|byte| (char::from(byte), byte));
    let others = ('\u{100}'..).zip(others);
    own.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_bytes() {
        let letters = Spelling::Letters(letters());
        assert_eq!(letters.bytes("Ġthe"), b" the");
        assert_eq!(letters.bytes("Ċ"), b"\n");
        assert_eq!(letters.bytes("âĤ¬"), "€".as_bytes());
        assert_eq!(Spelling::Text.bytes("▁the"), b" the");
        assert_eq!(Spelling::Text.bytes("<0x0A>"), b"\n");
        assert_eq!(Spelling::Text.bytes("<0x0>"), b"<0x0>");
    }
}
