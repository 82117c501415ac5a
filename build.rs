//! Checks that libtorch is there and of the right version, compiles the few lines of C++ in src/native, and tells the
//! linker where libtorch lies and where the finished program is to look for it.

use std::path::Path;
use std::{env, fs};

/// What tch is made for.
const LIBTORCH_VERSION: &str = "2.11.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Exported by torch-sys, whose `links` key is "tch", to its direct dependents only.
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder");
    let lib = Path::new(&lib);
    // Also notices a libtorch that went away after the build.
    println!(
        "cargo::rerun-if-changed={}",
        lib.join("libtorch_cpu.so").display()
    );
    match checked(lib) {
        Ok(()) => {
            // A program's own build.rs reads it as DEP_SAESCRIPT_LIBTORCH_LIB: what is linked below is told to the
            // programs of this crate only.
            let told = lib.canonicalize().unwrap_or_else(|_| lib.to_path_buf());
            println!("cargo::metadata=libtorch_lib={}", told.display());
            compile(lib);
            link(lib);
        }
        Err(problem) => println!("cargo::error={problem}"),
    }
}

fn checked(lib: &Path) -> Result<(), String> {
    let folder = lib.display();
    if !lib.join("libtorch_cpu.so").exists() {
        return Err(format!("there is no libtorch in {folder}: run scripts/setup"));
    }
    // Unlike torch-sys, which knows the version only of libtorch's zip archives.
    let header = lib.join("../include/torch/headeronly/version.h");
    match fs::read_to_string(header) {
        Ok(text) if !text.contains(&format!("\"{LIBTORCH_VERSION}\"")) => Err(format!(
            "libtorch {LIBTORCH_VERSION} is needed and {folder} holds another version: run scripts/setup"
        )),
        _ => Ok(()),
    }
}

fn compile(lib: &Path) {
    const SOURCES: [&str; 6] = [
        "src/native/attention.cpp",
        "src/native/calls.cpp",
        "src/native/parallel.cpp",
        "src/native/pending.cpp",
        "src/native/pool.cpp",
        "src/native/stream.cpp",
    ];
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        // With it libtorch's headers take twice as long.
        .debug(false)
        .opt_level(1)
        .flag("-fopenmp")
        .include(lib.join("../include"))
        .files(SOURCES)
        .compile("saescript_native");
}

fn link(lib: &Path) {
    println!("cargo::rustc-link-lib=torch_cpu");
    println!("cargo::rustc-link-lib=c10");
    // libtorch brings its own, and the compiler's stands in for it while linking.
    println!("cargo::rustc-link-lib=gomp");
    // RUNPATH rather than RPATH, so that LD_LIBRARY_PATH wins on another machine.
    println!("cargo::rustc-link-arg=-Wl,--enable-new-dtags");
    // Beside the program, then what the checkout links now, then the shared folder behind the link, so that a switch
    // to the CUDA set needs no rebuild and a moved checkout still runs.
    let mut places = vec![
        "$ORIGIN/libtorch/torch/lib".into(),
        "$ORIGIN/../lib".into(),
        lib.to_path_buf(),
    ];
    if let Ok(shared) = lib.canonicalize()
        && shared != lib
    {
        places.push(shared);
    }
    for place in places {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", place.display());
    }
}
