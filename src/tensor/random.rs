//! PyTorch's CPU random numbers, drawn here so that a generator's whole state can be written down and read back.
//!
//! The generator is MT19937 (Matsumoto and Nishimura, "Mersenne Twister", 1998), seeded as `torch.Generator` seeds
//! it. Draws are the same on every device, which `torch`'s own are not.

use serde::{Deserialize, Serialize};

const N: usize = 624;
const M: usize = 397;

/// A seeded generator whose state can be saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    state: Vec<u32>,
    next: usize,
}

impl Generator {
    /// Returns what `torch.Generator().manual_seed(seed)` starts from: the low 32 bits of `seed` count.
    pub fn new(seed: u64) -> Self {
        let mut state = vec![0u32; N];
        state[0] = seed as u32;
        for i in 1..N {
            let previous = state[i - 1];
            state[i] = 1_812_433_253u32
                .wrapping_mul(previous ^ (previous >> 30))
                .wrapping_add(i as u32);
        }
        Generator { state, next: N }
    }

    /// Returns whether a generator can have written this state. Guards what is read from files.
    pub fn is_valid(&self) -> bool {
        self.state.len() == N && self.next <= N
    }

    /// Returns 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next >= N {
            self.twist();
        }
        let mut bits = self.state[self.next];
        self.next += 1;
        bits ^= bits >> 11;
        bits ^= (bits << 7) & 0x9d2c_5680;
        bits ^= (bits << 15) & 0xefc6_0000;
        bits ^ (bits >> 18)
    }

    /// Returns 64 random bits, the first draw in the high half.
    pub fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        (high << 32) | u64::from(self.next_u32())
    }

    /// Returns a uniform number in `0.0..1.0`, of 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a random permutation of `0..n`, the one that `torch.randperm(n, generator=g)` draws on the CPU.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// Brings `items` into the order of [`permutation`](Self::permutation): Fisher and Yates from the front.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        let n = items.len();
        // From this size on the remainder of 32 bits would be too uneven, and torch draws 64.
        let large = n >= (u32::MAX / 20) as usize;
        for i in 0..n.saturating_sub(1) {
            let left = n - i;
            let step = if !large {
                self.next_u32() as usize % left
            } else {
                (self.next_u64() % left as u64) as usize
            };
            items.swap(i, i + step);
        }
    }

    fn twist(&mut self) {
        for i in 0..N {
            let bits = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if bits & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (bits >> 1) ^ odd;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_are_torchs() {
        // torch.randperm(10, generator=torch.Generator().manual_seed(42)), and the next one.
        let mut generator = Generator::new(42);
        assert_eq!(generator.permutation(10), [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]);
        assert_eq!(generator.permutation(7), [0, 5, 6, 1, 4, 2, 3]);
    }

    #[test]
    fn a_saved_state_goes_on_where_it_was() {
        let mut generator = Generator::new(7);
        generator.permutation(1000);
        let saved = serde_json::to_string(&generator).expect("written");
        let mut restored: Generator = serde_json::from_str(&saved).expect("read");
        assert!(restored.is_valid());
        assert_eq!(generator.permutation(50), restored.permutation(50));
        let number = restored.uniform();
        assert!((0.0..1.0).contains(&number));
    }
}
