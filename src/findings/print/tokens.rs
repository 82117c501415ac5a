//! Tokens of a context on one line, those on which a latent fires marked.

use std::fmt::Write as _;

use super::options::{Colours, Printing};
use crate::findings::{Sample, Vocabulary};

/// A weak activation's colour, and the strongest one's.
const WEAK: [f64; 3] = [86.0, 62.0, 24.0];
const STRONG: [f64; 3] = [232.0, 150.0, 28.0];

/// Backgrounds of the palette from weak to strong.
const PALETTE: [u8; 5] = [58, 94, 136, 172, 208];

/// A token that stands so often at the end of a context is shown once, with a number.
const MANY: usize = 4;

/// Returns what is around the peak of `sample`, as one line.
pub(super) fn line(
    sample: &Sample,
    tokens: &[u32],
    words: &Vocabulary,
    max: f64,
    printing: &Printing,
) -> String {
    let peak = usize::from(sample.peak_position).min(tokens.len());
    let from = peak.saturating_sub(printing.range);
    let repeated = repeated(sample, tokens);
    let end = tokens.len() - repeated.saturating_sub(1);
    let to = end.min(peak.saturating_add(printing.range).saturating_add(1));
    let from = from.min(to);
    let mut line = String::new();
    for (range, text) in words.pieces(&tokens[from..to]) {
        let inside = from + range.start..from + range.end;
        let own = sample
            .activations
            .iter()
            .filter(|(at, _)| inside.contains(&usize::from(*at)));
        let value = own.map(|(_, value)| f64::from(*value)).fold(0.0, f64::max);
        let is_peak = inside.contains(&peak) && value > 0.0;
        put(
            &mut line,
            &word(&text),
            (value / max).clamp(0.0, 1.0),
            is_peak,
            printing.colours,
        );
    }
    // Most tokens begin with a blank of their own.
    let before = match (from > 0, line.starts_with(' ')) {
        (true, true) => "…",
        (true, false) => "… ",
        (false, _) => "",
    };
    let after = match repeated {
        _ if to < end => " …".to_string(),
        0 => String::new(),
        times => format!(" ×{times}"),
    };
    format!("{before}{line}{after}")
}

/// Returns how often the last token stands at the end, where it does many times without firing, as padding does; else 0.
fn repeated(sample: &Sample, tokens: &[u32]) -> usize {
    let fires = |at: usize| {
        let mut own = sample.activations.iter();
        own.any(|(place, value)| usize::from(*place) == at && *value > 0.0)
    };
    let same = (0..tokens.len())
        .rev()
        .take_while(|at| tokens.last() == tokens.get(*at) && !fires(*at))
        .count();
    if same >= MANY { same } else { 0 }
}

fn put(line: &mut String, text: &str, part: f64, is_peak: bool, colours: Colours) {
    // Also what is no number does not fire.
    if part.is_nan() || part <= 0.0 {
        return line.push_str(text);
    }
    // Blanks stay outside of the signs, where words begin with one.
    let (blank, bare) = text.split_at(text.len() - text.trim_start_matches(' ').len());
    let bold = if is_peak { ";1" } else { "" };
    let _ = match colours {
        Colours::None if is_peak => write!(line, "{blank}«{bare}»"),
        Colours::None => write!(line, "{blank}‹{bare}›"),
        Colours::Palette => {
            let colour = PALETTE[((part * PALETTE.len() as f64) as usize).min(PALETTE.len() - 1)];
            let ink = if part > 0.6 { 16 } else { 231 };
            write!(line, "{blank}\x1b[48;5;{colour};38;5;{ink}{bold}m{bare}\x1b[0m")
        }
        Colours::Full => {
            let mixed = |at: usize| (WEAK[at] + (STRONG[at] - WEAK[at]) * part).round() as u8;
            let ink = if part > 0.6 { "0;0;0" } else { "255;255;255" };
            let [red, green, blue] = [mixed(0), mixed(1), mixed(2)];
            write!(
                line,
                "{blank}\x1b[48;2;{red};{green};{blue};38;2;{ink}{bold}m{bare}\x1b[0m"
            )
        }
    };
}

/// Returns a token or a label as it may stand in a line: what would break the line, or speak to the terminal, is shown.
pub(super) fn word(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' => '↵',
        '\t' => '→',
        '\u{7f}' | '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '�',
        control if control < ' ' => char::from_u32(0x2400 + u32::from(control)).unwrap_or('�'),
        other => other,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firing_tokens_are_marked_and_nothing_speaks_to_the_terminal() {
        let words: [&[u8]; 4] = [b"In", b" June", b",\n", b"\x1b[2J"];
        let words = Vocabulary::new(words.map(<[u8]>::to_vec).to_vec());
        let sample = Sample {
            context: 0,
            peak_position: 1,
            peak: 2.0,
            activations: vec![(1, 2.0), (2, 0.5)],
        };
        let plain = Printing::default();
        assert_eq!(
            line(&sample, &[0, 1, 2, 3], &words, 2.0, &plain),
            "In «June»‹,↵›␛[2J"
        );
        let near = Printing { range: 1, ..plain };
        assert_eq!(
            line(&sample, &[0, 1, 2, 3], &words, 2.0, &near),
            "In «June»‹,↵› …"
        );
        let full = Printing {
            colours: Colours::Full,
            ..plain
        };
        let coloured = line(&sample, &[0, 1, 2, 3], &words, 2.0, &full);
        assert!(
            coloured.contains("\x1b[48;2;232;150;28;38;2;0;0;0;1mJune\x1b[0m"),
            "{coloured:?}"
        );
        assert!(coloured.ends_with("␛[2J"));
    }

    #[test]
    fn padding_is_shown_once() {
        let words: [&[u8]; 3] = [b"In", b"ya", b"<>"];
        let words = Vocabulary::new(words.map(<[u8]>::to_vec).to_vec());
        let sample = Sample {
            context: 0,
            peak_position: 0,
            peak: 2.0,
            activations: vec![(0, 2.0)],
        };
        let line = |tokens: &[u32], range| {
            let printing = Printing {
                range,
                ..Printing::default()
            };
            line(&sample, tokens, &words, 2.0, &printing)
        };
        assert_eq!(line(&[0, 1, 2, 2, 2, 2, 2], 9), "«In»ya<> ×5");
        assert_eq!(line(&[0, 1, 2, 2, 2, 2, 2], 1), "«In»ya …");
        assert_eq!(line(&[0, 1, 2, 2], 9), "«In»ya<><>");
        assert_eq!(
            line(&[0, 0, 0, 0, 0], 9),
            "«In»In ×4",
            "what fires is not padding"
        );
    }

    #[test]
    fn strange_samples_print() {
        let words = Vocabulary::new(vec![b"a".to_vec()]);
        let sample = Sample {
            context: 0,
            peak_position: 900,
            peak: f32::NAN,
            activations: vec![(0, f32::NAN), (800, 1.0)],
        };
        assert_eq!(
            line(&sample, &[0, 0], &words, f64::NAN, &Printing::default()),
            "aa"
        );
    }
}
