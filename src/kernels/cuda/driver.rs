//! The driver's library (libcuda), loaded at run time: one GPU's context, modules and launches.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr::{null, null_mut};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::launcher::Grid;
use crate::error::{Error, Result};
use crate::tensor::device_failed;

/// What the driver's functions return; 0 is success.
pub(super) type Code = c_int;
/// Something of the driver's; null for none.
pub type Handle = *mut c_void;

/// Attributes of a device, by the driver's numbers.
const CAPABILITY: [c_int; 2] = [75, 76];

type Launch = unsafe extern "C" fn(
    Handle,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    Handle,
    *mut *mut c_void,
    *mut *mut c_void,
) -> Code;

type AddNode = unsafe extern "C" fn(*mut Handle, Handle, *const Handle, usize, *const NodeParameters) -> Code;

/// What a node of a graph starts: CUDA_KERNEL_NODE_PARAMS_v2.
#[repr(C)]
#[derive(Debug)]
pub(super) struct NodeParameters {
    pub(super) function: Handle,
    pub(super) blocks: [c_uint; 3],
    pub(super) threads: [c_uint; 3],
    pub(super) shared_bytes: c_uint,
    pub(super) arguments: *mut *mut c_void,
    pub(super) extra: *mut *mut c_void,
    /// Looked at only where there is no function.
    pub(super) kernel: Handle,
    pub(super) context: Handle,
}

/// The functions that are used.
#[derive(Debug)]
pub(super) struct Functions {
    pub(super) init: unsafe extern "C" fn(c_uint) -> Code,
    pub(super) version: unsafe extern "C" fn(*mut c_int) -> Code,
    pub(super) device: unsafe extern "C" fn(*mut c_int, c_int) -> Code,
    pub(super) attribute: unsafe extern "C" fn(*mut c_int, c_int, c_int) -> Code,
    pub(super) retain: unsafe extern "C" fn(*mut Handle, c_int) -> Code,
    pub(super) push: unsafe extern "C" fn(Handle) -> Code,
    pub(super) pop: unsafe extern "C" fn(*mut Handle) -> Code,
    pub(super) load: unsafe extern "C" fn(*mut Handle, *const c_void) -> Code,
    pub(super) function: unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> Code,
    pub(super) launch: Launch,
    pub(super) make_graph: unsafe extern "C" fn(*mut Handle, c_uint) -> Code,
    pub(super) add_node: AddNode,
    pub(super) instantiate: unsafe extern "C" fn(*mut Handle, Handle, c_ulonglong) -> Code,
    pub(super) upload: unsafe extern "C" fn(Handle, Handle) -> Code,
    pub(super) set_node: unsafe extern "C" fn(Handle, Handle, *const NodeParameters) -> Code,
    pub(super) launch_graph: unsafe extern "C" fn(Handle, Handle) -> Code,
    pub(super) destroy_executable: unsafe extern "C" fn(Handle) -> Code,
    pub(super) destroy_graph: unsafe extern "C" fn(Handle) -> Code,
    pub(super) name: unsafe extern "C" fn(Code, *mut *const c_char) -> Code,
    pub(super) text: unsafe extern "C" fn(Code, *mut *const c_char) -> Code,
}

impl Functions {
    fn of(library: &Library) -> std::result::Result<Self, libloading::Error> {
        // SAFETY: the driver's functions of these names have had these types since CUDA 12, and the library stays loaded.
        unsafe {
            Ok(Self {
                init: *library.get(b"cuInit\0")?,
                version: *library.get(b"cuDriverGetVersion\0")?,
                device: *library.get(b"cuDeviceGet\0")?,
                attribute: *library.get(b"cuDeviceGetAttribute\0")?,
                retain: *library.get(b"cuDevicePrimaryCtxRetain\0")?,
                push: *library.get(b"cuCtxPushCurrent_v2\0")?,
                pop: *library.get(b"cuCtxPopCurrent_v2\0")?,
                load: *library.get(b"cuModuleLoadData\0")?,
                function: *library.get(b"cuModuleGetFunction\0")?,
                launch: *library.get(b"cuLaunchKernel\0")?,
                make_graph: *library.get(b"cuGraphCreate\0")?,
                add_node: *library.get(b"cuGraphAddKernelNode_v2\0")?,
                instantiate: *library.get(b"cuGraphInstantiateWithFlags\0")?,
                upload: *library.get(b"cuGraphUpload\0")?,
                set_node: *library.get(b"cuGraphExecKernelNodeSetParams_v2\0")?,
                launch_graph: *library.get(b"cuGraphLaunch\0")?,
                destroy_executable: *library.get(b"cuGraphExecDestroy\0")?,
                destroy_graph: *library.get(b"cuGraphDestroy\0")?,
                name: *library.get(b"cuGetErrorName\0")?,
                text: *library.get(b"cuGetErrorString\0")?,
            })
        }
    }
}

/// A function with all that it is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The kernel's name, for messages.
    pub kernel: &'static str,
    /// The driver's function.
    pub function: Handle,
    /// How many blocks run it.
    pub grid: Grid,
    /// Threads of a block.
    pub threads: i64,
    /// Its arguments, each of 8 bytes.
    pub arguments: Vec<u64>,
}

impl Start {
    /// Returns the blocks in each direction.
    pub(super) fn blocks(&self) -> [c_uint; 3] {
        [self.grid.blocks as c_uint, self.grid.shares as c_uint, 1]
    }

    /// Returns the threads of a block in each direction.
    pub(super) fn threads(&self) -> [c_uint; 3] {
        [self.threads as c_uint, 1, 1]
    }
}

/// Returns where each of the arguments is, as the driver reads them.
pub(super) fn places_of(arguments: &mut [u64]) -> Vec<*mut c_void> {
    arguments
        .iter_mut()
        .map(|slot| std::ptr::from_mut(slot).cast())
        .collect()
}

/// One GPU as the driver knows it, with the context that libtorch uses too.
#[derive(Debug)]
pub struct Gpu {
    functions: Functions,
    index: usize,
    context: Handle,
    /// Its compute capability.
    pub capability: (i32, i32),
    /// The newest CUDA that the driver runs, 13000 for 13.0.
    pub version: i32,
    /// Last, so that it outlives the functions; none where they are somebody else's.
    _library: Option<Library>,
}

impl Gpu {
    /// Returns a GPU that nobody has opened, whose driver are these functions.
    #[cfg(test)]
    pub(super) fn played_by(functions: Functions) -> Self {
        Self {
            functions,
            index: 0,
            context: null_mut(),
            capability: (9, 0),
            version: 13_000,
            _library: None,
        }
    }

    /// Opens the GPU `index`, counted as libtorch counts: those that `CUDA_VISIBLE_DEVICES` leaves.
    ///
    /// # Errors
    /// There is no driver, or no such GPU.
    pub fn open(index: usize) -> Result<Self> {
        // SAFETY: libtorch_cuda loads it as well; it does nothing before it is asked.
        let opened = unsafe { Library::open(Some("libcuda.so.1"), RTLD_NOW | RTLD_LOCAL) };
        let loaded = opened.and_then(|library| Ok((Functions::of(&library)?, library)));
        let (functions, library) = loaded
            .map_err(|error| Error::run(format!("the NVIDIA driver's library cannot be used: {error}")))?;
        let mut gpu = Self {
            functions,
            index,
            context: null_mut(),
            capability: (0, 0),
            version: 0,
            _library: Some(library),
        };
        gpu.enter()?;
        Ok(gpu)
    }

    fn enter(&mut self) -> Result<()> {
        let functions = &self.functions;
        let (mut device, mut context, mut version) = (0, null_mut(), 0);
        let mut capability = [0; 2];
        // SAFETY: each function writes one value to a place of its type.
        let codes = unsafe {
            [
                (functions.init)(0),
                (functions.device)(&raw mut device, self.index as c_int),
                (functions.version)(&raw mut version),
                (functions.attribute)(&raw mut capability[0], CAPABILITY[0], device),
                (functions.attribute)(&raw mut capability[1], CAPABILITY[1], device),
                (functions.retain)(&raw mut context, device),
            ]
        };
        for code in codes {
            self.check(code, "opened")?;
        }
        self.context = context;
        self.version = version;
        self.capability = (capability[0], capability[1]);
        Ok(())
    }

    /// Loads a compiled program, which stays loaded, and returns its functions of these names.
    ///
    /// # Errors
    /// The driver refuses it; it lacks one of them.
    pub fn load(&self, image: &[u8], names: &[&'static str]) -> Result<Vec<Handle>> {
        let mut image = image.to_vec();
        // The driver reads a text up to its end.
        image.push(0);
        self.within(|functions| {
            let mut module = null_mut();
            // SAFETY: the image is a text with an end.
            self.check(
                unsafe { (functions.load)(&raw mut module, image.as_ptr().cast()) },
                "given its kernels",
            )?;
            let one = |name: &&str| {
                let name = CString::new(*name).map_err(|_| Error::run("a name holds no zero byte"))?;
                let mut function = null_mut();
                // SAFETY: the module was loaded just now, and the name has an end.
                let code = unsafe { (functions.function)(&raw mut function, module, name.as_ptr()) };
                self.check(code, "asked for a kernel").map(|()| function)
            };
            names.iter().map(one).collect()
        })
    }

    /// Starts a function on a stream.
    ///
    /// # Errors
    /// The GPU failed, now or in what was started before.
    ///
    /// # Safety
    /// The arguments are of the function's types, and tensors among them live until it has run and are as large as it
    /// takes them to be.
    pub unsafe fn launch(&self, start: &Start, stream: Handle) -> Result<()> {
        self.within(|functions| {
            let mut slots = start.arguments.clone();
            let mut places = places_of(&mut slots);
            let [[blocks, shares, one], [threads, ..]] = [start.blocks(), start.threads()];
            // SAFETY: promised; the driver copies the arguments before it returns.
            let code = unsafe {
                (functions.launch)(
                    start.function,
                    blocks,
                    shares,
                    one,
                    threads,
                    1,
                    1,
                    0,
                    stream,
                    places.as_mut_ptr(),
                    null_mut(),
                )
            };
            self.check(code, &format!("starting the kernel {}", start.kernel))
        })
    }

    /// Calls `work` with this GPU's context as the current one, and puts back what was.
    pub(super) fn within<T>(&self, work: impl FnOnce(&Functions) -> Result<T>) -> Result<T> {
        // SAFETY: the context is retained for as long as the process runs.
        self.check(unsafe { (self.functions.push)(self.context) }, "used")?;
        let done = work(&self.functions);
        let mut before = null_mut();
        // SAFETY: it takes off what was put on above.
        unsafe { (self.functions.pop)(&raw mut before) };
        done
    }

    pub(super) fn check(&self, code: Code, what: &str) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        let (mut name, mut text) = (null(), null());
        // SAFETY: both write a pointer to a text that stays, or leave null for a code they do not know.
        let said = unsafe {
            (self.functions.name)(code, &raw mut name);
            (self.functions.text)(code, &raw mut text);
            [name, text].map(|said: *const c_char| {
                (!said.is_null()).then(|| CStr::from_ptr(said).to_string_lossy().into_owned())
            })
        };
        Err(failure(self.index, code, said, what))
    }
}

/// Returns what to say of a failure of the GPU `index` while it was `what`.
fn failure(index: usize, code: Code, [name, text]: [Option<String>; 2], what: &str) -> Error {
    let name = name.unwrap_or_else(|| format!("error {code}"));
    let text = text.map(|text| format!(", {text}")).unwrap_or_default();
    let message = format!("the GPU cuda:{index} failed while it was {what}: {name}{text}");
    if name.contains("OUT_OF_MEMORY") {
        return Error::out_of_memory(message)
            .hint("use a smaller batch, or see with `nvidia-smi` who else uses the GPU");
    }
    device_failed(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_gpu_what_it_did_and_what_to_do() {
        let said = |text: &str| Some(text.to_string());
        let lost = failure(
            1,
            719,
            [
                said("CUDA_ERROR_LAUNCH_FAILED"),
                said("unspecified launch failure"),
            ],
            "used",
        );
        assert_eq!(
            lost.message(),
            "the GPU cuda:1 failed while it was used: CUDA_ERROR_LAUNCH_FAILED, unspecified launch failure"
        );
        assert_eq!(*lost.subject(), crate::error::Subject::DeviceFailure);
        assert!(lost.hints().iter().any(|hint| hint.contains("checkpoint")));
        let full = failure(0, 2, [said("CUDA_ERROR_OUT_OF_MEMORY"), None], "opened");
        assert!(full.hints()[0].contains("smaller batch"));
        assert!(
            failure(0, 12345, [None, None], "used")
                .message()
                .ends_with("error 12345")
        );
    }
}
