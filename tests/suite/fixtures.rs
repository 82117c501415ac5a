//! Reference numbers: a small set in the repository, and a larger one where `SAESCRIPT_FIXTURES` points to it.

use std::path::{Path, PathBuf};

use saescript::config::Value;
use saescript::tensor::safetensors::{self, SafeFile};
use saescript::tensor::{Device, Tensor};

/// The folders of the reference numbers of `area`: the one that ships, then the larger one where there is one.
pub fn roots(area: &str) -> Vec<PathBuf> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(area);
    let more = std::env::var_os("SAESCRIPT_FIXTURES").map(PathBuf::from);
    std::iter::once(shipped).chain(more).collect()
}

/// The JSON file at `path`.
pub fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The safetensors file at `path`.
pub fn tensors(path: impl AsRef<Path>) -> SafeFile {
    safetensors::read(path).unwrap_or_else(|error| panic!("{error}"))
}

/// One tensor of a file, as it is stored.
pub fn tensor(file: &SafeFile, name: &str) -> Tensor {
    file.tensor(name, Device::Cpu, None)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// `max |ours − theirs| / max |theirs|`.
pub fn distance(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.size(), theirs.size(), "shapes differ");
    let double = |x: &Tensor| x.detach().to_kind(tch::Kind::Double);
    let (ours, theirs) = (double(ours), double(theirs));
    let scale = theirs.abs().max().double_value(&[]).max(1e-30);
    (ours - theirs).abs().max().double_value(&[]) / scale
}

/// Every folder directly below `folder` in each of the [`roots`] of `area`, sorted.
pub fn folders(area: &str, folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = roots(area)
        .iter()
        .filter_map(|root| std::fs::read_dir(root.join(folder)).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}
