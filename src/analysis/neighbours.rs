//! The latents that fire together with a latent.

use super::coactivation::Coactivation;
use super::statistics::Statistics;
use crate::findings::Neighbour;

/// Returns the `count` latents whose firings overlap most with those of `latent` (Jaccard), and those whose activations
/// go most with its own (Pearson over the `tokens` that count, zeros included); of those that fire together with it.
pub(super) fn firing_together(
    pairs: &Coactivation,
    statistics: &Statistics,
    tokens: u64,
    latent: usize,
    count: usize,
) -> (Vec<Neighbour>, Vec<Neighbour>) {
    let tokens = tokens as f64;
    let moments = |latent: usize| {
        let mean = statistics.sum[latent] / tokens;
        (
            mean,
            (statistics.sum_squares[latent] / tokens - mean * mean)
                .max(0.0)
                .sqrt(),
        )
    };
    let times = |latent: usize| statistics.act_times[latent] as f64;
    let (mean, deviation) = moments(latent);
    let (mut jaccard, mut pearson) = (Vec::new(), Vec::new());
    for (other, both, product) in pairs.with(latent) {
        let both = f64::from(both);
        jaccard.push(neighbour(other, both / (times(latent) + times(other) - both)));
        let (others_mean, others_deviation) = moments(other);
        let scale = deviation * others_deviation;
        if scale > 0.0 {
            pearson.push(neighbour(other, (product / tokens - mean * others_mean) / scale));
        }
    }
    (best(jaccard, count), best(pearson, count))
}

fn neighbour(latent: usize, value: f64) -> Neighbour {
    Neighbour {
        latent: latent as u32,
        value: value as f32,
    }
}

/// Returns the `count` largest, the largest first.
fn best(mut all: Vec<Neighbour>, count: usize) -> Vec<Neighbour> {
    let order = |a: &Neighbour, b: &Neighbour| b.value.total_cmp(&a.value).then(a.latent.cmp(&b.latent));
    if all.len() > count {
        all.select_nth_unstable_by(count, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}
