//! Which of several sources is read next.

use serde::{Deserialize, Serialize};

use crate::tensor::Generator;

/// Draws of sources are seeded apart from the shuffle buffer, so that adding a source does not change its order.
const SEED: u64 = 42;

/// Draws among sources by their weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Draws(Generator);

impl Draws {
    pub(super) fn new() -> Self {
        Draws(Generator::new(SEED))
    }

    /// Guards what is read from files.
    pub(super) fn is_valid(&self) -> bool {
        self.0.is_valid()
    }

    /// Chooses among `(index, weight)`; `None` if there are none. One source alone costs no draw.
    pub(super) fn choose(&mut self, sources: &[(usize, f64)]) -> Option<usize> {
        if sources.len() < 2 {
            return sources.first().map(|(index, _)| *index);
        }
        let total: f64 = sources.iter().map(|(_, weight)| weight).sum();
        let mut left = self.0.uniform() * total;
        for (index, weight) in sources {
            left -= weight;
            if left < 0.0 {
                return Some(*index);
            }
        }
        sources.last().map(|(index, _)| *index)
    }
}
