//! The tokens of a batch, some at a time, in one pass after the other.

use std::ops::Range;

use super::super::candidates::{CandidateLists, Candidates};
use super::super::facts::Facts;
use super::super::places::Places;
use super::activate::Activations;
use super::encode::{Encoded, encode};
use super::size::{Keeping, pair_bytes};
use crate::error::Result;
use crate::kernels::screen::Rows;
use crate::tensor::{Tensor, Workspace};

/// What was encoded of some tokens, with the activations where they have been counted for good.
pub(super) struct Kept {
    pub(super) encoded: Encoded,
    pub(super) acts: Option<Activations>,
}

/// Of which latents something is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Dead,
}

/// How much of what is encoded is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    /// What may be selected; the rest may be 0.
    Selectable,
}

/// The tokens of a batch, some at a time, with what has been encoded of them.
pub(super) struct Blocks {
    pub(super) xs: Vec<Tensor>,
    /// How many tokens come at a time.
    pub(super) rows: i64,
    kept: Vec<Option<Kept>>,
    keeping: Keeping,
    pub(super) lists: CandidateLists,
    /// Bytes that these may have, and whether nothing is missing in them so far.
    list_bytes: i64,
    is_listed: bool,
}

impl Blocks {
    /// Returns the blocks of the batch `x`, nothing of which has been encoded; `lists` are room from the step before.
    ///
    /// # Errors
    /// Too little memory; so it is with all below.
    pub(super) fn new(facts: &Facts<'_>, x: &Tensor, lists: CandidateLists) -> Result<Self> {
        let size = facts.size();
        let rows = size.rows_at_a_time(facts.tokens);
        let xs = x.f_split(rows, 0)?;
        let keeping = match xs.len() {
            1 => Keeping::Whole,
            _ => size.keeping(facts.tokens).0,
        };
        Ok(Self {
            kept: xs.iter().map(|_| None).collect(),
            xs,
            rows,
            keeping,
            lists: if keeping == Keeping::Candidates {
                lists
            } else {
                CandidateLists::default()
            },
            list_bytes: size.kept_bytes(facts.tokens),
            is_listed: false,
        })
    }

    /// Returns whether there is one alone, all that is known of which stays.
    pub(super) fn is_one(&self) -> bool {
        self.xs.len() == 1
    }

    /// Calls `with` with what is encoded of each block, in a pass that is not the last: with all of it, or as far as it may be
    /// selected.
    pub(super) fn each(
        &mut self,
        extent: Extent,
        facts: &Facts<'_>,
        places: Places<'_>,
        mut with: impl FnMut(&mut Self, &mut Kept) -> Result<()>,
    ) -> Result<()> {
        for number in 0..self.xs.len() {
            let keeps = self.keeping == Keeping::Whole;
            let room = if keeps { places.step } else { places.block };
            let mut kept = self.get(number, extent, facts, (places.block, room))?;
            with(self, &mut kept)?;
            self.kept[number] = keeps.then_some(kept);
        }
        Ok(())
    }

    /// Returns what is encoded of a block as far as it may be selected, in the last pass.
    pub(super) fn take(&mut self, number: usize, facts: &Facts<'_>, places: Places<'_>) -> Result<Kept> {
        self.get(number, Extent::Selectable, facts, (places.block, places.block))
    }

    /// Returns what is encoded of a block; where that has not been kept, what is encoded lies in `room`.
    fn get(
        &mut self,
        number: usize,
        extent: Extent,
        facts: &Facts<'_>,
        (block, room): (&Workspace, &Workspace),
    ) -> Result<Kept> {
        block.begin();
        if let Some(kept) = self.kept[number].take() {
            return Ok(kept);
        }
        let encoded = if extent == Extent::Selectable && self.lists() {
            self.listed(number, facts, block)?
        } else {
            encode(facts, &self.xs[number], room)?
        };
        Ok(Kept { encoded, acts: None })
    }

    /// Returns what is listed of a block, and 0 in place of all else.
    fn listed(&self, number: usize, facts: &Facts<'_>, block: &Workspace) -> Result<Encoded> {
        let tokens = self.tokens(number);
        let size = [tokens.len() as i64, facts.sae.cfg.d_sae()];
        let zeros = || block.zeros(&size, facts.options());
        let mut encoded = Encoded {
            hidden_pre: zeros()?,
            gated: None,
        };
        if facts.sae.cfg.use_glu_encoder {
            encoded.gated = Some((zeros()?, zeros()?));
        }
        for list in [&self.lists.of_all, &self.lists.of_dead] {
            list.put(&tokens, &mut encoded.tensors_mut())?;
        }
        Ok(encoded)
    }

    /// Returns which tokens of the batch those of a block are.
    fn tokens(&self, number: usize) -> Range<usize> {
        let first = number * self.rows as usize;
        first..first + self.xs[number].size()[0] as usize
    }

    /// Begins to list latents of these, where something is listed.
    pub(super) fn begin_list(&mut self, which: Which) {
        self.list(which).clear();
        if which == Which::All {
            self.lists.of_dead.clear();
        }
        self.is_listed = self.lists();
    }

    /// Returns whether what may be selected has been listed of all blocks so far.
    pub(super) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// CandidateLists what may be selected of the next block, if that is known and there is room for it.
    ///
    /// # Errors
    /// It is not float32 on the CPU.
    pub(super) fn add_to_list(&mut self, which: Which, rows: Option<&Rows>, encoded: &Encoded) -> Result<()> {
        if let Some(rows) = rows {
            self.list(which).add(rows, &encoded.tensors())?;
        }
        let pairs = (self.lists.of_all.len() + self.lists.of_dead.len()) as i64;
        let has_room = pairs * pair_bytes(encoded.gated.is_some()) <= self.list_bytes;
        self.is_listed = rows.is_some() && has_room;
        if !has_room {
            *self.list(which) = Candidates::default();
        }
        Ok(())
    }

    /// Ends the list; where something is missing in it, what is asked for will be encoded again.
    pub(super) fn end_list(&mut self) {
        if self.lists() && !self.is_listed {
            self.keeping = Keeping::Nothing;
            self.lists = CandidateLists::default();
        }
    }

    fn list(&mut self, which: Which) -> &mut Candidates {
        match which {
            Which::All => &mut self.lists.of_all,
            Which::Dead => &mut self.lists.of_dead,
        }
    }

    /// Returns whether what may be selected is listed.
    fn lists(&self) -> bool {
        self.keeping == Keeping::Candidates
    }
}
