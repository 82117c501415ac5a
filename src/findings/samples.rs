//! The samples of a latent: contexts, and where in them it fires how strongly.

use super::analyses::Subsample;
use super::blobs::{Reader, Writer};
use super::failure::broken;
use super::store::Store;
use crate::error::{Error, Result};

/// One context that was kept of a latent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The context, by its number in the store.
    pub context: u32,
    /// The position of its largest activation; 0 where it is silent.
    pub peak_position: u16,
    /// That activation; 0 where it is silent.
    pub peak: f32,
    /// Positions and activations of all tokens on which the latent fires, by position.
    pub activations: Vec<(u16, f32)>,
}

/// The samples of one subsample: the best first of the kind "top", others in the order in which they were drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// The subsample's number in its analysis.
    pub subsample: u32,
    /// The contexts.
    pub samples: Vec<Sample>,
}

/// Returns `samples` as the store has them.
///
/// # Errors
/// One with more activations than can be counted in 16 bits.
pub(super) fn encode(samples: &[Sample], compact: bool) -> Result<Vec<u8>> {
    let entries: usize = samples.iter().map(|sample| sample.activations.len()).sum();
    let mut writer = Writer::with_capacity(12 * samples.len() + 6 * entries);
    for sample in samples {
        writer.u32(sample.context);
        writer.u16(sample.peak_position);
        let count = sample.activations.len();
        writer.u16(u16::try_from(count).map_err(|_| {
            Error::input(format!(
                "a sample has {count} activations, and a store holds 65,535 of a context"
            ))
            .hint("analyse shorter contexts")
        })?);
        writer.f32(sample.peak);
    }
    let all = || samples.iter().flat_map(|sample| &sample.activations);
    all().for_each(|(position, _)| writer.u16(*position));
    for (_, value) in all() {
        if compact {
            writer.f16(*value);
        } else {
            writer.f32(*value);
        }
    }
    Ok(writer.done())
}

/// Returns the `n` samples in `data`; `None` if it does not hold them.
pub(super) fn decode(data: &[u8], n: usize, compact: bool) -> Option<Vec<Sample>> {
    let mut reader = Reader::new(data);
    let mut samples = Vec::with_capacity(n.min(data.len() / 12));
    let mut counts = Vec::with_capacity(samples.capacity());
    for _ in 0..n {
        let (context, peak_position, count) = (reader.u32()?, reader.u16()?, reader.u16()?);
        samples.push(Sample {
            context,
            peak_position,
            peak: reader.f32()?,
            activations: Vec::with_capacity(usize::from(count)),
        });
        counts.push(usize::from(count));
    }
    let pairs = |samples: &mut Vec<Sample>, read: &mut dyn FnMut(&mut Sample, usize) -> Option<()>| {
        for (sample, count) in samples.iter_mut().zip(&counts) {
            (0..*count).try_for_each(|index| read(sample, index))?;
        }
        Some(())
    };
    pairs(&mut samples, &mut |sample, _| {
        sample.activations.push((reader.u16()?, 0.0));
        Some(())
    })?;
    pairs(&mut samples, &mut |sample, index| {
        let value = if compact { reader.f16()? } else { reader.f32()? };
        sample.activations.get_mut(index)?.1 = value;
        Some(())
    })?;
    reader.is_empty().then_some(samples)
}

impl Store {
    /// Returns the samples of a latent, a list for each subsample that has any, in the order of the settings.
    ///
    /// # Errors
    /// A damaged store.
    pub fn samples(&self, analysis: i64, latent: u32) -> Result<Vec<Samples>> {
        let query = "SELECT sample.subsample, sample.n, sample.data, analysis.compact FROM sample \
                     JOIN analysis ON analysis.id = sample.analysis \
                     WHERE sample.analysis = ? AND sample.latent = ? ORDER BY sample.subsample";
        let rows = self.rows(query, (analysis, latent), |row| {
            let data: Vec<u8> = row.get(2)?;
            Ok((
                row.get::<_, u32>(0)?,
                decode(&data, row.get::<_, u32>(1)? as usize, row.get(3)?),
            ))
        })?;
        let read = rows.into_iter().map(|(subsample, samples)| {
            let samples = samples.ok_or_else(|| broken(self.path(), "the samples of a latent"))?;
            Ok(Samples { subsample, samples })
        });
        read.collect()
    }

    /// Returns the samples of a latent that show best what it fires on, largest peak first: of the first rule of
    /// [`Subsample::strongest_first`] that has any.
    ///
    /// # Errors
    /// A damaged store.
    pub fn best_samples(&self, analysis: i64, latent: u32) -> Result<Vec<Sample>> {
        let order = Subsample::strongest_first(&self.subsamples(analysis)?);
        let mut all = self.samples(analysis, latent)?;
        all.sort_by_key(|samples| order.iter().position(|rule| *rule == samples.subsample));
        let best = all
            .into_iter()
            .find(|samples| order.contains(&samples.subsample) && !samples.samples.is_empty());
        let mut best = best.map_or_else(Vec::new, |samples| samples.samples);
        best.sort_by(|a, b| b.peak.total_cmp(&a.peak));
        Ok(best)
    }

    /// Writes the samples of a latent in one subsample.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_samples(&self, analysis: i64, latent: u32, samples: &Samples, compact: bool) -> Result<()> {
        let data = encode(&samples.samples, compact)?;
        self.change(
            "INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?)",
            (
                analysis,
                latent,
                samples.subsample,
                samples.samples.len() as u32,
                data,
            ),
        )
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_as_they_were_written() {
        let samples = [
            Sample {
                context: 70_000,
                peak_position: 3,
                peak: 2.5,
                activations: vec![(1, 0.5), (3, 2.5)],
            },
            Sample {
                context: 7,
                ..Sample::default()
            },
        ];
        for compact in [false, true] {
            let data = encode(&samples, compact).expect("written");
            assert_eq!(data.len(), 2 * 12 + 2 * if compact { 4 } else { 6 });
            assert_eq!(decode(&data, 2, compact).expect("read"), samples);
            assert_eq!(decode(&data, 3, compact), None, "too few");
            assert_eq!(decode(&data[..data.len() - 1], 2, compact), None, "cut off");
            assert_eq!(decode(&[&data[..], &[0]].concat(), 2, compact), None, "surplus");
        }
    }

    #[test]
    fn as_many_activations_are_written_as_can_be_counted() {
        let firing = |count: u32| Sample {
            activations: (0..count).map(|at| (at as u16, 1.0)).collect(),
            ..Sample::default()
        };
        let most = [firing(65_535)];
        let data = encode(&most, true).expect("written");
        assert_eq!(decode(&data, 1, true).expect("read"), most);
        let said = encode(&[firing(65_536)], true).expect_err("refused").to_string();
        assert!(said.contains("65536 activations"), "{said}");
    }
}
