//! Which hook points a dictionary reads and writes, under the keys that configurations have for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Map, Value, parse, to_value};
use crate::error::{Error, Result};

/// One hook point that is read and one that is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InOut {
    /// Hook point that the encoder reads.
    pub hook_point_in: String,
    /// Hook point that the decoder reconstructs. The same as `hook_point_in` makes a sparse autoencoder, another one
    /// a transcoder.
    pub hook_point_out: String,
}

/// Several hook points that are read and written together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// Hook points that are read together and all reconstructed; a head of the dictionary for each, in this order.
    pub hook_points: Vec<String>,
}

/// Which keys name the hook points of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookLayout {
    /// `hook_point_in` and `hook_point_out`.
    InOut,
    /// `hook_points`.
    Heads,
}

/// The hook points of one dictionary.
#[derive(Clone, Debug, PartialEq)]
pub enum HookPoints {
    /// One read, one written.
    InOut(InOut),
    /// The same ones read and written.
    Heads(Heads),
}

impl HookLayout {
    /// All layouts.
    pub(super) const ALL: [HookLayout; 2] = [HookLayout::InOut, HookLayout::Heads];

    /// Returns the JSON schema of the keys.
    pub(super) fn schema(self) -> Value {
        match self {
            HookLayout::InOut => schemars::schema_for!(InOut).to_value(),
            HookLayout::Heads => schemars::schema_for!(Heads).to_value(),
        }
    }

    /// Reads the hook points from the keys of a configuration that are theirs.
    ///
    /// # Errors
    /// A key is missing, or a value of another type.
    pub(super) fn read(self, fields: Map<String, Value>) -> Result<HookPoints> {
        let fields = Value::Object(fields);
        match self {
            HookLayout::InOut => parse(fields).map(HookPoints::InOut),
            HookLayout::Heads => parse(fields).map(HookPoints::Heads),
        }
    }
}

impl HookPoints {
    /// Returns the hook points that are read, in order.
    pub fn reads(&self) -> Vec<&str> {
        match self {
            HookPoints::InOut(points) => vec![&points.hook_point_in],
            HookPoints::Heads(heads) => heads.hook_points.iter().map(String::as_str).collect(),
        }
    }

    /// Returns the hook points that are written, in order.
    pub fn writes(&self) -> Vec<&str> {
        match self {
            HookPoints::InOut(points) => vec![&points.hook_point_out],
            HookPoints::Heads(_) => self.reads(),
        }
    }

    /// Returns the number of heads of a dictionary that has a dimension for them: `None` for one that reads and writes
    /// one hook point each.
    pub fn heads(&self) -> Option<i64> {
        match self {
            HookPoints::InOut(_) => None,
            HookPoints::Heads(heads) => Some(heads.hook_points.len() as i64),
        }
    }

    /// Returns the keys and values as configurations have them.
    pub(super) fn fields(&self) -> Result<Value> {
        match self {
            HookPoints::InOut(points) => to_value(points),
            HookPoints::Heads(heads) => to_value(heads),
        }
    }

    /// Refuses names that are empty, none at all, or one twice.
    pub(super) fn validate(&self) -> Result<()> {
        let empty = || {
            Error::input("a hook point is needed, but the name is empty")
                .hint("e.g. \"blocks.6.hook_resid_post\"")
        };
        match self {
            HookPoints::InOut(points) => {
                for (key, hook) in [
                    ("hook_point_in", &points.hook_point_in),
                    ("hook_point_out", &points.hook_point_out),
                ] {
                    if hook.trim().is_empty() {
                        return Err(empty().under(key));
                    }
                }
                Ok(())
            }
            HookPoints::Heads(heads) => heads.validate(empty),
        }
    }
}

impl Heads {
    fn validate(&self, empty: impl Fn() -> Error) -> Result<()> {
        if self.hook_points.is_empty() {
            return Err(Error::input("at least one hook point is needed").under("hook_points"));
        }
        for (index, hook) in self.hook_points.iter().enumerate() {
            let at = |error: Error| error.under(format!("[{index}]")).under("hook_points");
            if hook.trim().is_empty() {
                return Err(at(empty()));
            }
            if self.hook_points[..index].contains(hook) {
                return Err(at(Error::input(format!(
                    "the hook point `{hook}` is given twice"
                ))));
            }
        }
        Ok(())
    }
}
