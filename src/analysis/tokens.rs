//! The tokens on which each latent fires most: candidates by a first pass, exact counts of them by a second.

/// Candidates that are kept of each latent.
const CANDIDATES: usize = 32;

/// Marks a place without a token.
const NONE: u32 = u32::MAX;

/// Candidates by the Space-Saving algorithm (<https://doi.org/10.1007/978-3-540-30570-5_27>): a token with more than
/// 1/32 of a latent's firings is among them for sure, and all tokens are where there are no more than 32.
pub(super) struct Candidates {
    pub(super) token: Vec<u32>,
    pub(super) count: Vec<u32>,
}

impl Candidates {
    /// Returns room for the candidates of so many latents.
    pub(super) fn new(latents: usize) -> Self {
        Candidates {
            token: vec![NONE; latents * CANDIDATES],
            count: vec![0; latents * CANDIDATES],
        }
    }

    /// Notes that a latent fires on a token.
    pub(super) fn add(&mut self, latent: u32, token: u32) {
        let first = latent as usize * CANDIDATES;
        let tokens = &mut self.token[first..first + CANDIDATES];
        let counts = &mut self.count[first..first + CANDIDATES];
        if let Some(at) = tokens.iter().position(|known| *known == token) {
            counts[at] = counts[at].saturating_add(1);
            return;
        }
        // An empty place has the count 0, so it is the least.
        let least = counts.iter().enumerate().min_by_key(|(_, count)| **count);
        if let Some((at, _)) = least {
            tokens[at] = token;
            counts[at] = counts[at].saturating_add(1);
        }
    }
}

/// How often, and how strongly, each latent of a band fires on its candidates.
pub(super) struct TokenCounts {
    first: u32,
    token: Vec<u32>,
    pub(super) count: Vec<u32>,
    pub(super) sum: Vec<f64>,
}

impl TokenCounts {
    /// Returns counts of 0 for the latents from `first` on, `latents` of them.
    pub(super) fn new(candidates: &Candidates, first: u32, latents: u32) -> Self {
        let range = first as usize * CANDIDATES..(first + latents) as usize * CANDIDATES;
        TokenCounts {
            first,
            count: vec![0; range.len()],
            sum: vec![0.0; range.len()],
            token: candidates.token[range].to_vec(),
        }
    }

    /// Notes an activation of a latent of the band on a token.
    pub(super) fn add(&mut self, latent: u32, token: u32, value: f32) {
        let first = (latent - self.first) as usize * CANDIDATES;
        let known = self.token[first..first + CANDIDATES]
            .iter()
            .position(|known| *known == token);
        if let Some(at) = known {
            self.count[first + at] += 1;
            self.sum[first + at] += f64::from(value);
        }
    }

    /// Returns the tokens on which a latent fires most, at most `most` of them: token, count and mean activation.
    pub(super) fn of(&self, latent: u32, most: usize) -> Vec<(u32, u32, f64)> {
        let first = (latent - self.first) as usize * CANDIDATES;
        let places = (first..first + CANDIDATES).filter(|at| self.count[*at] > 0);
        let mut found: Vec<(u32, u32, f64)> = places
            .map(|at| {
                (
                    self.token[at],
                    self.count[at],
                    self.sum[at] / f64::from(self.count[at]),
                )
            })
            .collect();
        found.sort_by_key(|(token, count, _)| (std::cmp::Reverse(*count), *token));
        found.truncate(most);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_tokens_are_found_among_many() {
        let mut candidates = Candidates::new(2);
        let stream = || (0..6000u32).map(|at| if at % 3 == 0 { 7 } else { 1000 + at });
        stream().for_each(|token| candidates.add(1, token));
        let mut counts = TokenCounts::new(&candidates, 1, 1);
        stream().for_each(|token| counts.add(1, token, 0.5));
        assert_eq!(counts.of(1, 10)[0], (7, 2000, 0.5));
        assert!(TokenCounts::new(&candidates, 0, 1).of(0, 10).is_empty());
    }
}
