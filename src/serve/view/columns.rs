//! The figures of all latents as columns of numbers, which pages filter, sort and draw.
//!
//! In binary: each column in the order of [`columns`] as 32-bit numbers, little-endian, one a latent; then the flags of
//! each latent as bits of a uint32, in the order of [`flags`].

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::findings::{Analysis, Flag, Latent, Scalars, Store};

/// So many latents fit: pages pack a latent's place beside its key when they sort.
const MOST: u32 = 1 << 21;

/// What a page has to know of a column.
#[derive(Clone, Debug, Serialize)]
pub(in crate::serve) struct Column {
    /// As filters and the address write it.
    name: String,
    /// As the head of the list shows it.
    title: String,
    /// What it is, in a sentence.
    about: &'static str,
    /// Its numbers: "f32" or "u32".
    kind: &'static str,
    /// How they are shown: "share" as a percentage, "number".
    form: &'static str,
}

/// One column that every analysis may have.
struct Figure {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    form: &'static str,
    of: Of,
}

enum Of {
    Count(fn(&Latent) -> u64),
    Number(fn(&Latent) -> Option<f64>),
}

/// The columns. To add one, a row here is enough.
static FIGURES: &[Figure] = &[
    Figure {
        name: "density",
        title: "density",
        about: "Share of the tokens on which the latent fires",
        form: "share",
        of: Of::Number(|latent| Some(latent.density)),
    },
    Figure {
        name: "max",
        title: "maximum",
        about: "The largest activation",
        form: "number",
        of: Of::Number(|latent| Some(latent.max)),
    },
    Figure {
        name: "mean",
        title: "mean",
        about: "The mean activation over the tokens on which the latent fires",
        form: "number",
        of: Of::Number(|latent| Some(latent.mean)),
    },
    Figure {
        name: "act_times",
        title: "tokens",
        about: "Tokens on which the latent fires",
        form: "number",
        of: Of::Count(|latent| latent.act_times),
    },
    Figure {
        name: "contexts",
        title: "contexts",
        about: "Contexts in which the latent fires",
        form: "number",
        of: Of::Count(|latent| latent.contexts),
    },
    Figure {
        name: "first_share",
        title: "first",
        about: "Share of the firings that are on the first token of a context",
        form: "share",
        of: Of::Number(|latent| Some(latent.first_share)),
    },
    Figure {
        name: "top_token_share",
        title: "top token",
        about: "Share of the firings that are on the token on which the latent fires most",
        form: "share",
        of: Of::Number(|latent| Some(latent.top_token_share)),
    },
    Figure {
        name: "nearest_cosine",
        title: "nearest",
        about: "The largest cosine of the latent's decoder row with another's",
        form: "number",
        of: Of::Number(|latent| latent.nearest_cosine),
    },
    Figure {
        name: "encoder_decoder",
        title: "enc·dec",
        about: "Cosine of the latent's encoder column and decoder row",
        form: "number",
        of: Of::Number(|latent| latent.encoder_decoder),
    },
    Figure {
        name: "encoder_norm",
        title: "‖enc‖",
        about: "Norm of the latent's encoder column",
        form: "number",
        of: Of::Number(|latent| latent.encoder_norm),
    },
    Figure {
        name: "decoder_norm",
        title: "‖dec‖",
        about: "Norm of the latent's decoder row",
        form: "number",
        of: Of::Number(|latent| latent.decoder_norm),
    },
    Figure {
        name: "logit_skew",
        title: "skew",
        about: "Skew of what the latent adds to the logits",
        form: "number",
        of: Of::Number(|latent| latent.logit_skew),
    },
    Figure {
        name: "logit_kurtosis",
        title: "kurtosis",
        about: "Kurtosis of what the latent adds to the logits; 3 for a normal distribution",
        form: "number",
        of: Of::Number(|latent| latent.logit_kurtosis),
    },
];

/// Returns how many latents pages show of an analysis.
///
/// # Errors
/// More than they can.
pub(in crate::serve) fn size(analysis: &Analysis) -> Result<usize> {
    if analysis.latents > MOST {
        return Err(Error::input(format!(
            "the analysis `{}` has {} latents, and the viewer shows at most {MOST}",
            analysis.name, analysis.latents
        )));
    }
    Ok(analysis.latents as usize)
}

/// Returns the columns of a store, in the order of their numbers.
///
/// # Errors
/// A damaged store.
pub(in crate::serve) fn columns(store: &Store) -> Result<Vec<Column>> {
    let figures = FIGURES.iter().map(|figure| Column {
        name: figure.name.to_string(),
        title: figure.title.to_string(),
        about: figure.about,
        kind: match figure.of {
            Of::Count(_) => "u32",
            Of::Number(_) => "f32",
        },
        form: figure.form,
    });
    let mut used = Vec::new();
    let metrics = store.metric_names()?.into_iter().map(|name| Column {
        name: metric_key(&name, &mut used),
        title: name,
        about: "A metric that somebody added",
        kind: "f32",
        form: "number",
    });
    Ok(figures.chain(metrics).collect())
}

/// A metric's name as filters can write it, unlike those that are `used`.
fn metric_key(name: &str, used: &mut Vec<String>) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    let plain = format!("metric.{}", name.chars().map(plain).collect::<String>());
    let numbered = (2..).map(|number| format!("{plain}_{number}"));
    let key = std::iter::once(plain.clone())
        .chain(numbered)
        .find(|key| !used.contains(key))
        .unwrap_or_default();
    used.push(key.clone());
    key
}

/// Returns the names of the flags, from the lowest bit: those of analyses, then whether there is a label and a bookmark.
pub(in crate::serve) fn flags() -> Vec<&'static str> {
    let own = Flag::ALL.map(Flag::name);
    own.into_iter().chain(["label", "bookmark"]).collect()
}

/// Returns the numbers of all columns and the flags.
///
/// # Errors
/// A damaged store; more latents than pages can show.
pub(in crate::serve) fn numbers(store: &Store, analysis: &Analysis) -> Result<Vec<u8>> {
    let size = size(analysis)?;
    let scalars = store.scalars(analysis.id)?;
    let metrics = store.metric_names()?;
    let mut bytes = Vec::with_capacity(4 * size * (FIGURES.len() + metrics.len() + 1));
    for figure in FIGURES {
        put_figure(&mut bytes, figure, &scalars, size);
    }
    for name in &metrics {
        let values: BTreeMap<u32, f64> = store.metric(name)?;
        let number = |latent: usize| {
            values
                .get(&(latent as u32))
                .map_or(f32::NAN, |value| *value as f32)
        };
        (0..size).for_each(|latent| bytes.extend(number(latent).to_le_bytes()));
    }
    put_flags(&mut bytes, store, &scalars, size)?;
    Ok(bytes)
}

/// Latents of which the analysis has no row yet, or whose figure was not computed, have NaN, or 0 where it is a count.
fn put_figure(bytes: &mut Vec<u8>, figure: &Figure, scalars: &Scalars, size: usize) {
    let start = bytes.len();
    let none = match figure.of {
        Of::Count(_) => 0u32.to_le_bytes(),
        Of::Number(_) => f32::NAN.to_le_bytes(),
    };
    (0..size).for_each(|_| bytes.extend(none));
    for latent in scalars {
        let word = match figure.of {
            Of::Count(of) => u32::try_from(of(latent)).unwrap_or(u32::MAX).to_le_bytes(),
            Of::Number(of) => of(latent).map_or(none, |value| (value as f32).to_le_bytes()),
        };
        let at = start + 4 * latent.latent as usize;
        if let Some(place) = bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&word);
        }
    }
}

fn put_flags(bytes: &mut Vec<u8>, store: &Store, scalars: &Scalars, size: usize) -> Result<()> {
    let mut words = vec![0u32; size];
    let own = Flag::ALL.len() as u32;
    for latent in scalars {
        if let Some(word) = words.get_mut(latent.latent as usize) {
            *word = latent.flags.0 & ((1 << own) - 1);
        }
    }
    let labelled = store.labels()?.into_keys();
    let marked = store.bookmarks()?.into_iter().map(|bookmark| bookmark.latent);
    let added = labelled
        .map(|latent| (latent, own))
        .chain(marked.map(|latent| (latent, own + 1)));
    for (latent, bit) in added {
        if let Some(word) = words.get_mut(latent as usize) {
            *word |= 1 << bit;
        }
    }
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    Ok(())
}
