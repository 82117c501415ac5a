//! Data files and tokenizers that are damaged, bombs, or no files at all.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use saescript::Result;
use saescript::event::RunContext;
use saescript::tensor::Generator;
use saescript::tensor::safetensors;
use saescript::text::{Dataset, DatasetConfig, SpecialTokens, Tokenizer};

use super::run_script;

fn load(path: &Path) -> Result<Dataset> {
    let config = DatasetConfig {
        dataset_name_or_path: path.display().to_string(),
        ..DatasetConfig::default()
    };
    Dataset::load(&config, &RunContext::default())
}

/// Reads a data set through: the number of its records.
fn read(path: &Path) -> Result<usize> {
    load(path)?
        .maps(0)
        .try_fold(0, |count, row| row.map(|_| count + 1))
}

#[test]
fn a_small_file_that_unpacks_to_one_long_record_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zeros = "0".repeat(8 << 20);
    for (name, text) in [
        ("a.txt", zeros.clone()),
        ("a.jsonl", format!("{{\"text\": \"{zeros}\"}}\n")),
        ("a.json", format!("[{{\"text\": \"{zeros}\"}}]")),
        ("a.csv", format!("text\n\"{zeros}\n")),
    ] {
        let packed = folder.path().join(format!("{name}.gz"));
        let mut gz = GzEncoder::new(std::fs::File::create(&packed).expect("made"), Compression::fast());
        gz.write_all(text.as_bytes()).expect("written");
        gz.finish().expect("written");
        std::fs::write(
            folder.path().join(format!("{name}.zst")),
            zstd::encode_all(text.as_bytes(), 1).expect("packed"),
        )
        .expect("written");
        for end in ["gz", "zst"] {
            let text = format!("for r in datasets::load_dataset(\"{name}.{end}\") {{ print(1) }}");
            let limit = [("SAESCRIPT_MAX_RECORD_MB", "2")];
            let ran = run_script(&text, folder.path(), &limit).ended_with(2);
            assert!(ran.err.contains("longer than 2 MB"), "{}", ran.err);
            assert!(ran.err.contains("SAESCRIPT_MAX_RECORD_MB (now 2)"), "{}", ran.err);
        }
    }
    let short = "for r in datasets::load_dataset(\"a.txt.gz\") { print(r.text.len()) }";
    let ran = run_script(short, folder.path(), &[("SAESCRIPT_MAX_RECORD_MB", "256")]).ended_with(0);
    assert_eq!(
        ran.out.trim(),
        zeros.len().to_string(),
        "without the limit it is read"
    );
}

/// A Parquet file with a column of texts in two row groups.
fn parquet(path: &Path) {
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::file::properties::WriterProperties;
    let texts: Vec<String> = (0..60)
        .map(|n| format!("text {n} {}", "word ".repeat(n % 7)))
        .collect();
    let column: ArrayRef = Arc::new(StringArray::from(texts));
    let batch = RecordBatch::try_from_iter([("text", column)]).expect("a batch");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(40))
        .build();
    let file = std::fs::File::create(path).expect("made");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("written");
}

/// `bytes` with one bit in one to three places turned over.
fn flipped(bytes: &[u8], generator: &mut Generator) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..1 + generator.next_u64() % 3 {
        let at = (generator.next_u64() % bytes.len() as u64) as usize;
        damaged[at] ^= 1 << (generator.next_u64() % 8);
    }
    damaged
}

#[test]
fn flipped_bits_in_a_parquet_file_are_errors_or_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.parquet");
    parquet(&path);
    assert_eq!(read(&path).expect("whole"), 60);
    let whole = std::fs::read(&path).expect("readable");
    let mut generator = Generator::new(3);
    let mut refused = 0;
    for _ in 0..1500 {
        std::fs::write(&path, flipped(&whole, &mut generator)).expect("written");
        refused += usize::from(read(&path).is_err());
    }
    assert!(refused > 100, "{refused} were refused");
}

#[test]
fn flipped_bits_in_a_tokenizer_are_errors_or_another_tokenizer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-pythia");
    let whole = std::fs::read(model.join("tokenizer.json")).expect("readable");
    let mut generator = Generator::new(5);
    let mut refused = 0;
    for _ in 0..60 {
        let damaged = flipped(&whole, &mut generator);
        std::fs::write(folder.path().join("tokenizer.json"), damaged).expect("written");
        let tokenizer = Tokenizer::from_folder(folder.path(), SpecialTokens::default());
        let tokens = tokenizer.and_then(|tokenizer| tokenizer.encode("Once upon a time", false, None));
        refused += usize::from(tokens.is_err());
    }
    assert!(refused > 0, "{refused} were refused");
}

#[test]
fn deep_nesting_is_refused_in_data_and_models() {
    const MANY: usize = 10_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let nested = format!("{}{}", "[".repeat(MANY), "]".repeat(MANY));
    for (name, text) in [
        ("a.jsonl", format!("{{\"text\": {nested}}}\n")),
        ("a.json", format!("[{{\"text\": {nested}}}]")),
        ("tokenizer.json", nested.clone()),
    ] {
        std::fs::write(at(name), text).expect("written");
    }
    assert!(read(&at("a.jsonl")).is_err() && read(&at("a.json")).is_err());
    assert!(Tokenizer::from_folder(folder.path(), SpecialTokens::default()).is_err());

    let header = format!("{{\"a\": {nested}}}");
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    std::fs::write(at("a.safetensors"), file).expect("written");
    assert!(safetensors::read(at("a.safetensors")).is_err());

    let data = at("data");
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("train.txt"), "a\n").expect("written");
    std::fs::write(
        data.join("README.md"),
        format!("---\na:\n {}x\n---\n", "- ".repeat(MANY)),
    )
    .expect("written");
    // A head that is no YAML names no configurations; the files count by their names.
    assert_eq!(read(&data).expect("readable"), 1);
}

#[test]
fn pipes_devices_and_folders_in_circles_are_no_data() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["pipe.txt", "pipe.rhai"] {
        mknodat(CWD, at(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    }
    for name in ["zero.txt", "zero.jsonl", "zero.rhai"] {
        std::os::unix::fs::symlink("/dev/zero", at(name)).expect("a link");
    }
    let ends = |text: &str, words: &str| {
        let ran = run_script(text, folder.path(), &[]).ended_with(2);
        assert!(ran.err.contains(words), "{text}: {}", ran.err);
    };
    ends(
        "for r in datasets::load_dataset(\"pipe.txt\") { }",
        "it is a named pipe, not a regular file",
    );
    ends(
        "for r in datasets::load_dataset(\"zero.jsonl\") { }",
        "it is a device, not a regular file",
    );
    ends(
        "read_text(\"pipe.txt\")",
        "it is a named pipe, not a regular file",
    );
    ends("read_text(\"/dev/zero\")", "it is a device, not a regular file");
    ends("read_text(\"/dev/stdin\")", "not a regular file");
    ends(&format!("import \"{}\" as x;", at("pipe").display()), "pipe.rhai");
    ends(&format!("import \"{}\" as x;", at("zero").display()), "zero.rhai");

    let data = at("data");
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("train.txt"), "a\nb\n").expect("written");
    std::os::unix::fs::symlink("..", data.join("up")).expect("a link");
    std::os::unix::fs::symlink(".", data.join("self")).expect("a link");
    assert_eq!(read(&data).expect("readable"), 2);
}
