//! Latents as lists show them: label, one line of the strongest context, and how activations are distributed.

use serde::Serialize;

use super::context::{Extent, Shown, shown};
use super::found::label_text;
use crate::error::{Error, Result};
use crate::serve::stores::Page;

/// The most rows at once.
const MOST: usize = 200;

/// Tokens on each side of the peak.
const AROUND: usize = 12;

/// One latent of a list.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::serve) struct Row {
    latent: u32,
    /// Why nothing is known of it, if so.
    trouble: Option<String>,
    label: Option<String>,
    context: Option<Shown>,
    histogram: Option<Vec<u32>>,
}

/// Returns the rows of `latents`.
///
/// # Errors
/// Too many at once; one that is not there.
pub(in crate::serve) fn rows(page: &mut Page<'_>, latents: &[u32]) -> Result<Vec<Row>> {
    if latents.len() > MOST {
        return Err(Error::input(format!(
            "{} rows were asked for, and at most {MOST} are given",
            latents.len()
        )));
    }
    if let Some(beyond) = latents.iter().find(|latent| **latent >= page.analysis.latents) {
        return Err(Error::input(format!("there is no latent {beyond}")));
    }
    let row = |latent: &u32| {
        // A list is shown also where one of its latents is damaged.
        row(page, *latent).unwrap_or_else(|error| Row {
            latent: *latent,
            trouble: Some(error.message().to_string()),
            ..Row::default()
        })
    };
    Ok(latents.iter().map(row).collect())
}

fn row(page: &mut Page<'_>, latent: u32) -> Result<Row> {
    let words = page.opened.vocabulary()?;
    let store = page.opened.store();
    let best = store.best_samples(page.analysis.id, latent)?;
    let context = match best.first() {
        Some(sample) => {
            let contexts = store.contexts([sample.context])?;
            Some(shown(
                sample,
                &contexts[&sample.context],
                &words,
                Extent::Around(AROUND),
            ))
        }
        None => None,
    };
    Ok(Row {
        latent,
        trouble: None,
        label: label_text(store, latent)?,
        context,
        histogram: store
            .histogram(page.analysis.id, latent)?
            .map(|histogram| histogram.linear),
    })
}
