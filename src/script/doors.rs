//! Where a script's texts become paths, addresses and names of variables: every function that reaches outside, with the
//! arguments that say where. The guard has the policy asked before such a function begins.
//!
//! A test walks all functions that take texts, maps or configurations, and all fields of configurations, and fails where
//! one is in neither of these tables nor known to be harmless.

/// What a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file or folder that is read; or, where it is an address, a server.
    Read,
    /// A file or folder that is written.
    Write,
    /// A file or folder that is read, or a repository on the hub.
    Source,
    /// The same, or a glob.
    Dataset,
    /// A glob, or several, of files that are read.
    Files,
    /// Folders, or addresses, of a cache of activations: one, or one for each hook point.
    Cache,
    /// A variable of the environment.
    Variable,
    /// The server of Weights & Biases.
    Wandb,
}

/// One function that reaches outside.
pub struct Door {
    /// Its name.
    pub function: &'static str,
    /// Which arguments, counted from 0 with the object of a method, say where.
    pub arguments: &'static [(usize, Place)],
    /// Are the maps and configurations that it is given looked through, by the table of keys?
    pub looks_into_settings: bool,
    /// Keys that it has no use for.
    pub leaves_out: &'static [&'static str],
}

impl Door {
    pub(super) const fn by(function: &'static str, arguments: &'static [(usize, Place)]) -> Self {
        Door {
            function,
            arguments,
            looks_into_settings: false,
            leaves_out: &[],
        }
    }

    const fn by_settings(function: &'static str, arguments: &'static [(usize, Place)]) -> Self {
        Door {
            looks_into_settings: true,
            ..Self::by(function, arguments)
        }
    }

    /// Returns the door of that name.
    pub fn of(function: &str) -> Option<&'static Door> {
        DOORS.iter().find(|door| door.function == function)
    }
}

/// Every function that reaches outside.
pub static DOORS: &[Door] = &[
    Door::by("read_text", &[(0, Place::Read)]),
    Door::by("write_text", &[(0, Place::Write)]),
    Door::by("exists", &[(0, Place::Read)]),
    Door::by("is_file", &[(0, Place::Read)]),
    Door::by("is_dir", &[(0, Place::Read)]),
    Door::by("list_dir", &[(0, Place::Read)]),
    Door::by("glob", &[(0, Place::Files)]),
    Door::by("env", &[(0, Place::Variable)]),
    Door::by("load", &[(0, Place::Read)]),
    Door::by("save", &[(1, Place::Write)]),
    Door::by_settings("load_dataset", &[(0, Place::Dataset)]),
    Door::by_settings("load_from_disk", &[(0, Place::Read)]),
    Door::by_settings("load_dataset_from_disk", &[(0, Place::Read)]),
    Door::by_settings("LanguageModel", &[]),
    Door::by_settings("TransformerLensLanguageModel", &[]),
    Door::by_settings("HuggingFaceLanguageModel", &[]),
    Door::by_settings("ActivationFactory", &[]),
    Door::by_settings("ActivationWriter", &[]),
    Door::by_settings("SparseAutoEncoder", &[]),
    Door::by_settings("Initializer", &[]),
    Door::by_settings("initialize_sae_from_config", &[]),
    Door {
        // Its folder is asked for by `fit`, which writes there.
        leaves_out: &["exp_result_path"],
        ..Door::by_settings("Trainer", &[])
    },
    Door::by("from_checkpoint", &[(1, Place::Read)]),
    Door::by("save_checkpoint", &[(2, Place::Write)]),
    Door::by("from_pretrained", &[(0, Place::Source)]),
    Door::by("from_saelens", &[(0, Place::Read)]),
    Door::by_settings("save_pretrained", &[(1, Place::Write)]),
    Door::by("to_saelens", &[(1, Place::Write)]),
    Door {
        // The configuration is what is written.
        leaves_out: &["sae_pretrained_name_or_path"],
        ..Door::by_settings("save_hyperparameters", &[(1, Place::Write)])
    },
    Door::by("TensorBoard", &[(0, Place::Write)]),
    Door {
        // Whatever a script wants to be kept with the run.
        leaves_out: &["config"],
        ..Door::by_settings("init", &[])
    },
    Door::by_settings("train_sae", &[]),
    Door::by_settings("generate_activations", &[]),
    Door::by_settings("evaluate_sae", &[]),
    Door::by_settings("analyze_sae", &[]),
    Door::by_settings("analyze_crosscoder", &[]),
    Door::by_settings("direct_logit_attribute", &[]),
    Door {
        // For the records.
        leaves_out: &["model_name"],
        ..Door::by_settings("analyze_chunk", &[])
    },
    // Labels and bookmarks are written into it.
    Door::by("open", &[(0, Place::Read), (0, Place::Write)]),
];

/// Every key of settings, and every named argument, that says where something is.
pub static KEYS: &[(&str, Place)] = &[
    ("dataset_name_or_path", Place::Dataset),
    ("data_files", Place::Files),
    ("dataset_name", Place::Dataset),
    ("model_name", Place::Source),
    ("model_from_pretrained_path", Place::Read),
    ("pretrained_name_or_path", Place::Source),
    ("sae_pretrained_name_or_path", Place::Source),
    ("from_pretrained_path", Place::Read),
    ("path", Place::Cache),
    ("cache_dir", Place::Write),
    ("output_dir", Place::Write),
    ("store", Place::Write),
    ("analysis_file", Place::Write),
    ("exp_result_path", Place::Write),
    ("save_path", Place::Write),
    ("folder", Place::Write),
    ("dir", Place::Write),
    ("wandb_project", Place::Wandb),
    ("project", Place::Wandb),
];

/// Keys that name nothing where one of others is given: then they are for the records.
pub static UNLESS: &[(&str, &[&str])] = &[
    ("model_name", &["model_from_pretrained_path", "model"]),
    ("dataset_name", &["dataset"]),
];

/// Returns what the key stands for.
pub fn place_of_key(key: &str) -> Option<Place> {
    KEYS.iter()
        .find(|(known, _)| *known == key)
        .map(|(_, place)| *place)
}
