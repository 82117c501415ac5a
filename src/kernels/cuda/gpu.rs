//! A launcher for one GPU.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::deferred::Deferred;
use super::driver::{Gpu, Handle, Start};
use super::graphs::Graphs;
use super::launcher::{Argument, Grid, Launch, Launcher};
use super::nvrtc::{Compiler, usual_folder};
use super::{probe, program, stored};
use crate::error::{Error, Result, Subject};
use crate::native::stream;
use crate::tensor::{Device, Kind, Tensor, device_failed};

/// Asks, as `1`, that kernels that follow each other be started together. It is asked for until it has run on a GPU.
const GRAPHS: &str = "SAESCRIPT_CUDA_GRAPH";

/// Compiles the kernels for a GPU, or takes what was compiled before, loads them, and compares them with libtorch on a few
/// numbers. With `SAESCRIPT_CUDA_GRAPH=1` kernels that follow each other are started together, by graphs.
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
        graphs: RefCell::default(),
    };
    probe::compare(&loaded, probe::TOKENS)?;
    if std::env::var_os(GRAPHS).is_none_or(|asked| asked != "1") {
        return Ok(Rc::new(loaded));
    }
    let deferred = Deferred::new(loaded);
    compare_graphs(&deferred)?;
    Ok(deferred)
}

/// Compares once more by way of graphs: as they are made, as they are, and changed. Where they differ, there are none.
///
/// # Errors
/// The GPU failed.
fn compare_graphs(deferred: &Deferred<Loaded>) -> Result<()> {
    for tokens in [probe::TOKENS, probe::TOKENS, probe::TOKENS, probe::MORE_TOKENS] {
        let compared = probe::compare(deferred, tokens);
        match deferred.flush().and(compared) {
            Err(error) if *error.subject() != Subject::DeviceFailure => {
                let loaded = deferred.launcher();
                loaded.graphs.borrow_mut().turn_off(&loaded.gpu, &error);
                return Ok(());
            }
            compared => compared?,
        }
    }
    Ok(())
}

/// A GPU with the kernels.
#[derive(Debug)]
struct Loaded {
    gpu: Gpu,
    index: usize,
    functions: BTreeMap<&'static str, Handle>,
    graphs: RefCell<Graphs>,
}

impl Loaded {
    fn start(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<Start> {
        let (&kernel, &function) = self
            .functions
            .get_key_value(kernel)
            .ok_or_else(|| Error::run(format!("there is no kernel {kernel}")))?;
        Ok(Start {
            kernel,
            function,
            grid,
            threads: self.threads(),
            arguments: arguments.iter().map(|argument| argument.bits()).collect(),
        })
    }

    /// Returns the stream that libtorch works on.
    fn stream(&self) -> Result<Handle> {
        stream::current(self.index)
            .ok_or_else(|| device_failed(format!("libtorch has no stream on cuda:{} any more", self.index)))
    }
}

impl Launcher for Loaded {
    fn device(&self) -> Device {
        Device::Cuda(self.index)
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()> {
        let start = self.start(kernel, grid, arguments)?;
        // SAFETY: the operations of this folder give each kernel the arguments of its text, which tests compare; libtorch
        // gives memory that was freed on a stream only to what comes later on the same stream.
        unsafe { self.gpu.launch(&start, self.stream()?) }
    }

    fn launch_all(&self, launches: &[Launch]) -> Result<()> {
        let starts = launches
            .iter()
            .map(|launch| self.start(&launch.kernel, launch.grid, &launch.arguments()));
        let starts = starts.collect::<Result<_>>()?;
        // SAFETY: as above; the launches hold their tensors.
        unsafe { self.graphs.borrow_mut().launch(&self.gpu, starts, self.stream()?) }
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        // With numbers in float32 as the result, no part of the sum is kept in float16.
        Ok(left.f_mm_dtype(&right.f_tr()?, Kind::Float)?)
    }

    fn remark(&self) -> Option<String> {
        self.graphs.borrow_mut().remark()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.graphs.get_mut().clear(&self.gpu);
    }
}
