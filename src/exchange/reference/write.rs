//! A store as records of the reference system.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::numbers::{Float, Short, Whole};
use super::record::{AnalysisRecord, Document, Interpretation, LogitsRecord, Sampling, TokenRecord};
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::exchange::files::{self, Existing, failed};
use crate::findings::{Analysis, Context, Latent, Sample, Store, Subsample, TokenLogit, Vocabulary};

/// Writes the records of one analysis, or of all, to the file `out`: a line a latent. Returns how many.
///
/// # Errors
/// The file is there already; contexts of which nobody knows the record; a damaged store; it cannot be written; `stop` was
/// set.
pub fn export_reference(
    store: &Store,
    analyses: &[Analysis],
    out: &Path,
    existing: Existing,
    stop: &StopFlag,
) -> Result<u32> {
    existing.admit([&out.to_path_buf()])?;
    let writer = Records::new(store, analyses)?;
    let latents = analyses
        .iter()
        .map(|analysis| analysis.latents)
        .max()
        .unwrap_or(0);
    files::write(out, |file| {
        for latent in 0..latents {
            if stop.is_set() {
                return Err(Error::interrupted("the export was stopped"));
            }
            let document = writer.document(latent)?;
            let line = serde_json::to_string(&document)
                .map_err(|error| Error::run(format!("latent {latent} cannot be written: {error}")))?;
            writeln!(file, "{line}").map_err(failed(out))?;
        }
        Ok(())
    })?;
    Ok(latents)
}

/// What records of all latents are made from.
struct Records<'a> {
    store: &'a Store,
    analyses: Vec<(&'a Analysis, Vec<Subsample>)>,
    vocabulary: Vocabulary,
    metrics: BTreeMap<String, BTreeMap<u32, f64>>,
    meta: BTreeMap<String, String>,
}

impl<'a> Records<'a> {
    fn new(store: &'a Store, analyses: &'a [Analysis]) -> Result<Self> {
        let rules = analyses
            .iter()
            .map(|analysis| Ok((analysis, store.subsamples(analysis.id)?)));
        let names = store.metric_names()?;
        let metrics = names.into_iter().map(|name| {
            let values = store.metric(&name)?;
            Ok((name, values))
        });
        Ok(Records {
            store,
            analyses: rules.collect::<Result<_>>()?,
            vocabulary: store.vocabulary()?,
            metrics: metrics.collect::<Result<_>>()?,
            meta: store.all_meta()?,
        })
    }

    fn document(&self, latent: u32) -> Result<Document> {
        let found = self.analyses.iter().filter_map(|(analysis, rules)| {
            match self.store.latent(analysis.id, latent) {
                Ok(figures) => Some(self.analysis(analysis, rules, figures?)),
                Err(error) => Some(Err(error)),
            }
        });
        let metric: BTreeMap<String, Float> = self
            .metrics
            .iter()
            .filter_map(|(name, values)| Some((name.clone(), Float(*values.get(&latent)?))))
            .collect();
        let label = self.store.label(latent)?;
        Ok(Document {
            sae_name: self.meta.get("dictionary.name").cloned(),
            sae_series: self.meta.get("dictionary.series").cloned(),
            index: Whole(u64::from(latent)),
            analyses: found.collect::<Result<_>>()?,
            logits: self.store.logits(latent)?.map(|logits| LogitsRecord {
                top_positive: self.tokens(&logits.top),
                top_negative: self.tokens(&logits.bottom),
            }),
            interpretation: label.map(|label| Interpretation { text: label.text }),
            metric: (!metric.is_empty()).then_some(metric),
        })
    }

    fn tokens(&self, tokens: &[TokenLogit]) -> Vec<TokenRecord> {
        let record = |one: &TokenLogit| TokenRecord {
            token: self.vocabulary.text(one.token),
            logit: Short(one.logit),
            token_id: Some(Whole(u64::from(one.token))),
        };
        tokens.iter().map(record).collect()
    }

    fn analysis(&self, analysis: &Analysis, rules: &[Subsample], figures: Latent) -> Result<AnalysisRecord> {
        let mut all = self.store.samples(analysis.id, figures.latent)?;
        let named = all
            .iter()
            .flat_map(|one| one.samples.iter().map(|sample| sample.context));
        let contexts = self.store.contexts(named.collect::<Vec<_>>())?;
        let samplings = rules.iter().map(|rule| {
            let at = all.iter().position(|one| one.subsample == rule.id);
            let samples = at.map(|at| std::mem::take(&mut all[at].samples));
            self.sampling(rule, &samples.unwrap_or_default(), &contexts)
        });
        let samplings = samplings.collect::<Result<_>>()?;
        let heads = self.store.heads(figures.latent)?;
        let short = |values: &[f32]| -> Vec<Short> { values.iter().map(|value| Short(*value)).collect() };
        let square = |values: &[f32], heads: usize| -> Vec<Vec<Short>> {
            values.chunks(heads.max(1)).map(short).collect()
        };
        Ok(AnalysisRecord {
            name: analysis.name.clone(),
            act_times: Whole(figures.act_times),
            n_analyzed_tokens: Some(Whole(analysis.counted)),
            max_feature_acts: Float(figures.max),
            samplings,
            decoder_norms: heads.as_ref().map(|heads| short(&heads.norms)),
            decoder_similarity_matrices: heads
                .as_ref()
                .map(|heads| square(&heads.cosines, heads.norms.len())),
            decoder_inner_product_matrices: heads
                .as_ref()
                .map(|heads| square(&heads.inner, heads.norms.len())),
        })
    }

    fn sampling(
        &self,
        rule: &Subsample,
        samples: &[Sample],
        contexts: &BTreeMap<u32, Context>,
    ) -> Result<Sampling> {
        let mut sampling = Sampling {
            name: rule.name.clone(),
            ..Sampling::default()
        };
        let (mut shards, mut of, mut names, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, sample) in samples.iter().enumerate() {
            let place = &contexts[&sample.context].place;
            let record = place.record.ok_or_else(|| {
                Error::input(
                    "the store does not know which records its contexts are of, and records name contexts so",
                )
                .hint("export it as jsonl, csv or parquet, which hold the tokens themselves")
            })?;
            let (shard, n_shards) = place.shard.unwrap_or((0, 1));
            sampling.context_idx.push(Whole(record));
            shards.push(Whole(u64::from(shard)));
            of.push(Whole(u64::from(n_shards)));
            names.extend(place.dataset.clone());
            starts.push(Whole(place.start.unwrap_or(0)));
            for (position, value) in &sample.activations {
                sampling.feature_acts_indices[0].push(Short(number as f32));
                sampling.feature_acts_indices[1].push(Short(f32::from(*position)));
                sampling.feature_acts_values.push(Short(*value));
            }
        }
        let model = self.meta.get("model.name");
        sampling.model_name = model.map(|model| vec![model.clone(); samples.len()]);
        sampling.dataset_name = (names.len() == samples.len()).then_some(names);
        sampling.start = starts.iter().any(|start| start.0 > 0).then_some(starts);
        (sampling.shard_idx, sampling.n_shards) = (Some(shards), Some(of));
        Ok(sampling)
    }
}
