//! NVIDIA's compiler for kernels (NVRTC), which lies beside libtorch's CUDA libraries and is loaded when it is needed.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use crate::error::{Error, Result};
use crate::tensor::runtime::libtorch_folder;

const LIBRARY: &str = "libnvrtc.so.13";
/// What the compiler loads itself, but does not find beside itself.
const BUILTINS: &str = "libnvrtc-builtins.so.13.0";
/// Products and sums are rounded where they are written, as on the processor.
const OPTIONS: [&CStr; 2] = [c"--fmad=false", c"--std=c++17"];

type Program = *mut c_void;
type Create = unsafe extern "C" fn(
    *mut Program,
    *const c_char,
    *const c_char,
    c_int,
    *const c_void,
    *const c_void,
) -> c_int;
type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
type Length = unsafe extern "C" fn(Program, *mut usize) -> c_int;
type Copy = unsafe extern "C" fn(Program, *mut c_char) -> c_int;
type Destroy = unsafe extern "C" fn(*mut Program) -> c_int;

/// Returns the folder beside libtorch that its CUDA wheels put the compiler in.
pub fn usual_folder() -> Option<PathBuf> {
    let folder = libtorch_folder()?.join("../../nvidia/cu13/lib");
    folder.join(LIBRARY).exists().then_some(folder)
}

/// The loaded compiler.
pub struct Compiler(Library);

impl Compiler {
    /// Loads the compiler from `folder`, or from where the system looks for libraries.
    ///
    /// # Errors
    /// It is not there.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        let file = |name: &str| folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        // SAFETY: NVIDIA's libraries, whose initialisers set up nothing but themselves.
        unsafe {
            // What is missing here the compiler says itself.
            if let Ok(builtins) = Library::open(Some(file(BUILTINS)), RTLD_NOW | RTLD_GLOBAL) {
                std::mem::forget(builtins);
            }
            Library::open(Some(file(LIBRARY)), RTLD_NOW | RTLD_GLOBAL)
        }
        .map(Self)
        .map_err(|error| {
            Error::run(format!("the compiler for kernels cannot be loaded: {error}"))
                .hint("run `scripts/setup --cuda`, which brings it")
        })
    }

    /// Returns what the driver takes (PTX) for the program `text` and GPUs of the compute capability `capability`.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn compile(&self, text: &str, capability: (i32, i32)) -> Result<Vec<u8>> {
        let text = CString::new(text).map_err(|_| Error::run("a program holds no zero byte"))?;
        let architecture = CString::new(format!(
            "--gpu-architecture=compute_{}{}",
            capability.0, capability.1
        ))
        .map_err(|_| Error::run("a number holds no zero byte"))?;
        let mut program = null_mut();
        // SAFETY: the functions have these types in every version 13 of the library; the texts live through the calls.
        unsafe {
            let create: Create = self.function(b"nvrtcCreateProgram\0")?;
            let destroy: Destroy = self.function(b"nvrtcDestroyProgram\0")?;
            let name = c"saescript.cu".as_ptr();
            if create(&raw mut program, text.as_ptr(), name, 0, null(), null()) != 0 {
                return Err(Error::run("the compiler for kernels does not begin"));
            }
            let made = self.finish(program, &architecture);
            destroy(&raw mut program);
            made
        }
    }

    /// Compiles a program that was begun.
    ///
    /// # Safety
    /// `program` is one of this compiler's.
    unsafe fn finish(&self, program: Program, architecture: &CStr) -> Result<Vec<u8>> {
        // SAFETY: as in `compile`.
        unsafe {
            let compile: Compile = self.function(b"nvrtcCompileProgram\0")?;
            let options = [architecture.as_ptr(), OPTIONS[0].as_ptr(), OPTIONS[1].as_ptr()];
            if compile(program, options.len() as c_int, options.as_ptr()) == 0 {
                return self.text(program, b"nvrtcGetPTXSize\0", b"nvrtcGetPTX\0");
            }
            let said = self.text(program, b"nvrtcGetProgramLogSize\0", b"nvrtcGetProgramLog\0")?;
            let said = String::from_utf8_lossy(&said);
            let first = said.lines().find(|line| !line.trim().is_empty());
            Err(Error::run(format!(
                "the kernels cannot be compiled for this GPU ({}): {}",
                architecture.to_string_lossy(),
                first.unwrap_or("no reason is given").trim_end_matches('\0')
            )))
        }
    }

    /// Returns one of the texts of a program.
    ///
    /// # Safety
    /// As [`finish`](Self::finish); the names are those of functions that tell a length and copy a text.
    unsafe fn text(&self, program: Program, length: &[u8], copy: &[u8]) -> Result<Vec<u8>> {
        // SAFETY: the second function writes as many bytes as the first one says.
        unsafe {
            let (length, copy): (Length, Copy) = (self.function(length)?, self.function(copy)?);
            let mut bytes = 0;
            length(program, &raw mut bytes);
            let mut text = vec![0u8; bytes];
            copy(program, text.as_mut_ptr().cast());
            Ok(text)
        }
    }

    /// Returns a function of the library.
    ///
    /// # Safety
    /// The function has the type `F`, and is not called after the library is gone.
    unsafe fn function<F: std::marker::Copy>(&self, name: &[u8]) -> Result<F> {
        // SAFETY: promised.
        let found = unsafe { self.0.get::<F>(name) };
        found.map(|symbol| *symbol).map_err(|error| {
            Error::run(format!(
                "the compiler for kernels is another than version 13: {error}"
            ))
        })
    }
}
