//! A subsample's record and the samples of a store.

use std::collections::BTreeMap;

use super::numbers::{Short, Whole};
use super::place::RecordPlace;
use super::record::Sampling;
use crate::error::{Error, Result};
use crate::findings::{Sample, Subsample, SubsampleKind};

/// Positions in a context are kept in 16 bits.
const POSITIONS: f32 = 65_536.0;

/// Returns which records the contexts of a subsample are, in the order of its samples.
///
/// # Errors
/// Lists of different lengths; contexts that begin within a record.
pub(super) fn places(sampling: &Sampling) -> Result<Vec<RecordPlace>> {
    let n = sampling.context_idx.len();
    let lengths = [
        ("shard_idx", sampling.shard_idx.as_ref().map(Vec::len)),
        ("n_shards", sampling.n_shards.as_ref().map(Vec::len)),
        ("dataset_name", sampling.dataset_name.as_ref().map(Vec::len)),
        ("start", sampling.start.as_ref().map(Vec::len)),
    ];
    for (name, length) in lengths {
        if let Some(length) = length.filter(|length| *length != n) {
            return Err(Error::input(format!(
                "`context_idx` has {n} entries, but `{name}` has {length}"
            )));
        }
    }
    if sampling.start.iter().flatten().any(|start| start.0 > 0) {
        return Err(Error::input(
            "contexts begin within their records: texts were packed, and cannot be packed alike again",
        )
        .hint("keep the store itself; records only name whole texts"));
    }
    let whole = |list: &Option<Vec<Whole>>, at: usize, default: u64| {
        let number = list.as_ref().map_or(default, |list| list[at].0);
        u32::try_from(number).map_err(|_| Error::input(format!("{number} is no number of a shard")))
    };
    let each = (0..n).map(|at| {
        let (shard, shards) = (
            whole(&sampling.shard_idx, at, 0)?,
            whole(&sampling.n_shards, at, 1)?,
        );
        if shard >= shards {
            return Err(Error::input(format!(
                "there is no shard {shard} of {shards}, from 0"
            )));
        }
        Ok(RecordPlace {
            dataset: sampling.dataset_name.as_ref().map(|names| names[at].clone()),
            shard,
            shards,
            record: sampling.context_idx[at].0,
        })
    });
    each.collect()
}

/// Returns positions and activations by sample, each by position.
///
/// # Errors
/// Lists of different lengths, activations of samples or at positions that there are not, NaN and the infinities.
pub(super) fn activations(sampling: &Sampling) -> Result<Vec<Vec<(u16, f32)>>> {
    let [samples, positions] = &sampling.feature_acts_indices;
    let values = &sampling.feature_acts_values;
    if samples.len() != values.len() || positions.len() != values.len() {
        return Err(Error::input(format!(
            "`feature_acts_values` has {} entries, but `feature_acts_indices` has {} and {}",
            values.len(),
            samples.len(),
            positions.len()
        )));
    }
    let mut all = vec![BTreeMap::new(); sampling.context_idx.len()];
    for ((Short(sample), Short(position)), Short(value)) in samples.iter().zip(positions).zip(values) {
        let is_whole = |number: f32| number.fract() == 0.0 && number >= 0.0;
        if !is_whole(*sample) || *sample >= all.len() as f32 {
            return Err(Error::input(format!(
                "an activation is of sample {sample}, but there are {} from 0",
                all.len()
            )));
        }
        if !is_whole(*position) || *position >= POSITIONS {
            return Err(Error::input(format!(
                "an activation is at position {position}: expected a whole number below {POSITIONS}"
            )));
        }
        if !value.is_finite() {
            return Err(Error::input(format!(
                "the activation at position {position} of sample {sample} is {value}"
            ))
            .hint("a store holds finite activations: analyse the dictionary again"));
        }
        if all[*sample as usize].insert(*position as u16, *value).is_some() {
            return Err(Error::input(format!(
                "position {position} of sample {sample} is there twice"
            )));
        }
    }
    Ok(all
        .into_iter()
        .map(|sample| sample.into_iter().collect())
        .collect())
}

/// Returns the samples; `context` gives the store's number of a record.
///
/// # Errors
/// As [`places`] and [`activations`].
pub(super) fn samples(sampling: &Sampling, context: impl Fn(&RecordPlace) -> u32) -> Result<Vec<Sample>> {
    let of_records = places(sampling)?.into_iter().zip(activations(sampling)?);
    let sample = |(place, activations): (RecordPlace, Vec<(u16, f32)>)| {
        let mut peak = (0, 0.0);
        for (position, value) in &activations {
            if *value > peak.1 {
                peak = (*position, *value);
            }
        }
        Sample {
            context: context(&place),
            peak_position: peak.0,
            peak: peak.1,
            activations,
        }
    };
    Ok(of_records.map(sample).collect())
}

/// Returns the rule that a subsample's name tells of, with at most `n_samples` contexts: records have only names.
pub(super) fn rule(id: u32, name: &str, n_samples: u32) -> Subsample {
    let percent = |text: &str| {
        text.trim_end_matches('%')
            .parse::<f64>()
            .ok()
            .map(|part| part / 100.0)
    };
    let (mut kind, mut low, mut high) = (SubsampleKind::Top, 0.0, 1.0);
    if name == "silent" {
        kind = SubsampleKind::Silent;
    } else if name == "non_activating" {
        high = 0.3;
    } else if let Some(part) = name.strip_prefix("subsampling_").and_then(percent) {
        high = part;
    } else if let Some((from, to)) = name.split_once("_to_")
        && let (Some(from), Some(to)) = (percent(from), percent(to))
    {
        (kind, low, high) = (SubsampleKind::Uniform, from, to);
    }
    if !(low >= 0.0 && low < high && high <= 1.0) {
        (low, high) = (0.0, 1.0);
    }
    Subsample {
        id,
        name: name.into(),
        kind,
        min_proportion: low,
        proportion: high,
        n_samples,
        hard: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_by_names() {
        let told = |name: &str| {
            let rule = rule(0, name, 5);
            (rule.kind, rule.min_proportion, rule.proportion)
        };
        assert_eq!(told("top_activations"), (SubsampleKind::Top, 0.0, 1.0));
        assert_eq!(told("subsampling_80%"), (SubsampleKind::Top, 0.0, 0.8));
        assert_eq!(told("non_activating"), (SubsampleKind::Top, 0.0, 0.3));
        assert_eq!(told("20_to_40%"), (SubsampleKind::Uniform, 0.2, 0.4));
        assert_eq!(told("silent").0, SubsampleKind::Silent);
        assert_eq!(told("900_to_40%").2, 1.0, "of no sense");
    }
}
