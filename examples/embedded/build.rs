//! Tells the linker where the finished program looks for libtorch: beside itself first, then where it was built with.

fn main() {
    let libtorch = std::env::var("DEP_SAESCRIPT_LIBTORCH_LIB").expect("saescript names it");
    println!(
        "cargo::rustc-link-arg=-Wl,--enable-new-dtags,-rpath,$ORIGIN/libtorch/torch/lib,-rpath,{libtorch}"
    );
}
