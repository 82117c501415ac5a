//! The rows of matrices that belong to some latents: read, and added to, together, or where that would take much memory some at a
//! time.

use std::cell::Cell;
use std::ops::Range;

use super::facts::Facts;
use super::gradients::Gradients;
use super::panels::Stays;
use crate::error::Result;
use crate::tensor::{Device, Tensor, Workspace};

/// Some latents, in groups that are taken one after the other.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    latents: i64,
    at_a_time: i64,
}

impl Groups {
    /// Returns all of so many latents in one group.
    pub(super) fn one(latents: i64) -> Self {
        Self {
            latents,
            at_a_time: latents.max(1),
        }
    }

    /// Returns so many latents in groups that have room with rows of so many bytes.
    pub(super) fn of(facts: &Facts<'_>, latents: i64, row_bytes: i64) -> Self {
        if facts.options().1 != Device::Cpu {
            return Self::one(latents);
        }
        let at_a_time = facts.limits.rows_bytes / row_bytes.max(1);
        Self {
            latents,
            at_a_time: at_a_time.clamp(1, latents.max(1)),
        }
    }

    /// Returns whether there is one group at most.
    pub(super) fn is_one(self) -> bool {
        self.at_a_time >= self.latents
    }

    /// Returns how long what is read of a group stays as it is.
    pub(super) fn stays(self) -> Stays {
        if self.is_one() {
            Stays::Step
        } else {
            Stays::Product
        }
    }

    /// Returns how many latents a group has at most.
    pub(super) fn at_a_time(self) -> i64 {
        self.at_a_time
    }

    /// Returns which latents out of these are in each group.
    pub(super) fn each(self) -> impl Iterator<Item = Range<i64>> {
        let first = (0..self.latents).step_by(self.at_a_time as usize);
        first.map(move |first| first..(first + self.at_a_time).min(self.latents))
    }
}

/// Returns what there is of a group along a dimension.
///
/// # Errors
/// Too little memory.
pub(super) fn of_group(x: &Tensor, dimension: i64, group: &Range<i64>) -> Result<Tensor> {
    Ok(x.f_narrow(dimension, group.start, group.end - group.start)?)
}

/// Some rows of a matrix, or all.
pub(super) struct SomeRows {
    /// `([heads,] d_sae, columns)`.
    matrix: Tensor,
    pub(super) groups: Groups,
    /// Which, int64 `(n)`, and where those of a group are brought together; `None`: all, where they are.
    chosen: Option<(Tensor, Tensor)>,
    /// Those of the only group are there.
    is_read: Cell<bool>,
}

impl SomeRows {
    /// Returns all rows of a matrix.
    pub(super) fn all(matrix: Tensor) -> Self {
        let latents = matrix.size().iter().rev().nth(1).copied();
        Self {
            groups: Groups::one(latents.unwrap_or(0)),
            matrix,
            chosen: None,
            is_read: Cell::new(true),
        }
    }

    /// Returns the rows of the latents `which`, int64 `(n)`; they lie in the workspace, as many as have room.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn of(
        facts: &Facts<'_>,
        workspace: &Workspace,
        matrix: Tensor,
        which: &Tensor,
    ) -> Result<Self> {
        let mut size = matrix.size();
        let place = size.len() - 2;
        size[place] = 1;
        let row_bytes = size.iter().product::<i64>() * matrix.f_kind()?.elt_size_in_bytes() as i64;
        let groups = Groups::of(facts, which.size()[0], row_bytes);
        size[place] = groups.at_a_time();
        let room = workspace.empty(&size, facts.options())?;
        Ok(Self {
            matrix,
            groups,
            chosen: Some((which.shallow_clone(), room)),
            is_read: Cell::new(false),
        })
    }

    /// Returns the rows of a group, `([heads,] m, columns)`, which are there until those of another are asked for.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn get(&self, group: &Range<i64>) -> Result<Tensor> {
        let Some((which, room)) = &self.chosen else {
            return Ok(self.matrix.shallow_clone());
        };
        let room = room.f_narrow(-2, 0, group.end - group.start)?;
        if self.is_read.get() {
            return Ok(room);
        }
        self.is_read.set(self.groups.is_one());
        let which = of_group(which, 0, group)?;
        Ok(self.matrix.f_index_select_out(&room, -2, &which)?)
    }
}

/// Where what is said of the rows of some latents is added up.
pub(super) enum RowSums {
    /// All rows, `([heads ·] d_sae, columns)`.
    All(Tensor),
    /// Those of these latents by themselves, `([heads ·] n, columns)`.
    Own(Tensor),
    /// Among those of all latents, `([heads ·] d_sae, columns)`: which these are, int64 `(n)`, and where a group of them is added to.
    Among {
        all: Tensor,
        which: Tensor,
        room: Tensor,
    },
}

impl RowSums {
    /// Returns sums, 0 so far, for the latents `which` of the parameter `name`, whose rows are in these groups; they lie in the
    /// workspace, or where the parameter's gradient does.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn of(
        (facts, workspace): (&Facts<'_>, &Workspace),
        name: &'static str,
        (which, groups): (&Tensor, Groups),
        gradients: &mut Gradients,
    ) -> Result<Self> {
        let of_decoder = name == "W_D";
        let heads = facts.heads.filter(|_| of_decoder).unwrap_or(1);
        let columns = if of_decoder {
            facts.sae.cfg.d_model
        } else {
            facts.encoder()?.size()[0]
        };
        let size = [heads * groups.at_a_time(), columns];
        if groups.is_one() {
            return Ok(Self::Own(workspace.zeros(&size, facts.options())?));
        }
        let all = gradients.so_far((facts, workspace), name)?;
        Ok(Self::Among {
            all: if of_decoder { all } else { all.f_tr()? },
            which: which.shallow_clone(),
            room: workspace.empty(&size, facts.options())?,
        })
    }

    /// Has `add` add to the sums of a group, `([heads ·] m, columns)`.
    ///
    /// # Errors
    /// What `add` says; too little memory.
    pub(super) fn add(
        &mut self,
        facts: &Facts<'_>,
        group: &Range<i64>,
        add: impl FnOnce(&mut Tensor) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::All(sums) | Self::Own(sums) => add(sums),
            Self::Among { all, which, room } => {
                let mut places = of_group(which, 0, group)?;
                if all.size()[0] > facts.sae.cfg.d_sae() {
                    places = facts.of_each_head(&places)?;
                }
                let room = room.f_narrow(0, 0, places.size()[0])?;
                let mut sums = all.f_index_select_out(&room, 0, &places)?;
                add(&mut sums)?;
                let _ = all.f_index_copy_(0, &places, &sums)?;
                Ok(())
            }
        }
    }

    /// Adds the sums of the latents `which` to the gradient of the parameter `name`, where they are not there yet.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn finish(
        self,
        facts: &Facts<'_>,
        name: &'static str,
        which: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<()> {
        match self {
            Self::Own(sums) if name == "W_D" => {
                gradients.add_some(name, (-2, facts.of_each_head(which)?), sums);
            }
            Self::Own(sums) => gradients.add_some(name, (-1, which.shallow_clone()), sums.f_tr()?),
            Self::All(_) | Self::Among { .. } => {}
        }
        Ok(())
    }
}
