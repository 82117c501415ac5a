//! Everything about one latent.

use std::collections::BTreeMap;

use serde::Serialize;

use super::context::{Extent, Shown, shown};
use super::found::{Marks, label_text, marks_of};
use crate::error::{Error, Result};
use crate::findings::{Label, Logits, Near, Subsample, TokenLogit, Vocabulary};
use crate::serve::stores::Page;

/// Tokens on each side of the peak that a page gets before it asks for whole contexts.
const AROUND: usize = 60;

/// What the page of a latent shows, besides the figures that it has from the columns.
#[derive(Clone, Debug, Serialize)]
pub(in crate::serve) struct LatentView {
    latent: u32,
    label: Option<LabelView>,
    history: Vec<LabelView>,
    bookmark: Option<Marks>,
    histogram: Option<Vec<u32>>,
    subsamples: Vec<Bin>,
    logits: Option<LogitsView>,
    tokens: Vec<TokenView>,
    neighbours: Vec<NearView>,
    norms: Option<Vec<f32>>,
    metrics: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Serialize)]
struct LabelView {
    text: String,
    source: String,
    model: Option<String>,
    created: String,
}

/// The contexts of one subsample, and which peaks they have.
#[derive(Clone, Debug, Serialize)]
struct Bin {
    name: String,
    kind: &'static str,
    /// Parts of the latent's maximum.
    low: f64,
    high: f64,
    contexts: Vec<Shown>,
}

#[derive(Clone, Debug, Serialize)]
struct LogitsView {
    top: Vec<(String, f32)>,
    bottom: Vec<(String, f32)>,
    low: f32,
    high: f32,
    histogram: Vec<u32>,
}

#[derive(Clone, Debug, Serialize)]
struct TokenView {
    token: String,
    count: u64,
    mean: f64,
}

#[derive(Clone, Debug, Serialize)]
struct NearView {
    kind: &'static str,
    /// Number, how near, label.
    latents: Vec<(u32, f32, Option<String>)>,
}

impl From<Label> for LabelView {
    fn from(label: Label) -> Self {
        LabelView {
            text: label.text,
            source: label.source,
            model: label.model,
            created: label.created,
        }
    }
}

/// Returns everything about `latent`; with `whole`, contexts from end to end.
///
/// # Errors
/// There is no such latent; a damaged store.
pub(in crate::serve) fn latent(page: &mut Page<'_>, latent: u32, whole: bool) -> Result<LatentView> {
    if latent >= page.analysis.latents {
        return Err(Error::input(format!(
            "there is no latent {latent}: the dictionary has {}, numbered from 0",
            page.analysis.latents
        )));
    }
    let words = page.opened.vocabulary()?;
    let id = page.analysis.id;
    let store = page.opened.store();
    let history = store.label_history(latent)?;
    let text = |token: u32| words.text(token);
    let tokens = store.tokens_of(id, latent)?.into_iter().map(|firing| TokenView {
        token: text(firing.token),
        count: firing.count,
        mean: firing.mean,
    });
    Ok(LatentView {
        latent,
        label: history
            .iter()
            .find(|label| label.current)
            .cloned()
            .map(LabelView::from),
        history: history.into_iter().map(LabelView::from).collect(),
        bookmark: marks_of(store, latent)?,
        histogram: store.histogram(id, latent)?.map(|histogram| histogram.linear),
        subsamples: bins(page, latent, &words, whole)?,
        logits: store.logits(latent)?.map(|logits| logits_view(logits, &words)),
        tokens: tokens.collect(),
        neighbours: neighbours(page, latent)?,
        norms: store.heads(latent)?.map(|heads| heads.norms),
        metrics: store.metrics_of(latent)?,
    })
}

fn bins(page: &Page<'_>, latent: u32, words: &Vocabulary, whole: bool) -> Result<Vec<Bin>> {
    let store = page.opened.store();
    let rules = store.subsamples(page.analysis.id)?;
    let found = store.samples(page.analysis.id, latent)?;
    let named = found.iter().flat_map(|samples| &samples.samples);
    let contexts = store.contexts(named.map(|sample| sample.context))?;
    let extent = if whole {
        Extent::Whole
    } else {
        Extent::Around(AROUND)
    };
    let bin = |rule: Subsample| {
        let samples = found.iter().find(|samples| samples.subsample == rule.id);
        let samples = samples
            .map(|samples| samples.samples.as_slice())
            .unwrap_or_default();
        Bin {
            name: rule.name,
            kind: rule.kind.name(),
            low: rule.min_proportion,
            high: rule.proportion,
            contexts: samples
                .iter()
                .map(|sample| shown(sample, &contexts[&sample.context], words, extent))
                .collect(),
        }
    };
    Ok(rules.into_iter().map(bin).collect())
}

fn logits_view(logits: Logits, words: &Vocabulary) -> LogitsView {
    let named = |tokens: Vec<TokenLogit>| {
        tokens
            .into_iter()
            .map(|one| (words.text(one.token), one.logit))
            .collect()
    };
    LogitsView {
        top: named(logits.top),
        bottom: named(logits.bottom),
        low: logits.range.0,
        high: logits.range.1,
        histogram: logits.histogram,
    }
}

fn neighbours(page: &Page<'_>, latent: u32) -> Result<Vec<NearView>> {
    let store = page.opened.store();
    let mut views = Vec::new();
    for near in Near::ALL {
        let mut latents = Vec::new();
        for one in store.neighbours(page.analysis.id, latent, near)? {
            latents.push((one.latent, one.value, label_text(store, one.latent)?));
        }
        views.push(NearView {
            kind: near.name(),
            latents,
        });
    }
    Ok(views)
}
