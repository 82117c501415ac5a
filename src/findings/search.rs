//! Finding latents by words: in labels, in the tokens they fire on, in the texts around their peaks.

use std::collections::BTreeMap;

use super::latents::Latent;
use super::store::Store;
use super::vocabulary::Vocabulary;
use crate::error::Result;

/// A latent that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number.
    pub latent: u32,
    /// How well it fits; larger is better.
    pub score: f64,
}

/// What is searched of a latent besides its label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatentText {
    /// The texts of the tokens it fires on most.
    pub tokens: String,
    /// Texts around its peaks.
    pub texts: String,
}

/// Samples whose texts are searched, and tokens on each side of their peaks.
const SAMPLES: usize = 5;
const AROUND: usize = 10;

impl LatentText {
    /// Returns the texts by which a latent is found: of the `tokens` on which it fires most, and around the peaks of its
    /// `best` samples, each a context's tokens and the peak's position.
    pub fn new<'c>(
        vocabulary: &Vocabulary,
        tokens: impl IntoIterator<Item = u32>,
        best: impl IntoIterator<Item = (&'c [u32], u16)>,
    ) -> LatentText {
        if vocabulary.is_empty() {
            return LatentText::default();
        }
        let tokens: Vec<String> = tokens.into_iter().map(|token| vocabulary.text(token)).collect();
        let texts = best.into_iter().take(SAMPLES).filter_map(|(tokens, peak)| {
            let peak = usize::from(peak);
            let around = tokens.get(peak.saturating_sub(AROUND)..tokens.len().min(peak + AROUND + 1))?;
            let pieces = vocabulary.pieces(around).into_iter().map(|(_, text)| text);
            Some(pieces.collect::<String>())
        });
        LatentText {
            texts: texts.collect::<Vec<_>>().join("\n"),
            tokens: tokens.join(" "),
        }
    }

    /// Returns the texts of a latent whose tokens and samples the store has.
    ///
    /// # Errors
    /// A damaged store.
    pub fn of_latent(
        (store, analysis): (&Store, i64),
        one: &Latent,
        vocabulary: &Vocabulary,
    ) -> Result<LatentText> {
        if one.act_times == 0 || vocabulary.is_empty() {
            return Ok(LatentText::default());
        }
        let tokens = store.tokens_of(analysis, one.latent)?.into_iter();
        let mut best = store.best_samples(analysis, one.latent)?;
        best.truncate(SAMPLES);
        let contexts = store.contexts(best.iter().map(|sample| sample.context))?;
        let best = best.iter().filter_map(|sample| {
            let context = contexts.get(&sample.context)?;
            Some((context.tokens.as_slice(), sample.peak_position))
        });
        Ok(LatentText::new(
            vocabulary,
            tokens.map(|firing| firing.token),
            best,
        ))
    }
}

/// What a label that fits counts before all else, and what a word counts in tokens and in texts.
const LABEL: f64 = 100.0;
const TOKENS: f64 = 4.0;
const TEXTS: f64 = 1.0;

/// Returns the words of `query` as FTS5 takes them: each in quotes, the last one also as the beginning of a word.
fn expression(query: &str, between: &str) -> Option<String> {
    let words: Vec<String> = query
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| format!("{}*", words.join(between)))
}

impl Store {
    /// Returns at most `limit` latents of an analysis whose label, tokens or texts have the words of `query`, best first.
    /// Latents that have all words come before those that have some.
    ///
    /// # Errors
    /// A damaged store.
    pub fn search(&self, analysis: i64, query: &str, limit: usize) -> Result<Vec<Hit>> {
        let mut scores: BTreeMap<u32, f64> = BTreeMap::new();
        for (between, weight) in [(" AND ", 10.0), (" OR ", 1.0)] {
            let Some(expression) = expression(query, between) else {
                return Ok(Vec::new());
            };
            for (latent, score) in self.matches(analysis, &expression, limit)? {
                *scores.entry(latent).or_default() += weight * score;
            }
            if scores.len() >= limit {
                break;
            }
        }
        let mut hits: Vec<Hit> = scores
            .into_iter()
            .map(|(latent, score)| Hit { latent, score })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.latent.cmp(&b.latent)));
        hits.truncate(limit);
        Ok(hits)
    }

    fn matches(&self, analysis: i64, expression: &str, limit: usize) -> Result<Vec<(u32, f64)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query =
            "SELECT rowid, bm25(label_text) FROM label_text WHERE label_text MATCH ? ORDER BY 2 LIMIT ?";
        let labels = self.rows(query, (expression, limit), |row| {
            Ok((row.get::<_, i64>(0)? as u32, LABEL - row.get::<_, f64>(1)?))
        })?;
        let first = analysis << 32;
        let query = format!(
            "SELECT rowid, bm25(latent_text, {TOKENS}, {TEXTS}) FROM latent_text \
             WHERE latent_text MATCH ? AND rowid >= ? AND rowid < ? ORDER BY 2 LIMIT ?"
        );
        let texts = self.rows(&query, (expression, first, first + (1 << 32), limit), |row| {
            Ok(((row.get::<_, i64>(0)? - first) as u32, -row.get::<_, f64>(1)?))
        })?;
        Ok(labels.into_iter().chain(texts).collect())
    }

    /// Writes what is searched of a latent.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_text(&self, analysis: i64, latent: u32, text: &LatentText) -> Result<()> {
        let row = (analysis << 32) | i64::from(latent);
        self.change("DELETE FROM latent_text WHERE rowid = ?", [row])?;
        self.change(
            "INSERT INTO latent_text (rowid, tokens, texts) VALUES (?, ?, ?)",
            (row, &text.tokens, &text.texts),
        )
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_count_more_than_tokens_and_tokens_more_than_texts() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::create(folder.path().join("a.sqlite"), &BTreeMap::new()).expect("made");
        let id = store.begin_analysis("default", "{}", 8, false).expect("begun");
        let text = |tokens: &str, texts: &str| LatentText {
            tokens: tokens.into(),
            texts: texts.into(),
        };
        let filler = "the cat sat on the mat and looked at the wall";
        store.put_text(id, 0, &text("June", filler)).expect("put");
        store
            .put_text(id, 1, &text("cat", "in June the cat sat on the mat"))
            .expect("put");
        for latent in 2..8 {
            store.put_text(id, latent, &text("wall", filler)).expect("put");
        }
        store
            .set_label(5, "months: June, July", "user")
            .expect("labelled");
        let found = |query: &str| -> Vec<u32> {
            let hits = store.search(id, query, 10).expect("searched");
            hits.into_iter().map(|hit| hit.latent).collect()
        };
        assert_eq!(found("june"), [5, 0, 1]);
        assert_eq!(found("mon"), [5], "the beginning of a word");
        assert_eq!(found("July \"; DROP (*"), [5], "signs are no syntax");
        assert_eq!(found("…"), [] as [u32; 0]);
        store.set_label(5, "", "user").expect("taken away");
        assert_eq!(found("June")[0], 0);
        assert_eq!(store.label_history(5).expect("read").len(), 1);
    }
}
