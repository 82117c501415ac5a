//! A latent as text for a terminal: what it is called, its figures, where it fires, what it does and what is near.

mod options;
mod summary;
mod tokens;

use std::fmt::Write as _;

pub use self::options::{Colours, Printing};
pub use self::summary::{AnalysisSummary, StoreSummary};
use self::tokens::{line, word};
use super::{Analysis, Flags, Label, Latent, Logits, Near, Samples, Store, Subsample, Vocabulary};
use crate::error::{Error, Result};

/// Everything that is printed of a latent.
struct Facts {
    figures: Latent,
    label: Option<Label>,
    tags: Vec<String>,
    bookmarked: bool,
    rules: Vec<Subsample>,
    samples: Vec<Samples>,
    logits: Option<Logits>,
    words: Vocabulary,
}

impl Store {
    /// Returns a latent of an analysis as text. Texts of the store have no control characters in it.
    ///
    /// # Errors
    /// There is no such latent; a damaged store.
    pub fn printed(&self, analysis: &Analysis, latent: u32, printing: &Printing) -> Result<String> {
        let figures = self.latent(analysis.id, latent)?.ok_or_else(|| {
            let last = analysis.latents.saturating_sub(1);
            Error::input(format!("the analysis `{}` has no latent {latent}", analysis.name))
                .hint(format!("latents are numbered from 0 to {last}"))
        })?;
        let marks = self.bookmarks()?.into_iter().filter(|mark| mark.latent == latent);
        let marks: Vec<String> = marks.map(|mark| mark.tag).collect();
        let facts = Facts {
            figures,
            label: self.label(latent)?,
            bookmarked: !marks.is_empty(),
            tags: marks.into_iter().filter(|tag| !tag.is_empty()).collect(),
            rules: self.subsamples(analysis.id)?,
            samples: self.samples(analysis.id, latent)?,
            logits: self.logits(latent)?,
            words: self.vocabulary()?,
        };
        let mut text = head(&facts);
        if let Some(histogram) = self.histogram(analysis.id, latent)? {
            let bars = sparkline(&histogram.linear);
            let _ = writeln!(text, "activations  0 {bars} {}", number(facts.figures.max));
        }
        self.put_contexts_of(&mut text, &facts, printing)?;
        put_logits(&mut text, &facts);
        self.put_rest(&mut text, analysis, &facts)?;
        for estimate in analysis.estimates() {
            let _ = writeln!(text, "\n{estimate}");
        }
        Ok(text.trim_end().to_string())
    }

    fn put_contexts_of(&self, text: &mut String, facts: &Facts, printing: &Printing) -> Result<()> {
        for rule in &facts.rules {
            let own = facts.samples.iter().find(|samples| samples.subsample == rule.id);
            let own = own.map(|samples| samples.samples.as_slice()).unwrap_or_default();
            let shown = &own[..own.len().min(printing.samples)];
            if shown.is_empty() {
                continue;
            }
            let _ = writeln!(text, "\n{}", word(&rule.name.replace('_', " ")));
            let contexts = self.contexts(shown.iter().map(|sample| sample.context))?;
            for sample in shown {
                let tokens = &contexts[&sample.context].tokens;
                let line = line(sample, tokens, &facts.words, facts.figures.max, printing);
                let _ = writeln!(text, "{:>9}  {line}", number(f64::from(sample.peak)));
            }
        }
        Ok(())
    }

    fn put_rest(&self, text: &mut String, analysis: &Analysis, facts: &Facts) -> Result<()> {
        let latent = facts.figures.latent;
        let tokens = self.tokens_of(analysis.id, latent)?;
        if !tokens.is_empty() {
            let tokens = tokens
                .iter()
                .map(|one| format!("{} {}", word(&facts.words.text(one.token)), one.count));
            let _ = writeln!(text, "fires on  {}", tokens.collect::<Vec<_>>().join("   "));
        }
        for near in Near::ALL {
            let mut shown = Vec::new();
            for one in self.neighbours(analysis.id, latent, near)?.iter().take(5) {
                let label = self
                    .label(one.latent)?
                    .map(|label| format!(" {}", word(&label.text)));
                let value = number(f64::from(one.value));
                shown.push(format!("{} ({value}){}", one.latent, label.unwrap_or_default()));
            }
            if !shown.is_empty() {
                let _ = writeln!(text, "near by {:<8}  {}", near.name(), shown.join("   "));
            }
        }
        Ok(())
    }
}

fn head(facts: &Facts) -> String {
    let figures = &facts.figures;
    let label = facts
        .label
        .as_ref()
        .map(|label| format!("  {}", word(&label.text)));
    let star = if facts.bookmarked { "  ★" } else { "" };
    let tags: String = facts.tags.iter().map(|tag| format!(" #{}", word(tag))).collect();
    let flags: Vec<&str> = Flags(figures.flags.0).names().collect();
    let flags = if flags.is_empty() {
        String::new()
    } else {
        format!("  [{}]", flags.join(", "))
    };
    let mut text = format!(
        "latent {}{}{star}{tags}{flags}\n",
        figures.latent,
        label.unwrap_or_default()
    );
    let _ = writeln!(
        text,
        "density {}%  maximum {}  mean {}  fires on {} tokens in {} contexts",
        number(100.0 * figures.density),
        number(figures.max),
        number(figures.mean),
        figures.act_times,
        figures.contexts
    );
    text
}

fn put_logits(text: &mut String, facts: &Facts) {
    let Some(logits) = &facts.logits else { return };
    text.push('\n');
    for (name, tokens) in [("raises", &logits.top), ("lowers", &logits.bottom)] {
        let named = tokens
            .iter()
            .map(|one| format!("{} {:+.2}", word(&facts.words.text(one.token)), one.logit));
        let _ = writeln!(text, "{name:<8}  {}", named.collect::<Vec<_>>().join("   "));
    }
}

/// Returns a number with three digits that count.
fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value == 0.0 => "0".into(),
        _ if !(1e-3..1e6).contains(&size) => format!("{value:.2e}"),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns half as many bars as there are counts, their heights by square roots.
fn sparkline(counts: &[u32]) -> String {
    let sums: Vec<f64> = counts
        .chunks(2)
        .map(|pair| pair.iter().map(|count| f64::from(*count)).sum())
        .collect();
    let most = sums.iter().copied().fold(0.0, f64::max).sqrt();
    let bar = |sum: &f64| match *sum {
        0.0 => ' ',
        sum => BARS[((sum.sqrt() / most * 8.0) as usize).min(BARS.len() - 1)],
    };
    sums.iter().map(bar).collect()
}
