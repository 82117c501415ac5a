//! Encoders and rows to screen, and what a full computation selects of them.

use super::*;
use crate::kernels::rescore::products;

/// Random numbers that are the same each time.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Returns about a normal number.
    fn normal(&mut self) -> f32 {
        (0..6)
            .map(|_| (self.next() % (1 << 20)) as f32 / (1 << 20) as f32 - 0.5)
            .sum::<f32>()
            * 1.4
    }

    pub fn normals(&mut self, count: usize, deviation: f32) -> Vec<f32> {
        (0..count).map(|_| self.normal() * deviation).collect()
    }
}

/// An encoder and rows.
#[derive(Clone)]
pub struct Case {
    pub width: usize,
    pub x: Vec<f32>,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub factor: Option<Vec<f32>>,
}

impl Case {
    pub fn random(random: &mut Random, rows: usize, width: usize, latents: usize) -> Case {
        let factor = (0..latents).map(|_| {
            if random.below(9) == 0 {
                0.0
            } else {
                random.normal().abs()
            }
        });
        let factor = factor.collect();
        Case {
            width,
            x: random.normals(rows * width, 1.0),
            weight: random.normals(latents * width, 0.5),
            bias: random.normals(latents, 0.3),
            factor: (random.below(2) == 0).then_some(factor),
        }
    }

    pub fn rows(&self) -> usize {
        self.x.len() / self.width
    }

    pub fn encoder(&self) -> Encoder<'_> {
        let Case {
            width,
            weight,
            bias,
            factor,
            ..
        } = self;
        Encoder {
            width: *width,
            weight,
            bias,
            factor: factor.as_deref(),
        }
    }

    /// Checks several selections with each set of instructions.
    pub fn check(&self, screen: &mut Screen, what: &str) {
        let latents = self.bias.len();
        let scale = self.scale();
        for isa in Isa::ALL.into_iter().filter(|&isa| isa <= Isa::best()) {
            for count in [1, 7, latents / 2, latents, latents + 3] {
                self.check_one(isa, screen, Keep::Largest(count), what);
                self.check_one(isa, screen, Keep::Batch(count * self.rows()), what);
            }
            for count in [0, 1, 5 * self.rows() + 1] {
                self.check_one(isa, screen, Keep::Batch(count), what);
            }
            for bound in [0.0, 0.5 * scale, scale, 2.0 * scale, f32::INFINITY] {
                let bounds = (0..latents)
                    .map(|at| if at % 3 == 0 { 0.0 } else { bound })
                    .collect::<Vec<_>>();
                self.check_one(isa, screen, Keep::Above(&bounds), what);
                let spans = (0..latents)
                    .map(|at| scale * (at % 4) as f32 / 2.0)
                    .collect::<Vec<_>>();
                self.check_between(isa, screen, (&bounds, &spans), what);
            }
        }
    }

    /// Returns about how large pre-activations are.
    fn scale(&self) -> f32 {
        let size = |values: &[f32]| {
            let finite = values
                .iter()
                .filter(|value| value.is_finite())
                .map(|&value| f64::from(value));
            (finite.map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
        };
        (size(&self.x) * size(&self.weight) * (self.width as f64).sqrt()).min(1e38) as f32
    }

    /// Checks that what is listed with a number and without is what is above the bounds, that what stands without a number
    /// is within the span. Returns how many are, and how many of them have no number.
    pub fn check_between(
        &self,
        isa: Isa,
        screen: &mut Screen,
        (bounds, spans): (&[f32], &[f32]),
        what: &str,
    ) -> (usize, usize) {
        let encoder = self.encoder();
        let keep = Keep::Between { bounds, spans };
        let above = expected(isa, &self.x, &encoder, keep);
        let mut rows = Rows::default();
        screen.encode_with(isa, &self.x, &encoder, keep, &mut rows);
        let (mut within, mut found) = (0, 0);
        for row in 0..self.rows() {
            let mut listed = rows.bare.row(row);
            let bare = listed.clone();
            listed.extend(&rows.index[rows.offsets[row]..rows.offsets[row + 1]]);
            listed.sort_unstable();
            let all = above.offsets[row]..above.offsets[row + 1];
            assert_eq!(listed, above.index[all.clone()], "{what}, {isa:?}, row {row}");
            for (latent, value) in above.index[all.clone()].iter().zip(&above.value[all]) {
                let at = *latent as usize;
                let over = encoder.score(*latent, *value) - bounds[at];
                let is_bare = bare.contains(latent);
                assert!(
                    !is_bare || over < spans[at],
                    "{what}, {isa:?}, row {row}, latent {latent}"
                );
                within += usize::from(over < spans[at]);
                found += usize::from(is_bare);
            }
        }
        (within, found)
    }

    pub fn check_one(&self, isa: Isa, screen: &mut Screen, keep: Keep, what: &str) {
        let mut rows = Rows::default();
        let expected = expected(isa, &self.x, &self.encoder(), keep);
        for time in 0..2 {
            let counts = screen.encode_with(isa, &self.x, &self.encoder(), keep, &mut rows);
            assert_eq!(counts.rows, self.rows());
            let keep = if let Keep::Above(_) = keep {
                "above".to_string()
            } else {
                format!("{keep:?}")
            };
            let bits = |rows: &Rows| rows.value.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let equal = rows.offsets == expected.offsets
                && rows.index == expected.index
                && bits(&rows) == bits(&expected);
            assert!(
                equal,
                "{what}, {isa:?}, {keep}, time {time}:\n{rows:?}\n{expected:?}"
            );
        }
    }
}

/// Returns what the full computation selects.
fn expected(isa: Isa, x: &[f32], encoder: &Encoder, keep: Keep) -> Rows {
    let all = (0..encoder.latents() as u32).collect::<Vec<_>>();
    let mut entries = Vec::new();
    for (row, x) in x.chunks(encoder.width).enumerate() {
        let mut values = vec![0.0; all.len()];
        products(isa, x, encoder.weight, encoder.bias, &all, &mut values);
        let fires = all.iter().filter(|&&latent| encoder.may_fire(latent));
        let mut scored = fires
            .map(|&latent| {
                let value = values[latent as usize];
                (row, latent, value, encoder.score(latent, value))
            })
            .collect::<Vec<_>>();
        match keep {
            Keep::Largest(count) => first(&mut scored, count),
            Keep::Above(bounds) | Keep::Between { bounds, .. } => {
                scored.retain(|entry| {
                    let bound = bounds[entry.1 as usize];
                    entry.3 > bound || entry.3.is_nan() || bound.is_nan()
                });
            }
            Keep::Batch(_) => {}
        }
        entries.append(&mut scored);
    }
    if let Keep::Batch(count) = keep {
        first(&mut entries, count);
    }
    entries.sort_by_key(|entry| (entry.0, entry.1));
    let offset = |row| entries.partition_point(|entry| entry.0 < row);
    Rows {
        offsets: (0..=x.len() / encoder.width).map(offset).collect(),
        index: entries.iter().map(|entry| entry.1).collect(),
        value: entries.iter().map(|entry| entry.2).collect(),
        ..Rows::default()
    }
}

/// Keeps the entries that come first: NaN, then the largest above zero.
fn first(entries: &mut Vec<(usize, u32, f32, f32)>, count: usize) {
    entries.retain(|entry| entry.3 > 0.0 || entry.3.is_nan());
    let size = |score: f32| {
        if score.is_nan() {
            f64::INFINITY
        } else {
            f64::from(score.min(f32::MAX))
        }
    };
    let infinite = |score: f32| score == f32::INFINITY;
    entries.sort_by(|left, right| {
        let sizes = size(right.3).total_cmp(&size(left.3));
        sizes
            .then(infinite(right.3).cmp(&infinite(left.3)))
            .then((left.0, left.1).cmp(&(right.0, right.1)))
    });
    entries.truncate(count);
}
