//! Where tensors live.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::Device;

use super::runtime;
use crate::config;
use crate::error::{Error, Result, Role, Subject, Unknown};

/// A device as people write it: `"cpu"`, `"cuda"`, `"cuda:N"`, or `"auto"` (CUDA if usable, else the CPU).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceSpec {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU by number; `"cuda"` is number 0.
    Cuda(usize),
    /// CUDA if it can be used, else the CPU.
    Auto,
}

impl DeviceSpec {
    /// Returns the device meant on this machine.
    ///
    /// # Errors
    /// A GPU that this machine does not have or cannot use.
    pub fn resolve(self) -> Result<Device> {
        match self {
            DeviceSpec::Cpu => Ok(Device::Cpu),
            DeviceSpec::Auto if runtime::cuda_usable() => Ok(Device::Cuda(0)),
            DeviceSpec::Auto => Ok(Device::Cpu),
            DeviceSpec::Cuda(index) => {
                if let Some(obstacle) = runtime::cuda_obstacle() {
                    let error = Error::input(format!(
                        "device \"{self}\" was asked for, but CUDA is not usable here: {}",
                        obstacle.reason
                    ));
                    let error = obstacle.advice.into_iter().fold(error, Error::hint);
                    return Err(error.hint("use \"auto\" or \"cpu\" to go on without a GPU"));
                }
                let count = tch::Cuda::device_count().max(0) as usize;
                if index < count {
                    return Ok(Device::Cuda(index));
                }
                let visible = std::env::var(runtime::VISIBLE).ok();
                Err(no_such_gpu(index, count, visible.as_deref()))
            }
        }
    }
}

/// Returns what to say where GPU `index` was asked for and there are `count`, of those that CUDA_VISIBLE_DEVICES shows.
fn no_such_gpu(index: usize, count: usize, visible: Option<&str>) -> Error {
    let last = count.saturating_sub(1);
    let there = match count {
        1 => "1 GPU, \"cuda:0\"".to_string(),
        _ => format!("{count} GPUs, \"cuda:0\" to \"cuda:{last}\""),
    };
    let error = Error::input(format!(
        "device \"cuda:{index}\" was asked for, but this machine has {there}"
    ));
    let error = match visible {
        Some(visible) => error.hint(format!(
            "{}=\"{visible}\" says which GPUs there are for this process, numbered from 0 in its order; an entry that is \
             none hides those after it",
            runtime::VISIBLE
        )),
        None => error,
    };
    error.hint("use one of these, or \"auto\" or \"cpu\"")
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceSpec::Cpu => formatter.write_str("cpu"),
            DeviceSpec::Cuda(0) => formatter.write_str("cuda"),
            DeviceSpec::Cuda(index) => write!(formatter, "cuda:{index}"),
            DeviceSpec::Auto => formatter.write_str("auto"),
        }
    }
}

impl FromStr for DeviceSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpu" => Ok(DeviceSpec::Cpu),
            "cuda" => Ok(DeviceSpec::Cuda(0)),
            "auto" => Ok(DeviceSpec::Auto),
            _ => match text.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
                Some(index) => Ok(DeviceSpec::Cuda(index)),
                None if text.starts_with("gpu") => Err(called_gpu(text)),
                None => Err(Error::unknown("device", text, &["cpu", "cuda", "cuda:N", "auto"])),
            },
        }
    }
}

fn called_gpu(text: &str) -> Error {
    let unknown = Unknown {
        role: Role::Value,
        nearest: None,
        allowed: Vec::new(),
    };
    Error::input(format!("unknown device `{text}`"))
        .about(Subject::Unknown(unknown))
        .hint("GPUs are called \"cuda\", or \"cuda:0\", \"cuda:1\", …")
        .hint("\"auto\" takes one where there is one")
}

impl Serialize for DeviceSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(config::refuse)
    }
}

impl JsonSchema for DeviceSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "device".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "title": "device"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_there_is_told_with_those_that_are() {
        let one = no_such_gpu(1, 1, None);
        assert_eq!(
            one.message(),
            "device \"cuda:1\" was asked for, but this machine has 1 GPU, \"cuda:0\""
        );
        let hidden = no_such_gpu(5, 2, Some("3,1,9"));
        assert!(
            hidden.message().ends_with("2 GPUs, \"cuda:0\" to \"cuda:1\""),
            "{hidden}"
        );
        assert!(
            hidden.hints()[0].starts_with("CUDA_VISIBLE_DEVICES=\"3,1,9\""),
            "{hidden}"
        );
    }
}
