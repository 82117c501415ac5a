use std::path::PathBuf;

use crate::kernels::cuda::nvrtc::{Compiler, usual_folder};
use crate::kernels::cuda::program;

/// Where NVIDIA's compiler is: where the variable says, beside libtorch, or where scripts/test-tools puts it.
fn compiler() -> Option<Compiler> {
    let named = std::env::var_os("SAESCRIPT_NVRTC").map(PathBuf::from);
    let folder = named.or_else(usual_folder).or_else(installed_folder)?;
    Some(Compiler::load(Some(&folder)).expect("the compiler that is there is loaded"))
}

fn installed_folder() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    let folder = cache.join("saescript/nvrtc/site/nvidia/cu13/lib");
    folder.is_dir().then_some(folder)
}

#[test]
#[expect(clippy::print_stderr)]
fn every_kernel_compiles_for_the_architectures_that_are_promised() {
    let Some(compiler) = compiler() else {
        eprintln!("skipped: SAESCRIPT_NVRTC=$(scripts/test-tools nvrtc) names NVIDIA's compiler");
        return;
    };
    for capability in [(8, 0), (9, 0)] {
        let image = compiler.compile(&program::text(), capability).expect("no errors");
        let image = String::from_utf8_lossy(&image);
        let target = format!(".target sm_{}{}", capability.0, capability.1);
        assert!(image.contains(&target), "{}", &image[..300.min(image.len())]);
        for name in program::kernels() {
            assert!(image.contains(&format!(".entry {name}(")), "{name}");
        }
        // Contracted products would give other bits than the processor.
        let contracted = image.lines().filter(|line| line.contains("fma.rn.f64"));
        assert_eq!(contracted.count(), 0);
    }
    let broken = program::text().replace("block_before(here", "no_such_function(here");
    let error = compiler.compile(&broken, (9, 0)).expect_err("an error");
    assert!(
        error.message().contains("no_such_function"),
        "{}",
        error.message()
    );
}

#[test]
fn the_names_of_the_kernels_are_read_from_their_text() {
    let names = program::kernels();
    assert!(
        names.contains(&"screen_rows") && names.contains(&"adam_move"),
        "{names:?}"
    );
    assert!(
        names
            .iter()
            .all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    );
}
