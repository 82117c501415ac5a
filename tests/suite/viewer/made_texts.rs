//! Texts of made-up stores: sentences with words of themes in them, as tokens.

use std::collections::HashMap;

use super::themes::{SENTENCES, THEMES};

/// How large a store is to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub latents: u32,
    pub contexts: u32,
    /// Tokens of a context.
    pub tokens: usize,
}

impl Size {
    /// A store with which pages can be tried.
    pub const SMALL: Size = Size {
        latents: 600,
        contexts: 300,
        tokens: 96,
    };
    /// A store as a real dictionary has it.
    pub const LARGE: Size = Size {
        latents: 65_536,
        contexts: 4_000,
        tokens: 128,
    };
}

/// Numbers without a pattern, by splitmix64.
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Draws(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// From 0 to 1.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The texts: tokens of all contexts, and where each theme's words stand.
pub struct Texts {
    pub words: Vec<Vec<u8>>,
    known: HashMap<Vec<u8>, u32>,
    pub contexts: Vec<Vec<u32>>,
    /// By theme: (context, position).
    pub places: Vec<Vec<(u32, u16)>>,
}

impl Texts {
    pub fn new(size: Size) -> Self {
        let mut texts = Texts {
            words: Vec::new(),
            known: HashMap::new(),
            contexts: Vec::new(),
            places: vec![Vec::new(); THEMES.len()],
        };
        let mut draws = Draws::new(1);
        for context in 0..size.contexts {
            let tokens = texts.context(context, size.tokens, &mut draws);
            texts.contexts.push(tokens);
        }
        texts
    }

    fn token(&mut self, bytes: &[u8]) -> u32 {
        if let Some(token) = self.known.get(bytes) {
            return *token;
        }
        let token = self.words.len() as u32;
        self.words.push(bytes.to_vec());
        self.known.insert(bytes.to_vec(), token);
        token
    }

    fn context(&mut self, number: u32, length: usize, draws: &mut Draws) -> Vec<u32> {
        let mut tokens = Vec::new();
        while tokens.len() < length {
            let sentence = SENTENCES[draws.below(SENTENCES.len())];
            for word in sentence.split(' ') {
                let (theme, rest) = match word.strip_prefix('@') {
                    Some(rest) => (Some(draws.below(THEMES.len())), rest),
                    None => (None, word),
                };
                if let Some(theme) = theme {
                    let words = THEMES[theme].1;
                    let text = format!(" {}", words[draws.below(words.len())]);
                    self.themed(theme, (number, length), &text, &mut tokens);
                }
                let text = if theme.is_some() || word.starts_with('\n') {
                    rest.to_string()
                } else {
                    format!(" {rest}")
                };
                let (body, sign) = match text.strip_suffix([',', '.', '?', ';', ':']) {
                    Some(body) => (body, &text[body.len()..]),
                    None => (text.as_str(), ""),
                };
                for part in [body, sign].into_iter().filter(|part| !part.is_empty()) {
                    let token = self.token(part.as_bytes());
                    tokens.push(token);
                }
            }
        }
        tokens.truncate(length);
        tokens
    }

    /// Puts a theme's word down; words beyond ASCII as several tokens, some of which hold a part of a character.
    fn themed(&mut self, theme: usize, (context, length): (u32, usize), text: &str, tokens: &mut Vec<u32>) {
        let bytes = text.as_bytes();
        let parts: Vec<&[u8]> = if text.is_ascii() {
            vec![bytes]
        } else {
            bytes.chunks(5).collect()
        };
        for part in parts {
            if tokens.len() < length {
                self.places[theme].push((context, tokens.len() as u16));
            }
            let token = self.token(part);
            tokens.push(token);
        }
    }
}
