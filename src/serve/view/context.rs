//! A context as a page shows it: the texts of its tokens, and where the latent fires.

use std::ops::Range;

use serde::Serialize;

use crate::findings::{Context, Sample, Vocabulary};

/// How much of a context goes to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Extent {
    /// So many tokens on each side of the peak.
    Around(usize),
    /// All of it.
    Whole,
}

/// Tokens of one context. A piece is a token, or several that share a character.
#[derive(Clone, Debug, Serialize)]
pub(in crate::serve) struct Shown {
    /// Texts of the pieces.
    pieces: Vec<String>,
    /// The token that each piece begins with; left out where every piece is one token.
    #[serde(skip_serializing_if = "Option::is_none")]
    starts: Option<Vec<usize>>,
    /// The token that the first piece begins with.
    first: usize,
    /// Tokens of the whole context.
    total: usize,
    /// Pieces on which the latent fires, with its largest activation there.
    on: Vec<(usize, f32)>,
    /// The piece with the largest activation of the context; none where the latent is silent.
    peak_at: Option<usize>,
    /// That activation.
    peak: f32,
    /// Name of the data set.
    dataset: Option<String>,
    /// Number of the record there.
    record: Option<u64>,
}

/// Returns `sample` with the texts of its tokens.
pub(in crate::serve) fn shown(
    sample: &Sample,
    context: &Context,
    words: &Vocabulary,
    extent: Extent,
) -> Shown {
    let total = context.tokens.len();
    let range = cut(sample, total, extent);
    let pieces = words.pieces(&context.tokens[range.clone()]);
    let piece_of = |token: usize| {
        let inside = token.checked_sub(range.start)?;
        let at = pieces.partition_point(|(tokens, _)| tokens.end <= inside);
        (at < pieces.len()).then_some(at)
    };
    let mut on: Vec<(usize, f32)> = Vec::new();
    for (token, value) in &sample.activations {
        let Some(piece) = piece_of(usize::from(*token)) else {
            continue;
        };
        match on.last_mut() {
            Some((last, most)) if *last == piece => *most = most.max(*value),
            _ => on.push((piece, *value)),
        }
    }
    let fires = !sample.activations.is_empty();
    let single = pieces.iter().all(|(tokens, _)| tokens.len() == 1);
    let starts = || {
        pieces
            .iter()
            .map(|(tokens, _)| range.start + tokens.start)
            .collect()
    };
    Shown {
        starts: (!single).then(starts),
        first: range.start,
        total,
        on,
        peak_at: fires
            .then(|| piece_of(usize::from(sample.peak_position)))
            .flatten(),
        peak: sample.peak,
        dataset: context.place.dataset.clone(),
        record: context.place.record,
        pieces: pieces.into_iter().map(|(_, text)| text).collect(),
    }
}

fn cut(sample: &Sample, total: usize, extent: Extent) -> Range<usize> {
    match extent {
        Extent::Whole => 0..total,
        Extent::Around(tokens) => {
            let peak = usize::from(sample.peak_position).min(total);
            peak.saturating_sub(tokens)..total.min(peak + tokens + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Place;

    #[test]
    fn activations_stay_with_their_tokens() {
        // "€" is three bytes in two tokens.
        let words: [&[u8]; 4] = [b"a", &[0xe2, 0x82], &[0xac], b" b"];
        let words = Vocabulary::new(words.map(<[u8]>::to_vec).to_vec());
        let context = Context {
            id: 0,
            ordinal: 0,
            place: Place::default(),
            tokens: vec![0, 0, 0, 1, 2, 3, 0],
        };
        let sample = Sample {
            context: 0,
            peak_position: 4,
            peak: 3.0,
            activations: vec![(0, 0.5), (3, 1.0), (4, 3.0), (5, 2.0)],
        };
        let whole = shown(&sample, &context, &words, Extent::Whole);
        assert_eq!(whole.pieces, ["a", "a", "a", "€", " b", "a"]);
        assert_eq!(whole.on, [(0, 0.5), (3, 3.0), (4, 2.0)]);
        assert_eq!(whole.peak_at, Some(3));
        assert_eq!(whole.starts, Some(vec![0, 1, 2, 3, 5, 6]));
        let near = shown(&sample, &context, &words, Extent::Around(2));
        assert_eq!((near.first, near.total), (2, 7));
        assert_eq!(near.pieces, ["a", "€", " b", "a"]);
        assert_eq!(near.on, [(1, 3.0), (2, 2.0)]);
        assert_eq!(near.peak_at, Some(1));
    }

    #[test]
    fn places_outside_of_the_context_do_no_harm() {
        let context = Context {
            id: 0,
            ordinal: 0,
            place: Place::default(),
            tokens: vec![0, 7],
        };
        let sample = Sample {
            context: 0,
            peak_position: u16::MAX,
            peak: f32::NAN,
            activations: vec![(1, 1.0), (900, 2.0)],
        };
        let words = Vocabulary::new(vec![b"a".to_vec()]);
        for extent in [Extent::Whole, Extent::Around(10), Extent::Around(usize::MAX / 2)] {
            let shown = shown(&sample, &context, &words, extent);
            assert_eq!(shown.peak_at, None);
            assert!(shown.pieces.len() <= 2);
        }
    }
}
