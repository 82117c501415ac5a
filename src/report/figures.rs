//! The few figures of a training or an evaluation that people look at first.

use super::Table;
use super::format;
use crate::event::Metrics;

/// What is shown under which words, in this order, where the metric is there.
const FIGURES: &[(&str, &str)] = &[
    ("explained variance", "metrics/explained_variance"),
    ("L0 (active latents a token)", "metrics/l0"),
    ("MSE loss", "losses/mse_loss"),
    ("sparsity loss", "losses/sparsity_loss"),
    ("threshold loss", "losses/lp_loss"),
    ("Aux-K loss", "losses/aux_loss"),
    ("dead latents", "sparsity/dead_latents"),
    (
        "rare latents (active at under 1 in 100,000 tokens)",
        "sparsity/below_1e-5",
    ),
    ("MSE in the model's own scale", "metrics/unnormalized_mse"),
    ("cross-entropy of the model", "metrics/downstream_loss_original"),
    (
        "cross-entropy with the reconstruction",
        "metrics/downstream_loss_reconstructed",
    ),
    ("cross-entropy with zeros", "metrics/downstream_loss_ablated"),
    ("cross-entropy recovered", "metrics/cross_entropy_recovered"),
];

/// Returns a table of the main figures among `metrics`.
pub fn figures(metrics: &Metrics) -> Table {
    let mut table = Table::new(["figure", "value"]);
    for (words, name) in FIGURES {
        if let Some((_, value)) = metrics.iter().find(|(known, _)| known == name) {
            let text = if counts_latents(name) {
                format::count(*value as u64)
            } else {
                format::metric(*value)
            };
            table.row([(*words).to_string(), text]);
        }
    }
    table
}

/// Is the metric a number of latents?
fn counts_latents(name: &str) -> bool {
    name.starts_with("sparsity/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_words_and_their_own_order() {
        let metrics: Metrics = vec![
            ("sparsity/dead_latents".into(), 1234.0),
            ("details/lp_coefficient".into(), 0.0),
            ("metrics/explained_variance".into(), 0.858_91),
        ];
        let text = figures(&metrics).render(None);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [
                vec!["explained", "variance", "0.8589"],
                vec!["dead", "latents", "1,234"]
            ]
        );
    }
}
