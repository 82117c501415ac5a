//! Texts to tokens and back, and which part of a text a token stands for.

use std::path::Path;

use saescript::text::{SpecialTokens, Tokenizer};

use super::own;
use crate::fixtures::{json, roots};

fn tokenizer() -> Tokenizer {
    Tokenizer::from_folder(&own("neox_parallel"), SpecialTokens::default()).expect("a tokenizer")
}

/// A folder with the tokenizer of the fixtures whose `tokenizer.json` went through `change`.
fn changed(change: impl FnOnce(&mut serde_json::Value), config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut value = json(own("neox_parallel").join("tokenizer.json"));
    change(&mut value);
    std::fs::write(folder.path().join("tokenizer.json"), value.to_string()).expect("written");
    std::fs::write(folder.path().join("tokenizer_config.json"), config).expect("written");
    folder
}

fn read(folder: &Path) -> Tokenizer {
    Tokenizer::from_folder(folder, SpecialTokens::default()).expect("a tokenizer")
}

#[test]
fn tokens_agree_with_the_reference() {
    let reference = json(roots("model")[0].join("tokens.json"));
    let tokenizer = tokenizer();
    let texts: Vec<&str> = reference["texts"]
        .as_array()
        .expect("texts")
        .iter()
        .filter_map(|t| t.as_str())
        .collect();
    let wanted: Vec<Vec<i64>> = serde_json::from_value(reference["tokens"].clone()).expect("tokens");
    for (text, wanted) in texts.iter().zip(&wanted) {
        // The reference cuts a text before it puts the BOS in front, here behind that.
        let cut = Some(wanted.len());
        assert_eq!(
            &tokenizer.encode(text, true, cut).expect("tokens"),
            wanted,
            "{text}"
        );
        let short = tokenizer.encode(text, true, Some(64)).expect("tokens");
        assert_eq!(short, wanted[..wanted.len().min(64)], "{text}");
        let bare = tokenizer.encode(text, false, None).expect("tokens");
        assert_eq!(bare[..wanted.len() - 1], wanted[1..], "{text}");
        assert_eq!(tokenizer.decode(&bare).expect("a text"), *text);
    }
    assert_eq!(texts.len(), 5);
}

#[test]
fn a_template_with_bos_gives_one_bos_or_none() {
    let bos = r#"{"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}"#;
    let folder = changed(
        |value| {
            value["post_processor"] = serde_json::json!({
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}
            });
        },
        bos,
    );
    let (template, plain) = (read(folder.path()), tokenizer());
    for text in ["short", "two words", ""] {
        for prepend in [true, false] {
            let encode = |tokenizer: &Tokenizer| tokenizer.encode(text, prepend, Some(3)).expect("tokens");
            assert_eq!(encode(&template), encode(&plain), "{text:?} {prepend}");
        }
    }
    assert_eq!(
        plain.encode("<|endoftext|>", true, None).expect("tokens"),
        [0],
        "no second BOS"
    );
    assert_eq!(template.trace("ab", true, None).expect("tokens")[0].bytes, None);
    assert_eq!(
        template.trace("ab", false, None).expect("tokens")[0].bytes,
        Some(0..1)
    );
}

#[test]
fn special_tokens_of_the_configuration_are_whole_words_of_a_text() {
    let unlist = |value: &mut serde_json::Value| value["added_tokens"] = serde_json::json!([]);
    let config = r#"{"eos_token": "<|endoftext|>", "additional_special_tokens": [{"content": "<|pad|>"}, "<|nowhere|>"]}"#;
    let (plain, with) = (changed(unlist, "{}"), changed(unlist, config));
    let tokens = |folder: &tempfile::TempDir, text: &str| {
        read(folder.path()).encode(text, false, None).expect("tokens")
    };
    let text = "ab<|endoftext|>c<|pad|>";
    assert!(
        !tokens(&plain, text).contains(&0),
        "broken into pieces without the file"
    );
    let whole = tokens(&with, text);
    assert_eq!((whole[whole.len() - 3], whole[whole.len() - 1]), (0, 1));
    assert_eq!(read(with.path()).vocab_size(), read(plain.path()).vocab_size());
    let listed =
        r#"{"added_tokens_decoder": {"1": {"content": "<|pad|>", "lstrip": true, "special": true}}}"#;
    let stripped = changed(|_| (), listed);
    assert_eq!(
        tokens(&stripped, "a  <|pad|>"),
        [tokens(&plain, "a"), vec![1]].concat()
    );
}

#[test]
fn the_mark_before_a_first_word_stands_for_nothing() {
    let folder = changed(
        |value| value["pre_tokenizer"]["add_prefix_space"] = true.into(),
        "{}",
    );
    let tokenizer = read(folder.path());
    let mut marks = 0;
    for text in ["\u{1f642}a", "\u{65e5}\u{672c}", " b", "Hello"] {
        let traced = tokenizer.trace(text, true, None).expect("a trace");
        let mut reached = 0;
        for token in &traced[1..] {
            let bytes = token.bytes.clone().expect("a range");
            marks += usize::from(bytes.is_empty());
            assert!(bytes.start <= reached && bytes.end >= reached, "{text:?}");
            let own = tokenizer.token_strings(&[token.token]).expect("a token");
            let own = if bytes.is_empty() { "" } else { own[0].as_str() };
            assert!(
                own.contains('\u{fffd}') || own.trim_start() == text[bytes.clone()].trim_start(),
                "{text:?}: {own:?} stands for {bytes:?}"
            );
            reached = bytes.end;
        }
        assert_eq!(reached, text.len());
    }
    assert!(marks >= 1, "some text begins with a mark of its own");
}

#[test]
fn special_tokens_follow_the_files_then_the_rules() {
    let ids = |config: &str, overrides| {
        let folder = changed(|_| (), config);
        let tokenizer = Tokenizer::from_folder(folder.path(), overrides).expect("a tokenizer");
        [
            tokenizer.bos_token_id(),
            tokenizer.eos_token_id(),
            tokenizer.pad_token_id(),
        ]
    };
    let none = SpecialTokens::default();
    assert_eq!(
        ids("{}", none),
        [Some(0); 3],
        "EOS is <|endoftext|>, and the others are EOS"
    );
    let pad = r#"{"eos_token": {"content": "a"}, "pad_token": "<|pad|>"}"#;
    let [bos, eos, padding] = ids(pad, none);
    assert_eq!((bos, padding), (eos, Some(1)));
    assert_ne!(eos, Some(0));
    let given = SpecialTokens { pad: Some(7), ..none };
    assert_eq!(ids(pad, given)[2], Some(7));
}

#[test]
fn traced_ranges_cut_the_text_exactly() {
    let tokenizer = tokenizer();
    for text in [
        "Plain words, with blanks.",
        "naïve café e\u{301} — 日本語のテキスト 🙂👩‍👩‍👧",
        "before<|endoftext|> after <|pad|>",
        "  two blanks\n\ttab  ",
        "",
    ] {
        let traced = tokenizer.trace(text, true, None).expect("a trace");
        let tokens: Vec<i64> = traced.iter().map(|token| token.token).collect();
        assert_eq!(tokens, tokenizer.encode(text, true, None).expect("tokens"));
        assert_eq!(traced[0].bytes, None, "the BOS stands for nothing in the text");
        let characters: Vec<char> = text.chars().collect();
        let mut reached = 0;
        for token in &traced[1..] {
            let (bytes, chars) = (
                token.bytes.clone().expect("a range"),
                token.characters.clone().expect("a range"),
            );
            let part = &text[bytes.clone()];
            assert_eq!(part, characters[chars].iter().collect::<String>(), "{text:?}");
            assert!(
                bytes.start <= reached && bytes.end >= reached,
                "{text:?}: nothing is left out"
            );
            let own = tokenizer.token_strings(&[token.token]).expect("a token");
            assert!(
                own[0].contains('\u{fffd}') || own[0] == part,
                "{text:?}: {own:?} stands for {part:?}"
            );
            reached = bytes.end;
        }
        assert_eq!(reached, text.len(), "{text:?}");
    }
}

/// What transformers 4.57's `AutoTokenizer` gives for the same folders: BOS (0) and EOS (1) around [270, 77, …].
#[test]
fn classes_of_the_llama_kind_make_their_own_template() {
    let with = |class: &str, flags: &str| {
        let config = format!(
            r#"{{"tokenizer_class": "{class}", "bos_token": "<|endoftext|>", "eos_token": {{"content": "<|pad|>"}}{flags}}}"#
        );
        changed(|_| (), &config)
    };
    let text = [270, 77, 314, 311, 261, 77, 69];
    let tokens = |folder: &tempfile::TempDir, bos, length| {
        read(folder.path())
            .encode("hello world", bos, length)
            .expect("tokens")
    };
    let around = |bos: &[i64], eos: &[i64]| [bos, &text, eos].concat();
    let both = with(
        "LlamaTokenizerFast",
        r#", "add_bos_token": true, "add_eos_token": true"#,
    );
    assert_eq!(tokens(&both, true, None), around(&[0], &[1]));
    assert_eq!(tokens(&both, false, None), around(&[], &[1]));
    assert_eq!(
        tokens(&both, true, Some(4)),
        [0, 270, 77, 1],
        "the EOS stays when the text is cut"
    );
    let plain = with("LlamaTokenizerFast", "");
    assert_eq!(tokens(&plain, true, None), around(&[0], &[]));
    let end = with("GPTNeoXTokenizerFast", r#", "add_eos_token": true"#);
    assert_eq!(tokens(&end, false, None), around(&[], &[1]));
    let ignored = with("GPT2TokenizerFast", r#", "add_eos_token": true"#);
    assert_eq!(tokens(&ignored, false, None), around(&[], &[]));
}
