//! The libtorch that this process runs with, and its CUDA half.
//!
//! The program links only libtorch_cpu, so that one binary serves machines with and without a GPU. [`start`] loads
//! libtorch_cuda where it lies beside libtorch_cpu and a driver is present. libtorch looks for its CUDA functions once
//! and remembers the answer, so this must come before the first tensor.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};

use super::gpu::{self, CudaVersion};
use super::memory;
use crate::error::{Error, Result};
use crate::native::attention;

/// The version of libtorch that tch is made for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Whether libtorch's CUDA half takes part in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CudaLibrary {
    /// libtorch was set up without its CUDA libraries.
    Absent,
    /// There is no NVIDIA driver, so nothing was loaded.
    NoDriver,
    /// The driver is too old for the CUDA libraries, so nothing was loaded.
    OldDriver {
        /// The driver's version.
        driver: String,
        /// The newest CUDA it can run.
        cuda: CudaVersion,
    },
    /// Loaded. A GPU may still be missing or hidden.
    Loaded,
    /// It lies there and cannot be loaded; the loader's reason.
    Failed(String),
}

/// Threads for each processor that libtorch may be told to compute with.
const THREADS_PER_PROCESSOR: i64 = 4;

/// Sets the number of threads that libtorch computes with.
///
/// # Errors
/// Less than 1, or more than four for each processor: each takes memory, and beyond the processors none helps.
pub fn set_threads(threads: i64) -> Result<()> {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as i64);
    let most = processors * THREADS_PER_PROCESSOR;
    match i32::try_from(threads) {
        Ok(count) if threads >= 1 && threads <= most => {
            tch::set_num_threads(count);
            Ok(())
        }
        _ => Err(Error::input(format!(
            "the number of threads is 1 to {most}, four for each of {processors} processors, but was given {threads}"
        ))),
    }
}

/// Returns whether two threads can have libtorch compute at the same time, each on cores of its own.
pub fn has_cores_for_two() -> bool {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as i64);
    processors >= 2 * i64::from(tch::get_num_threads())
}

/// Why CUDA cannot be used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaObstacle {
    /// Half a sentence: "there is no NVIDIA driver".
    pub reason: String,
    /// What to do, if anything can be done.
    pub advice: Option<String>,
}

/// Loads libtorch_cuda if it is there and a driver is present, and has freed memory kept for the next tensor; once per
/// process, later calls return the same answer.
///
/// Call it before the first tensor is made. Takes up to a second where there is a driver and no time where there is
/// none, so that `--help` need not wait for it.
pub fn start() -> &'static CudaLibrary {
    static LIBRARY: OnceLock<CudaLibrary> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        memory::keep_freed();
        silence_warnings();
        let library = match libtorch_folder() {
            Some(folder) => load(&folder.join("libtorch_cuda.so")),
            None => CudaLibrary::Absent,
        };
        attention::without_cudnn();
        library
    })
}

/// libtorch's messages up to this level are not printed: 2 stands for errors, 1 for warnings.
const LEAST_PRINTED: libc::c_int = 2;

unsafe extern "C" {
    /// The level from which on libc10 prints, a plain number.
    #[allow(non_upper_case_globals)]
    static mut FLAGS_caffe2_log_level: libc::c_int;
}

/// Keeps libtorch from printing warnings, which speak of C++ files, on stderr between what the program says.
fn silence_warnings() {
    // SAFETY: a plain number that libc10 exports, written before there are threads that compute.
    unsafe { FLAGS_caffe2_log_level = LEAST_PRINTED };
}

fn load(library: &Path) -> CudaLibrary {
    if !library.exists() {
        return CudaLibrary::Absent;
    }
    if !driver_library() {
        return CudaLibrary::NoDriver;
    }
    if let Some(driver) = gpu::driver()
        && driver.cuda < gpu::CUDA_NEEDED
    {
        return CudaLibrary::OldDriver {
            driver: driver.version,
            cuda: driver.cuda,
        };
    }
    // SAFETY: the library's initialisers only register it with the libtorch_cpu already loaded, which is of the same
    // build because it lies in the same folder.
    match unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(loaded) => {
            std::mem::forget(loaded); // libtorch_cpu points into it from now on
            CudaLibrary::Loaded
        }
        Err(error) => CudaLibrary::Failed(error.to_string()),
    }
}

/// Is the driver's user-space half there? In a container that was given no GPU it is not, whatever the kernel has.
fn driver_library() -> bool {
    // SAFETY: libcuda does nothing before cuInit, and libtorch_cuda is about to load it anyway.
    unsafe { Library::open(Some("libcuda.so.1"), RTLD_NOW | RTLD_LOCAL) }.is_ok()
}

fn driver_in_kernel() -> bool {
    ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"]
        .iter()
        .any(|path| Path::new(path).exists())
}

/// Which GPUs the driver shows to a process, by number or name; none where it is empty.
pub const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// Returns whether tensors can be put on a GPU.
pub fn cuda_usable() -> bool {
    cuda_obstacle().is_none()
}

/// Returns what keeps CUDA from being used; `None` if nothing does.
pub fn cuda_obstacle() -> Option<CudaObstacle> {
    let (reason, advice) = match start() {
        CudaLibrary::Absent if driver_library() => (
            "libtorch was set up without its CUDA libraries".into(),
            "run `scripts/setup --cuda`".into(),
        ),
        CudaLibrary::Absent | CudaLibrary::NoDriver if driver_in_kernel() => (
            "the NVIDIA driver's library libcuda.so.1 is missing".into(),
            "in a container, start it with access to the GPU (`--gpus all`); else reinstall the driver"
                .into(),
        ),
        CudaLibrary::Absent | CudaLibrary::NoDriver => ("there is no NVIDIA driver".into(), String::new()),
        CudaLibrary::OldDriver { driver, cuda } => (
            format!("the NVIDIA driver {driver} runs CUDA {cuda} at most"),
            format!("update the driver to one for CUDA {} or newer", gpu::CUDA_NEEDED),
        ),
        CudaLibrary::Failed(reason) => (
            format!("libtorch_cuda.so cannot be loaded: {reason}"),
            "run `scripts/setup --cuda`, or check LD_LIBRARY_PATH if it is set".into(),
        ),
        CudaLibrary::Loaded if tch::Cuda::is_available() => return None,
        CudaLibrary::Loaded => match env::var(VISIBLE) {
            Ok(visible) => (
                format!("{VISIBLE}=\"{visible}\" leaves no usable GPU"),
                "unset CUDA_VISIBLE_DEVICES or name a GPU that `nvidia-smi` lists".into(),
            ),
            Err(_) => (
                "the NVIDIA driver finds no GPU".into(),
                "check `nvidia-smi`".into(),
            ),
        },
    };
    Some(CudaObstacle {
        reason,
        advice: Some(advice).filter(|advice: &String| !advice.is_empty()),
    })
}

/// Returns the folder of the libtorch_cpu.so that this process runs with.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = fs::read("/proc/self/maps").ok()?;
    let path = maps.split(|byte| *byte == b'\n').find_map(|line| {
        let start = line.iter().position(|byte| *byte == b'/')?;
        line.ends_with(b"/libtorch_cpu.so").then(|| &line[start..])
    })?;
    Path::new(OsStr::from_bytes(path)).parent().map(Path::to_path_buf)
}

/// Returns the version of that libtorch, from the files around it; `None` if they are not there.
pub fn libtorch_version() -> Option<String> {
    let folder = libtorch_folder()?;
    let root = folder.parent()?;
    // A header, an archive's version file, or that of the Python package: whichever came along.
    let named = |file: &str, before: &str| {
        let text = fs::read_to_string(root.join(file)).ok()?;
        let rest = &text[text.find(before)? + before.len()..];
        let version = rest.trim_start_matches([' ', '\\', '\n', '=', '\'', '"']);
        let end = version.find(['\'', '"', '\n']).unwrap_or(version.len());
        Some(version[..end].trim().to_string())
    };
    named("build-version", "")
        .or_else(|| named("include/torch/headeronly/version.h", "#define TORCH_VERSION \\"))
        .or_else(|| named("version.py", "__version__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_libtorch_in_use() {
        let _ = tch::utils::has_openmp(); // any call, so that the library is linked
        let folder = libtorch_folder().expect("libtorch_cpu is mapped");
        assert!(folder.join("libc10.so").exists(), "{}", folder.display());
        let version = libtorch_version().expect("the headers lie beside");
        assert_eq!(version.split('+').next(), Some(LIBTORCH_VERSION));
    }

    #[test]
    fn cuda_is_usable_or_something_says_why_not() {
        let library = start();
        assert_eq!(library, start());
        match cuda_obstacle() {
            None => assert_eq!(*library, CudaLibrary::Loaded),
            Some(obstacle) => assert!(!tch::Cuda::is_available(), "{obstacle:?}"),
        }
    }

    #[test]
    fn a_broken_cuda_library_is_reported_with_its_reason() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let library = folder.path().join("libtorch_cuda.so");
        assert_eq!(load(&library), CudaLibrary::Absent);
        fs::write(&library, "not a library").expect("writable");
        match load(&library) {
            CudaLibrary::Failed(reason) => assert!(reason.contains("libtorch_cuda.so"), "{reason}"),
            other => assert!(!driver_library() && other == CudaLibrary::NoDriver, "{other:?}"),
        }
    }
}
