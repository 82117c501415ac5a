//! Every function that takes named arguments, with their names. A new one is one line here.

use crate::config::{self, Config, KeyPath, Value};
use crate::dictionary::LossSettings;
use crate::error::Error;
use crate::model::GenerationConfig;
use crate::text::DatasetConfig;

/// A function that takes named arguments in one map.
pub struct Named {
    /// The type whose method it is, or its module; empty for a function that needs none.
    owner: &'static str,
    /// Its name.
    function: &'static str,
    /// The names of its arguments.
    names: &'static [&'static str],
    /// How many arguments stand before them at least: fewer, and a map at the end is something else.
    after: usize,
    /// The class whose fields are arguments too.
    settings: Option<Settings>,
}

/// What is wrong with plain data as settings of a class.
type Settings = fn(Value, &[KeyPath]) -> Vec<Error>;

static NAMED: &[Named] = &[
    Named::of(
        "ActivationFactory",
        "process",
        &["model", "model_name", "datasets"],
    ),
    Named::of("ActivationWriter", "process", &["allow_change"]),
    Named::of("Dataset", "shard", &["num_shards", "index"]),
    Named::of("Dataset", "shuffle", &["seed", "buffer_size"]),
    Named::of("FeatureAnalyzer", "analyze_chunk", ANALYZE),
    Named::of(
        "Initializer",
        "initialize_sae_from_config",
        &["cfg", "activation_stream", "model", "activation"],
    ),
    Named::of("LanguageModel", "attention_mask", READING),
    Named::of("LanguageModel", "forward", FORWARD),
    Named::of(
        "LanguageModel",
        "generate",
        &["hooks", "changes", "prepend_bos", "padding_side", "return_type"],
    )
    .and::<GenerationConfig>(),
    Named::of(
        "LanguageModel",
        "get_token_position",
        &["mode", "prepend_bos", "padding_side"],
    ),
    Named::of("LanguageModel", "loss", FORWARD),
    Named::of("LanguageModel", "loss_with_hooks", FORWARD).after(2),
    Named::of(
        "LanguageModel",
        "run_with_cache",
        &[
            "names_filter",
            "return_type",
            "loss_per_token",
            "prepend_bos",
            "padding_side",
            "attention_mask",
        ],
    ),
    Named::of("LanguageModel", "run_with_hooks", FORWARD).after(2),
    Named::of("LanguageModel", "to_str_tokens", READING),
    Named::of("LanguageModel", "to_tokens", READING),
    Named::of("SAEConfig", "save_hyperparameters", &["save_path"]),
    Named::of(
        "SparseAutoEncoder",
        "compute_loss",
        &["is_dead", "k", "amp_dtype", "per_token"],
    )
    .and::<LossSettings>(),
    Named::of("SparseAutoEncoder", "encode", &["mask", "k", "return_hidden_pre"]),
    Named::of("SparseAutoEncoder", "forward", &["mask", "k"]),
    Named::of(
        "SparseAutoEncoder",
        "from_pretrained",
        &[
            "device",
            "dtype",
            "strict_loading",
            "fold_activation_scale",
            "activation",
        ],
    ),
    Named::of(
        "SparseAutoEncoder",
        "save_pretrained",
        &["save_path", "fold_activation_scale"],
    ),
    Named::of("SparseAutoEncoder", "to_jumprelu", &["batches"]),
    Named::of(
        "Tokenizer",
        "apply_chat_template",
        &[
            "add_generation_prompt",
            "continue_final_message",
            "tokenize",
            "chat_template",
            "tools",
            "variables",
        ],
    ),
    Named::of("Trainer", "fit", FIT),
    Named::of("array", "fit", FIT),
    Named::of("", "analyze_crosscoder", &["replace", "allow_change"]),
    Named::of("", "analyze_sae", &["replace", "allow_change"]),
    Named::of("", "direct_logit_attribute", &["allow_change"]),
    Named::of("", "generate_activations", &["allow_change"]),
    Named::of("", "train_sae", &["resume", "allow_change"]),
    Named::of("datasets", "load_dataset", &["path"]).and::<DatasetConfig>(),
    Named::of("datasets", "load_dataset_from_disk", &["path"]).and::<DatasetConfig>(),
    Named::of("datasets", "load_from_disk", &["path"]).and::<DatasetConfig>(),
    Named::of("optim", "Adam", OPTIMIZER),
    Named::of("optim", "AdamW", OPTIMIZER),
    Named::of("optim", "Muon", OPTIMIZER),
    Named::of("optim", "SGD", OPTIMIZER),
    Named::of("optim", "Signum", OPTIMIZER),
    Named::of("optim", "SparseAdam", OPTIMIZER),
    Named::of(
        "wandb",
        "init",
        &[
            "project", "name", "entity", "id", "resume", "mode", "dir", "group", "job_type", "notes", "tags",
            "config",
        ],
    ),
];

const READING: &[&str] = &["prepend_bos", "padding_side"];

const FORWARD: &[&str] = &[
    "return_type",
    "loss_per_token",
    "prepend_bos",
    "padding_side",
    "attention_mask",
];

const OPTIMIZER: &[&str] = &["lr", "betas", "momentum", "weight_decay"];

const ANALYZE: &[&str] = &[
    "factory",
    "stream",
    "sae",
    "store",
    "model",
    "model_name",
    "datasets",
    "name",
    "replace",
    "allow_change",
];

const FIT: &[&str] = &[
    "activation_stream",
    "eval_fn",
    "allow_change",
    "loggers",
    "sae",
    "wandb_logger",
    "activation",
    "penalty",
    "loss",
];

impl Named {
    const fn of(owner: &'static str, function: &'static str, names: &'static [&'static str]) -> Named {
        Named {
            owner,
            function,
            names,
            after: 0,
            settings: None,
        }
    }

    const fn after(self, arguments: usize) -> Named {
        Named {
            after: arguments,
            ..self
        }
    }

    const fn and<C: Config>(self) -> Named {
        Named {
            settings: Some(config::faults::<C>),
            ..self
        }
    }

    /// Returns the function of that name in its owner; `None` if it takes no named arguments.
    pub fn find(owner: &str, function: &str) -> Option<&'static Named> {
        let is_it = |named: &&Named| named.owner == owner && named.function == function;
        NAMED.iter().find(is_it)
    }

    /// Returns whether a map at the end of so many arguments, the object of a method not among them, holds them.
    pub fn are_in(&self, arguments: usize) -> bool {
        arguments > self.after
    }

    /// Returns the names of its own arguments.
    pub fn names(&self) -> &'static [&'static str] {
        self.names
    }

    /// Returns the complaint about an argument that it does not take.
    pub fn refusal(&self, given: &str) -> Error {
        let error = Error::unknown_key("argument", given, self.names).under(given);
        error.context(format!("in the call of `{}`", self.function))
    }

    /// Returns everything that is wrong with the arguments, of which those under the key paths `unknown` are not known.
    pub fn faults(&self, mut arguments: config::Map<String, Value>, unknown: &[KeyPath]) -> Vec<Error> {
        match self.settings {
            Some(faults) => {
                arguments.retain(|name, _| !self.names.contains(&name.as_str()));
                let is_left = |path: &&KeyPath| path.first().is_some_and(|name| arguments.contains_key(name));
                let unknown: Vec<KeyPath> = unknown.iter().filter(is_left).cloned().collect();
                faults(Value::Object(arguments), &unknown)
            }
            None => {
                let given = arguments.keys();
                let others = given.filter(|name| !self.names.contains(&name.as_str()));
                others.map(|name| self.refusal(name)).collect()
            }
        }
    }
}
