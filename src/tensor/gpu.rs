//! The GPUs as the NVIDIA driver describes them, through its management library (NVML), which needs no CUDA.

use std::ffi::OsStr;
use std::fmt;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use serde::{Serialize, Serializer};

/// What the CUDA libraries of libtorch need the driver to know.
pub const CUDA_NEEDED: CudaVersion = CudaVersion { major: 13, minor: 0 };

/// A version of CUDA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CudaVersion {
    /// 13 in 13.0.
    pub major: i32,
    /// 0 in 13.0.
    pub minor: i32,
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for CudaVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An NVIDIA driver and the GPUs it sees, also those hidden by `CUDA_VISIBLE_DEVICES`.
#[derive(Clone, Debug, Serialize)]
pub struct Driver {
    /// Its version, e.g. "580.82.07".
    pub version: String,
    /// The newest CUDA it can run.
    pub cuda: CudaVersion,
    /// The GPUs in the driver's order.
    pub gpus: Vec<Gpu>,
}

/// One GPU.
#[derive(Clone, Debug, Serialize)]
pub struct Gpu {
    /// Product name, e.g. "NVIDIA H200".
    pub name: String,
    /// Compute capability, e.g. "9.0".
    pub compute_capability: String,
    /// Its own memory; `None` where it shares the processor's.
    pub memory: Option<GpuMemory>,
}

/// The memory of a GPU in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GpuMemory {
    /// All of it.
    pub total: u64,
    /// The part that is free at the moment.
    pub free: u64,
}

/// Returns the driver of this machine; `None` if there is none or it does not answer.
pub fn driver() -> Option<Driver> {
    // By the name that a driver installs; the one without ".1" comes only with development packages.
    let nvml = Nvml::builder()
        .lib_path(OsStr::new("libnvidia-ml.so.1"))
        .init()
        .ok()?;
    describe(&nvml).ok()
}

fn describe(nvml: &Nvml) -> Result<Driver, NvmlError> {
    let cuda = nvml.sys_cuda_driver_version()?; // 13020 for 13.2
    let gpus = (0..nvml.device_count()?).map(|index| {
        let device = nvml.device_by_index(index)?;
        let capability = device.cuda_compute_capability()?;
        Ok(Gpu {
            name: device.name()?,
            compute_capability: format!("{}.{}", capability.major, capability.minor),
            memory: device.memory_info().ok().map(|memory| GpuMemory {
                total: memory.total,
                free: memory.free,
            }),
        })
    });
    Ok(Driver {
        version: nvml.sys_driver_version()?,
        cuda: CudaVersion {
            major: cuda / 1000,
            minor: cuda % 1000 / 10,
        },
        gpus: gpus.collect::<Result<_, NvmlError>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_versions_compare_by_number() {
        let version = |major, minor| CudaVersion { major, minor };
        assert!(version(12, 9) < CUDA_NEEDED);
        assert!(version(13, 2) >= CUDA_NEEDED);
        assert_eq!(version(13, 0).to_string(), "13.0");
    }
}
