//! Hook points found once, for many passes.

use std::collections::BTreeMap;

use super::LanguageModel;
use super::hooks::{Halt, Hooks};
use super::prompts::Input;
use super::sites::Site;
use crate::error::Result;
use crate::tensor::{Tensor, no_grad_guard};

/// The places where a forward pass of one model keeps activations; it stops after the last of them.
#[derive(Clone, Debug)]
pub struct CapturePlan {
    sites: Vec<Site>,
}

impl LanguageModel {
    /// Finds the hook points `names`, which may contain `*`, for [`capture_planned`](Self::capture_planned).
    ///
    /// # Errors
    /// An unknown hook point.
    pub fn plan(&self, names: &[String]) -> Result<CapturePlan> {
        let sites = names.iter().map(|name| self.sites(name));
        Ok(CapturePlan {
            sites: sites.collect::<Result<Vec<_>>>()?.concat(),
        })
    }

    /// Returns the activations at `names` for `tokens`, int64 `[batch, seq]`: a map from name to activation.
    ///
    /// Names may contain `*`. The forward pass stops after the last of them; nothing else is kept, and no gradient
    /// is recorded.
    ///
    /// # Errors
    /// An unknown hook point, tokens of a wrong shape or outside the vocabulary, more tokens than the context.
    pub fn capture<'a>(
        &self,
        tokens: impl Into<Input<'a>>,
        names: &[String],
    ) -> Result<BTreeMap<String, Tensor>> {
        self.capture_planned(tokens, &self.plan(names)?)
    }

    /// Returns what [`capture`](Self::capture) does, at hook points that were found before.
    ///
    /// # Errors
    /// Tokens of a wrong shape or outside the vocabulary, more tokens than the context.
    pub fn capture_planned<'a>(
        &self,
        tokens: impl Into<Input<'a>>,
        plan: &CapturePlan,
    ) -> Result<BTreeMap<String, Tensor>> {
        if plan.sites.is_empty() {
            return Ok(BTreeMap::new());
        }
        let prompts = self.accept(tokens.into())?;
        let mut hooks = Hooks::only(plan.sites.iter().copied());
        let _guard = no_grad_guard();
        match self.decoder()?.logits((&prompts).into(), &mut hooks, None) {
            Ok(_) | Err(Halt::Done) => Ok(hooks.into_captured()),
            Err(Halt::Failed(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::from_value;
    use crate::event::RunContext;
    use crate::model::LanguageModelConfig;
    use crate::native::calls::watched;
    use crate::tensor::{Device, Kind};

    #[test]
    fn a_pass_ends_with_the_last_activation_that_is_asked_for() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-pythia");
        let cfg = json!({"model_from_pretrained_path": folder, "device": "cpu"});
        let cfg: LanguageModelConfig = from_value(cfg).expect("a configuration");
        let model = LanguageModel::load(cfg, &RunContext::default()).expect("the examples' model");
        let tokens = Tensor::arange(12, (Kind::Int64, Device::Cpu)).view([2, 6]);
        let calls = |name: &str| {
            let plan = model.plan(&[name.to_string()]).expect("a hook point");
            let pass = || model.capture_planned(&tokens, &plan).expect("activations");
            assert_eq!(pass()[name].size()[..2], [2, 6]);
            watched(pass).1
        };
        let count = |calls: &[String], of: &str| calls.iter().filter(|call| call.contains(of)).count();
        for (name, norms, attentions) in [
            ("blocks.0.hook_resid_pre", 0, 0),
            ("blocks.0.hook_attn_out", 1, 1),
            // The MLP stands beside attention, not after it.
            ("blocks.0.mlp.hook_post", 1, 0),
            ("blocks.1.hook_mlp_out", 3, 1),
            ("blocks.0.hook_resid_post", 2, 1),
            ("blocks.1.hook_resid_post", 4, 2),
            ("blocks.3.hook_resid_post", 8, 4),
        ] {
            let calls = calls(name);
            assert_eq!(count(&calls, "layer_norm"), norms, "{name}: {calls:?}");
            assert_eq!(count(&calls, "attention"), attentions, "{name}: {calls:?}");
        }
    }
}
