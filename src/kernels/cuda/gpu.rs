//! A launcher for one GPU.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::rc::Rc;

use super::driver::{Gpu, Handle};
use super::launcher::{Argument, Grid, Launcher};
use super::nvrtc::{Compiler, usual_folder};
use super::{probe, program, stored};
use crate::error::{Error, Result};
use crate::native::stream;
use crate::tensor::{Device, Kind, Tensor, device_failed};

/// Compiles the kernels for a GPU, or takes what was compiled before, loads them, and compares them with libtorch on a few
/// numbers.
///
/// # Errors
/// The device is no GPU; compiler or driver refuse the kernels; what they give differs.
pub fn load(device: Device) -> Result<Rc<dyn Launcher>> {
    let Device::Cuda(index) = device else {
        return Err(Error::run("kernels for GPUs need a GPU"));
    };
    let gpu = Gpu::open(index)?;
    let text = program::text();
    let (major, minor) = gpu.capability;
    let facts = [
        text.as_str(),
        &format!("{major}.{minor}"),
        &gpu.version.to_string(),
    ];
    let image = stored::kept(&facts, || {
        Compiler::load(usual_folder().as_deref())?.compile(&text, gpu.capability)
    })?;
    let names = program::kernels();
    let functions = gpu.load(&image, &names)?;
    let loaded = Loaded {
        functions: names.into_iter().zip(functions).collect(),
        gpu,
        index,
    };
    probe::compare(&loaded)?;
    Ok(Rc::new(loaded))
}

/// A GPU with the kernels.
#[derive(Debug)]
struct Loaded {
    gpu: Gpu,
    index: usize,
    functions: BTreeMap<&'static str, Handle>,
}

impl Launcher for Loaded {
    fn device(&self) -> Device {
        Device::Cuda(self.index)
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument]) -> Result<()> {
        let function = self
            .functions
            .get(kernel)
            .ok_or_else(|| Error::run(format!("there is no kernel {kernel}")))?;
        let stream = stream::current(self.index).ok_or_else(|| {
            device_failed(format!("libtorch has no stream on cuda:{} any more", self.index))
        })?;
        let mut slots: Vec<u64> = arguments.iter().map(|argument| argument.bits()).collect();
        let mut places: Vec<*mut c_void> = slots
            .iter_mut()
            .map(|slot| std::ptr::from_mut(slot).cast())
            .collect();
        let what = format!("starting the kernel {kernel}");
        // SAFETY: the operations of this folder give each kernel the arguments of its text, which tests compare; libtorch
        // gives memory that was freed on a stream only to what comes later on the same stream.
        unsafe {
            self.gpu
                .launch(*function, (grid, self.threads()), stream, &mut places, &what)
        }
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        // With numbers in float32 as the result, no part of the sum is kept in float16.
        Ok(left.f_mm_dtype(&right.f_tr()?, Kind::Float)?)
    }
}
