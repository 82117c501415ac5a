//! Runs the text of the kernels on the processor, for tests: compiled by the C++ compiler that builds this program, with a
//! header that plays the part of a GPU.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use libloading::os::unix::{Library, Symbol};

use super::launcher::{Argument, Grid, Launcher};
use super::program;
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

type Emulate = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    c_uint,
    c_uint,
    c_uint,
    *mut *mut c_void,
    c_int,
) -> c_int;

/// A processor that plays a GPU.
#[derive(Clone, Copy, Debug)]
pub struct Emulated {
    /// Blocks and their threads run from the last to the first.
    pub reversed: bool,
    /// Threads of a block, whole warps.
    pub threads: i64,
}

/// Compiles the kernels, once for each text: into the folder of this build, which other processes of the tests share.
fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let text = whole_text();
        let name = format!(
            "kernels-{:08x}-{}.so",
            crc32c::crc32c(text.as_bytes()),
            text.len()
        );
        let shared = Path::new(env!("OUT_DIR")).join(name);
        if !shared.exists() {
            let made = compile(&text);
            // Whole or not at all; a folder that cannot be written has none.
            let staged = shared.with_extension(std::process::id().to_string());
            let _ = std::fs::copy(made.path().join(MADE), &staged)
                .and_then(|_| std::fs::rename(&staged, &shared));
            if !shared.exists() {
                return open(&made.path().join(MADE));
            }
        }
        open(&shared)
    })
}

const MADE: &str = "kernels.so";

/// Compiles a text into a library in a folder of its own.
fn compile(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("kernels.cpp");
    std::fs::write(&source, text).expect("writable");
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let said = Command::new(&compiler)
        .args(OPTIONS)
        .arg(&source)
        .arg("-o")
        .arg(folder.path().join(MADE))
        .output()
        .expect("a C++ compiler, which also builds this program");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    folder
}

/// Products and sums are rounded where they are written, as on a GPU.
const OPTIONS: [&str; 8] = [
    "-std=c++17",
    "-O1",
    "-ffp-contract=off",
    "-Wall",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-shared",
    "-fPIC",
];

fn open(file: &Path) -> Library {
    // SAFETY: its initialisers make nothing but empty variables of its own.
    unsafe { Library::new(file) }.expect("a library")
}

/// The header, the kernels, the table of them, and what looks one up.
fn whole_text() -> String {
    let entries: String = program::kernels()
        .iter()
        .map(|name| {
            format!("{{\"{name}\", emulated::Call<&{name}>::body, emulated::Call<&{name}>::letters}},\n")
        })
        .collect();
    [
        include_str!("emulate.h"),
        &program::text(),
        "static const emulated::Entry TABLE[] = {\n",
        &entries,
        "};\n",
        include_str!("table.h"),
    ]
    .concat()
}

impl Launcher for Emulated {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn threads(&self) -> i64 {
        self.threads
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()> {
        let name = CString::new(kernel).expect("a name");
        let letters: String = arguments.iter().map(letter).collect();
        let letters = CString::new(letters).expect("letters");
        let mut slots: Vec<u64> = arguments.iter().map(|argument| argument.bits()).collect();
        let mut places: Vec<*mut c_void> = slots.iter_mut().map(|slot| (slot as *mut u64).cast()).collect();
        let (blocks, rows) = (grid.blocks as c_uint, grid.shares as c_uint);
        // SAFETY: the function is compiled from `table.h`, which declares it so. It checks number and kinds of the
        // arguments; that the tensors have the sizes that the kernel takes them to have is what is tested.
        let code = unsafe {
            let emulate: Symbol<Emulate> = library().get(b"emulate\0").expect("a function");
            emulate(
                name.as_ptr(),
                letters.as_ptr(),
                blocks,
                rows,
                self.threads as c_uint,
                places.as_mut_ptr(),
                c_int::from(self.reversed),
            )
        };
        match code {
            0 => Ok(()),
            1 => Err(Error::run(format!("there is no kernel {kernel}"))),
            2 => Err(Error::run(format!(
                "the kernel {kernel} has other parameters than {letters:?}"
            ))),
            _ => Err(Error::run(format!("the threads of {kernel} wait for each other"))),
        }
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        let wide = |x: &Tensor| x.f_to_kind(Kind::Float);
        Ok(wide(left)?.f_matmul(&wide(right)?.f_tr()?)?)
    }
}

fn letter(argument: &Argument<'_>) -> char {
    match argument {
        Argument::Place(_) => 'p',
        Argument::Whole(_) => 'w',
        Argument::Real(_) => 'd',
    }
}
