//! Conversations by the templates of several families, against the texts that these models were trained with.

use saescript::text::{ChatOptions, SpecialTokens, Tokenizer};
use serde_json::{Value, json};

use super::own;

/// As Qwen and many others write conversations.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// Of Llama 3's kind: a header around each role, white space taken off the messages, the BOS once.
const HEADERS: &str = "{% set loop_messages = messages %}
{% for message in loop_messages %}
    {% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}
    {% if loop.index0 == 0 %}
        {% set content = bos_token + content %}
    {% endif %}
    {{- content }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
";

/// Of Gemma's kind: turns in order, no system message, and another name for the assistant.
const TURNS: &str = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";

/// Of Mistral's kind: a namespace, a slice, Python's methods of texts, and JSON of tools.
const TOOLS: &str = "{%- if messages[0].role == 'system' %}{%- set rest = messages[1:] %}{%- else %}{%- set rest = messages %}{%- endif %}
{%- set ns = namespace(turns=0) %}
{%- if tools %}{{- '[TOOLS]' + (tools | tojson) + '[/TOOLS]' }}{%- endif %}
{%- for message in rest %}
    {%- if message.role == 'user' %}{%- set ns.turns = ns.turns + 1 %}{{- '[INST] ' + message.content.strip().replace('\\t', ' ') + ' [/INST]' }}
    {%- elif message.content is not none and message.content.startswith('skip') %}{%- continue %}
    {%- else %}{% generation %}{{- message.content.split('</think>')[-1].lstrip('\\n') + eos_token }}{% endgeneration %}{%- endif %}
{%- endfor %}
{{- ns.turns }}";

/// A tokenizer whose files have `template`, under each of the names that files give it.
fn with_template(template: &Value, in_file: bool) -> (tempfile::TempDir, Tokenizer) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(
        own("neox_parallel").join("tokenizer.json"),
        folder.path().join("tokenizer.json"),
    )
    .expect("a copy");
    let mut config = json!({"bos_token": "<|endoftext|>", "eos_token": {"content": "<|endoftext|>"}});
    if in_file {
        let text = template.as_str().expect("a text");
        std::fs::write(folder.path().join("chat_template.jinja"), text).expect("written");
        config["chat_template"] = "not this one".into();
    } else {
        config["chat_template"] = template.clone();
    }
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).expect("written");
    let tokenizer = Tokenizer::from_folder(folder.path(), SpecialTokens::default()).expect("a tokenizer");
    (folder, tokenizer)
}

fn prompt() -> ChatOptions {
    ChatOptions {
        add_generation_prompt: true,
        ..ChatOptions::default()
    }
}

fn conversation() -> Value {
    json!([
        {"role": "user", "content": " Who?\t"},
        {"role": "assistant", "content": "<think>hm</think>\nTom. "},
        {"role": "user", "content": "Why \u{e9} & <b>?"},
    ])
}

#[test]
fn conversations_read_as_each_family_writes_them() {
    let cases = [
        (
            CHATML,
            prompt(),
            "<|im_start|>user\n Who?\t<|im_end|>\n<|im_start|>assistant\n<think>hm</think>\nTom. <|im_end|>\n<|im_start|>user\nWhy \u{e9} & <b>?<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            HEADERS,
            prompt(),
            "<|endoftext|><|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n<think>hm</think>\nTom.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhy \u{e9} & <b>?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            TURNS,
            prompt(),
            "<|endoftext|><start_of_turn>user\nWho?<end_of_turn>\n<start_of_turn>model\n<think>hm</think>\nTom.<end_of_turn>\n<start_of_turn>user\nWhy \u{e9} & <b>?<end_of_turn>\n<start_of_turn>model\n",
        ),
        (
            TOOLS,
            ChatOptions {
                tools: Some(json!([{"name": "f", "about": "<b> \u{e9}", "of": [1, 2]}])),
                ..ChatOptions::default()
            },
            "[TOOLS][{\"name\": \"f\", \"about\": \"<b> \u{e9}\", \"of\": [1, 2]}][/TOOLS][INST] Who? [/INST]Tom. <|endoftext|>[INST] Why \u{e9} & <b>? [/INST]2",
        ),
    ];
    for (template, options, wanted) in cases {
        for in_file in [true, false] {
            let (_folder, tokenizer) = with_template(&template.into(), in_file);
            let text = tokenizer
                .apply_chat_template(&conversation(), &options)
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(text, wanted);
        }
    }
}

#[test]
fn a_conversation_becomes_tokens_with_its_special_tokens_whole_and_one_bos() {
    let (_folder, tokenizer) = with_template(&HEADERS.into(), false);
    let text = tokenizer
        .apply_chat_template(&conversation(), &prompt())
        .expect("a text");
    let ids = tokenizer.encode_as_is(&text).expect("tokens");
    assert_eq!((ids[0], ids.iter().filter(|id| **id == 0).count()), (0, 1));
    assert_eq!(tokenizer.decode(&ids).expect("a text"), text);
}

#[test]
fn the_last_message_can_be_left_open_and_templates_be_chosen_by_name() {
    let listed = json!([{"name": "default", "template": CHATML}, {"name": "turns", "template": TURNS}]);
    let (_folder, tokenizer) = with_template(&listed, false);
    let messages = json!([{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "It was"}]);
    let apply = |options: &ChatOptions| tokenizer.apply_chat_template(&messages, options);
    let open = ChatOptions {
        continue_final_message: true,
        ..ChatOptions::default()
    };
    assert_eq!(
        apply(&open).expect("a text"),
        "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nIt was"
    );
    let named = |name: &str| ChatOptions {
        chat_template: Some(name.into()),
        ..ChatOptions::default()
    };
    assert!(
        apply(&named("turns"))
            .expect("a text")
            .contains("<start_of_turn>model")
    );
    assert_eq!(
        apply(&named("{{ messages[0].content }}")).expect("a text"),
        "Who?"
    );
    let error = apply(&named("turn")).expect_err("unknown").to_string();
    assert!(error.contains("did you mean `turns`?"), "{error}");
}

#[test]
fn what_goes_wrong_says_where_and_why() {
    let refused = |template: &str, messages: Value| {
        let (_folder, tokenizer) = with_template(&template.into(), false);
        let error = tokenizer
            .apply_chat_template(&messages, &ChatOptions::default())
            .expect_err("refused");
        format!("{} {error}", error.key_path())
    };
    let system = json!([{"role": "system", "content": "Be brief."}]);
    for (template, messages, wanted) in [
        (
            TURNS,
            system.clone(),
            "the chat template refuses the conversation: System role not supported",
        ),
        (
            TURNS,
            json!([{"role": "assistant", "content": "x"}]),
            "must alternate",
        ),
        (CHATML, json!([]), "array of messages"),
        (
            CHATML,
            json!([{"content": "x"}]),
            "[0] `[0]`: a message is a map with its `role`",
        ),
        ("{% for %}", system.clone(), "the chat template fails in line 1"),
        (
            "\n{{ messages[0].nothing.more }}",
            system,
            "the chat template fails in line 2",
        ),
    ] {
        let error = refused(template, messages);
        assert!(error.contains(wanted), "{error}");
    }
    let bare = Tokenizer::from_folder(&own("neox_parallel"), SpecialTokens::default()).expect("a tokenizer");
    let error = bare
        .apply_chat_template(&conversation(), &prompt())
        .expect_err("none")
        .to_string();
    assert!(error.contains("has no chat template"), "{error}");
}
