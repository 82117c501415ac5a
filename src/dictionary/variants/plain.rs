//! The sparse autoencoder, or the transcoder where its two hook points differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::VariantSettings;
use crate::config::{Value, to_value};
use crate::dictionary::capability::Capability;
use crate::dictionary::hook_points::HookLayout;
use crate::dictionary::variant::Variant;
use crate::error::Result;

/// one encoder and one decoder, a sparse autoencoder or a transcoder
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Plain {}

impl VariantSettings for Plain {
    const NAME: &'static str = "sae";
    const HOOKS: HookLayout = HookLayout::InOut;
}

impl Variant for Plain {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn settings(&self) -> Result<Value> {
        to_value(self)
    }

    fn can(&self, _capability: Capability) -> bool {
        true
    }
}
