//! New inputs from old ones.

/// Random numbers: SplitMix64 (Steele, Lea and Flood 2014).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end.max(1)
    }

    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// Longest input that is made.
const LONGEST: usize = 50_000;

/// Texts that are odd in every grammar.
const ODD: &[&str] = &[
    "0",
    "-1",
    "9223372036854775808",
    "1e999",
    "-0.0",
    "NaN",
    "null",
    "\0",
    "\u{1b}[31m",
    "\u{feff}",
    "\u{202e}",
    "é",
    "🙂",
    "e\u{301}",
    "\\",
    "\\u0000",
    "\"",
    "'",
    "`",
    "\n",
    "\r\n",
    "\t",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ":",
    ",",
    "/",
    "*",
    "..",
];

/// One to eight changes of `input`; `other` is what parts are taken from.
pub fn mutate(input: &[u8], other: &[u8], words: &[&str], chance: &mut Chance) -> Vec<u8> {
    let mut made = input.to_vec();
    for _ in 0..1 << chance.below(4) {
        change(&mut made, other, words, chance);
    }
    made.truncate(LONGEST);
    made
}

fn change(made: &mut Vec<u8>, other: &[u8], words: &[&str], chance: &mut Chance) {
    let at = chance.below(made.len() + 1);
    match chance.below(11) {
        0 if !made.is_empty() => {
            let at = chance.below(made.len());
            made[at] ^= 1 << chance.below(8);
        }
        1 if !made.is_empty() => {
            let at = chance.below(made.len());
            made[at] = [0, 0x7f, 0x80, 0xff, b' ', b'0', b'"', b'\n'][chance.below(8)];
        }
        2 | 3 => {
            let words = if chance.below(3) == 0 { ODD } else { words };
            let word = chance.of(words);
            made.splice(at..at, word.bytes());
        }
        4 => {
            let words = if chance.below(2) == 0 { ODD } else { words };
            let word = chance.of(words);
            // Long runs, which are nesting to some grammars, are rare: they make every later input slow.
            let most = if chance.below(8) == 0 { 14 } else { 5 };
            let times = 1 << chance.below(most);
            made.splice(at..at, word.repeat(times).into_bytes());
        }
        5 => drop(made.drain(stretch(made.len(), chance))),
        6 => {
            let part = made[stretch(made.len(), chance)].to_vec();
            made.splice(at..at, part);
        }
        7 => {
            let part = other[stretch(other.len(), chance)].to_vec();
            let range = stretch(made.len(), chance);
            made.splice(range, part);
        }
        8 => {
            made.truncate(at);
            made.extend(&other[chance.below(other.len() + 1)..]);
        }
        9 => change_number(made, chance),
        _ => made.truncate(at),
    }
}

/// A stretch of something of this length; short ones are likelier.
fn stretch(length: usize, chance: &mut Chance) -> std::ops::Range<usize> {
    let start = chance.below(length + 1);
    let most = 1 << chance.below(12);
    start..(start + chance.below(most)).min(length)
}

/// Replaces one run of digits.
fn change_number(made: &mut Vec<u8>, chance: &mut Chance) {
    let from = chance.below(made.len());
    let Some(start) = (from..made.len()).find(|at| made[*at].is_ascii_digit()) else {
        return;
    };
    let end = (start..made.len())
        .find(|at| !made[*at].is_ascii_digit())
        .unwrap_or(made.len());
    let numbers = [
        "0",
        "1",
        "-1",
        "2",
        "255",
        "4294967296",
        "9223372036854775807",
        "18446744073709551616",
        "1e308",
        "0.1",
    ];
    made.splice(start..end, chance.of(&numbers).bytes());
}
