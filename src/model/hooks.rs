//! What a forward pass does at the hook points: keep an activation, let somebody change it, or stop.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::sites::Site;
use crate::error::{Error, Result};
use crate::tensor::{TchError, Tensor, builds_graph};

/// A function that is given an activation and the name of its hook point, and returns what to go on with: a tensor
/// of the same shape.
pub type Edit<'a> = Box<dyn FnMut(Tensor, &str) -> Result<Tensor> + 'a>;

/// Why a forward pass ended early.
pub(super) enum Halt {
    /// The last wanted activation is there.
    Done,
    /// Something went wrong.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

impl From<TchError> for Halt {
    fn from(error: TchError) -> Self {
        Halt::Failed(error.into())
    }
}

/// The hooks of one forward pass.
#[derive(Default)]
pub(super) struct Hooks<'a> {
    wanted: HashSet<Site>,
    captured: BTreeMap<String, Tensor>,
    edits: Vec<Edit<'a>>,
    /// Positions in `edits`, in the order in which they are applied.
    edited: HashMap<Site, Vec<usize>>,
    stop_after_last: bool,
}

impl<'a> Hooks<'a> {
    /// Keeps the activations at `sites` and runs the pass to its end.
    pub(super) fn keeping(sites: impl IntoIterator<Item = Site>) -> Self {
        Hooks {
            wanted: sites.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Keeps the activations at `sites` and stops the pass as soon as all are there.
    pub(super) fn only(sites: impl IntoIterator<Item = Site>) -> Self {
        Hooks {
            stop_after_last: true,
            ..Self::keeping(sites)
        }
    }

    /// Lets `edit` replace the activations at `sites`, after those added before.
    pub(super) fn edit(&mut self, sites: &[Site], edit: Edit<'a>) {
        for site in sites {
            self.edited.entry(*site).or_default().push(self.edits.len());
        }
        self.edits.push(edit);
    }

    /// Returns whether any hook reads or changes this place. If not, its activation need not exist.
    pub(super) fn wants(&self, site: Site) -> bool {
        self.wanted.contains(&site) || self.edited.contains_key(&site)
    }

    /// Returns whether the activation at this place can change. Then what was computed from it in another way is void.
    pub(super) fn edits(&self, site: Site) -> bool {
        self.edited.contains_key(&site)
    }

    /// Returns whether what comes next may be written over a tensor that the pass made itself and that has come by `site`:
    /// nobody keeps it, and no gradient will ask for it.
    pub(super) fn may_overwrite(&self, site: Site) -> bool {
        !self.wants(site) && !builds_graph()
    }

    /// Returns whether the pass stops at one of the places that `is_there` names, and nobody looks at any other before.
    pub(super) fn ends_within(&self, is_there: impl Fn(Site) -> bool) -> bool {
        let is_known = |site: &Site| self.captured.contains_key(&site.name());
        let alone = self.stop_after_last && self.edited.is_empty();
        alone && self.wanted.iter().all(|site| is_there(*site) || is_known(site))
    }

    /// Passes `x` by the hooks at `site`.
    pub(super) fn visit(&mut self, site: Site, mut x: Tensor) -> Result<Tensor, Halt> {
        for position in self.edited.get(&site).into_iter().flatten() {
            x = replaced(site, &x, &mut self.edits[*position])?;
        }
        if self.wanted.contains(&site) {
            // A view would keep the whole tensor alive that it is a part of.
            self.captured.insert(site.name(), x.f_contiguous()?);
            if self.stop_after_last && self.captured.len() == self.wanted.len() {
                return Err(Halt::Done);
            }
        }
        Ok(x)
    }

    /// Returns the activations that were kept.
    pub(super) fn into_captured(self) -> BTreeMap<String, Tensor> {
        self.captured
    }
}

/// What `edit` makes of `x`, brought to its dtype and device.
fn replaced(site: Site, x: &Tensor, edit: &mut Edit<'_>) -> Result<Tensor> {
    let name = site.name();
    // A copy: what a hook changes in place may be a part of the weights, or of what others have read already.
    let y =
        edit(x.f_alias_copy()?, &name).map_err(|error| error.context(format!("in the hook at `{name}`")))?;
    if y.size() != x.size() {
        return Err(Error::input(format!(
            "the hook at `{name}` returned shape {:?}, but the activation there has shape {:?}",
            y.size(),
            x.size()
        ))
        .hint("a hook has to return a tensor of the shape it was given"));
    }
    Ok(y.f_to_device_(x.device(), x.kind(), false, false)?)
}
