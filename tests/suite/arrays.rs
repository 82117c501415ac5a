//! NumPy's files in and out, by what NumPy itself wrote (`tests/fixtures/numpy`), and what is wrong with them in words.

use std::path::{Path, PathBuf};

use saescript::Host;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/numpy")
}

fn value(script: &str) -> Result<String, String> {
    let mut host = Host::builder().output(|_| ()).build().expect("a host");
    let value = host.eval("arrays", script);
    value
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

fn load(name: &str, then: &str) -> Result<String, String> {
    let path = fixtures().join(name);
    value(&format!("let x = torch::load(\"{}\"); {then}", path.display()))
}

#[test]
fn what_numpy_wrote_is_read() {
    for (name, then, expected) in [
        (
            "float32.npy",
            "`${x.dtype} ${x.tolist()}`",
            "torch::float32 [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]",
        ),
        (
            "columns.npy",
            "`${x.dtype} ${x.tolist()}`",
            "torch::int16 [[0, 1, 2], [3, 4, 5]]",
        ),
        ("several.npz", "x.keys()", "[\"flag\", \"n\", \"w\"]"),
        (
            "several.npz",
            "[x.w.trace().item(), x.n.sum().item(), x.flag.tolist()]",
            "[2.0, 6, [true, false]]",
        ),
        (
            "packed.npz",
            "[x.zeros.shape, x.zeros.half().equal(x.zeros), x.one.item()]",
            "[[50, 50], true, 7]",
        ),
    ] {
        assert_eq!(load(name, then).as_deref(), Ok(expected), "{name}");
    }
}

#[test]
fn what_is_written_is_read_again_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let script = format!(
        "let x = torch::arange(12).reshape(3, 4).T; torch::save(x, \"{0}\"); torch::save(#{{ a: x, b: x > 3 }}, \"{1}\");
         torch::save(#{{ b: x > 3, a: x }}, \"{2}\"); let both = torch::load(\"{1}\");
         [x.equal(torch::load(\"{0}\")), x.equal(both.a), both.b.dtype == torch::bool]",
        at("x.npy"),
        at("both.npz"),
        at("again.npz")
    );
    assert_eq!(value(&script).as_deref(), Ok("[true, true, true]"));
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).expect("a file");
    assert_eq!(bytes("both.npz"), bytes("again.npz"));
    // NumPy's own file of the same numbers.
    let script = format!(
        "torch::save(torch::arange(6).reshape(2, 3).float(), \"{}\")",
        at("float32.npy")
    );
    assert!(value(&script).is_ok());
    assert_eq!(
        bytes("float32.npy"),
        std::fs::read(fixtures().join("float32.npy")).expect("a file")
    );
}

#[test]
fn what_is_no_array_is_told_in_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = std::fs::read(fixtures().join("float32.npy")).expect("a file");
    let archive = std::fs::read(fixtures().join("several.npz")).expect("a file");
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    put("short.npy", &whole[..whole.len() - 1]);
    put("long.npy", &[&whole[..], b"!"].concat());
    put("text.npy", b"not an array at all");
    put("empty.npy", b"");
    put("cut.npz", &archive[..archive.len() / 2]);
    put("text.npz", b"no archive");
    let read = |name: &str| {
        value(&format!(
            "torch::load(\"{}\")",
            folder.path().join(name).display()
        ))
    };
    for (name, words) in [
        ("short.npy", "cut short"),
        ("long.npy", "after the end"),
        ("text.npy", "no array of NumPy's"),
        ("empty.npy", "no array of NumPy's"),
        ("cut.npz", "no archive of arrays"),
        ("text.npz", "no archive of arrays"),
        ("missing.npy", "no such file"),
    ] {
        let error = read(name).expect_err(name);
        assert!(error.contains(words), "{name}: {error}");
        assert!(error.contains(name), "{name}: {error}");
    }
    for (name, words) in [("complex.npy", "`<c8`"), ("objects.npy", "`|O`")] {
        let error = load(name, "x").expect_err(name);
        assert!(error.contains(words), "{name}: {error}");
    }
    for (script, words) in [
        (
            "torch::save(torch::ones(2).bfloat16(), \"x.npy\")",
            "no dtype bfloat16",
        ),
        ("torch::save(torch::ones(2), \"x.safetensors\")", ".npy file"),
        ("torch::save(#{ a: torch::ones(2) }, \"x.npy\")", ".npz file"),
        ("torch::save(#{ a: 1 }, \"x.npz\")", "expected a tensor"),
    ] {
        let error = value(script).expect_err(script);
        assert!(error.contains(words), "{script}: {error}");
    }
}
