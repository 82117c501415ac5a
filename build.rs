//! Tells the linker where libtorch lies and where the finished program is to look for it.

use std::path::Path;

fn main() {
    // Exported by torch-sys, whose `links` key is "tch", to its direct dependents only.
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder");
    // The shared folder behind the checkout's link, so that a moved checkout still runs.
    let lib = Path::new(&lib).canonicalize().unwrap_or_else(|_| lib.into());
    println!("cargo::rustc-link-lib=torch_cpu");
    println!("cargo::rustc-link-lib=c10");
    // RUNPATH rather than RPATH, so that LD_LIBRARY_PATH wins on another machine.
    println!("cargo::rustc-link-arg=-Wl,--enable-new-dtags");
    println!(
        "cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/libtorch/torch/lib:$ORIGIN/../lib:{}",
        lib.display()
    );
    println!("cargo::rustc-env=SAESCRIPT_LIBTORCH={}", lib.display());
    println!("cargo::rerun-if-changed=build.rs");
}
