//! What is measured.

use saescript::Result;
use saescript::config::from_value;
use saescript::dictionary::SAEConfig;
use saescript::tensor::{DType, DeviceSpec, Kind};
use saescript::train::TrainerConfig;
use serde_json::{Map, Value, json};

/// Where the batches of a case come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// They are there already.
    Made,
    /// A language model of this dtype makes them from texts.
    Model(DType),
    /// They are read from a cache.
    Cache,
}

/// One training that is measured.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub batch: i64,
    pub d_model: i64,
    pub d_sae: i64,
    pub k: i64,
    /// Hook points that are read and written together.
    pub heads: i64,
    /// Settings of the dictionary and of the trainer, besides those that all cases have.
    pub sae: Value,
    pub trainer: Value,
    /// Norm of the decoder's rows.
    pub norm: f64,
    /// Latents that are on on average at the beginning, where thresholds or biases are set so.
    pub l0: Option<i64>,
    /// Latents that are never among the largest, the first ones.
    pub silent: i64,
    pub source: Source,
    /// Settings of the factory, besides those that all cases have.
    pub factory: Value,
}

impl Case {
    fn new(name: &str, sae: Value, trainer: Value) -> Self {
        Case {
            name: name.into(),
            batch: 4096,
            d_model: 768,
            d_sae: 6144,
            k: 50,
            heads: 1,
            sae,
            trainer,
            norm: 0.5,
            l0: None,
            silent: 0,
            source: Source::Made,
            factory: json!({"context_size": 256, "model_batch_size": 16}),
        }
    }

    fn with(self, change: impl FnOnce(&mut Case)) -> Self {
        let mut case = self;
        change(&mut case);
        case
    }

    /// Returns the name of the hook point of a head.
    pub fn hook(&self, head: i64) -> String {
        format!("blocks.{}.hook_resid_post", 6 + head)
    }

    /// Returns the bytes of one batch.
    pub fn batch_bytes(&self) -> u64 {
        (self.batch * self.d_model * self.heads * 4) as u64
    }

    /// Returns the settings of its dictionary on a device.
    pub fn sae_config(&self, place: DeviceSpec) -> Result<SAEConfig> {
        let hooks: Vec<String> = (0..self.heads).map(|head| self.hook(head)).collect();
        let hooks = if self.heads == 1 {
            json!({"hook_point_in": hooks[0], "hook_point_out": hooks[0]})
        } else {
            json!({"hook_points": hooks})
        };
        let common = json!({
            "d_model": self.d_model, "d_sae": self.d_sae, "top_k": self.k, "norm_activation": "token-wise",
            "device": place,
        });
        from_value(merged([hooks, common, self.sae.clone()]))
    }

    /// Returns the settings of its trainer, whose steps are computed by `engine`.
    pub fn trainer_config(&self, engine: &str) -> Result<TrainerConfig> {
        let common = json!({
            "amp_dtype": "float32", "step_engine": engine, "total_training_tokens": 100_000 * self.batch,
        });
        from_value(merged([common, self.trainer.clone()]))
    }
}

/// Returns the fields of all objects; later ones take the place of earlier ones.
pub fn merged(objects: impl IntoIterator<Item = Value>) -> Value {
    let mut all = Map::new();
    for object in objects {
        if let Value::Object(fields) = object {
            all.extend(fields);
        }
    }
    Value::Object(all)
}

/// Returns all cases.
pub fn all() -> Vec<Case> {
    let topk = || Case::new("topk", json!({"act_fn": "topk"}), json!({}));
    let auxk = |name: &str| {
        let trainer = json!({"auxk_coefficient": 0.03125, "dead_threshold": 4096});
        Case::new(name, json!({"act_fn": "topk"}), trainer)
    };
    let batchtopk = || Case::new("batchtopk", json!({"act_fn": "batchtopk"}), json!({}));
    let jumprelu = |name: &str, window: f64| {
        Case::new(
            name,
            json!({"act_fn": "jumprelu", "jumprelu_threshold_window": window}),
            json!({"sparsity_loss_type": "tanh-quad", "l1_coefficient": 0.3, "lp_coefficient": 3e-7}),
        )
    };
    let relu = json!({"sparsity_loss_type": "power", "l1_coefficient": 8e-5});
    let relu = |name: &str| {
        Case::new(name, json!({"act_fn": "relu"}), relu.clone()).with(|case| case.l0 = Some(2700))
    };
    vec![
        relu("relu"),
        relu("relu-1024").with(|case| case.batch = 1024),
        relu("relu-many")
            .with(|case| (case.d_model, case.d_sae, case.batch, case.l0) = (256, 262_144, 1024, None)),
        relu("relu-bfloat16").with(|case| case.trainer["amp_dtype"] = json!("bfloat16")),
        jumprelu("jumprelu", 0.1).with(|case| case.l0 = Some(50)),
        jumprelu("jumprelu-1024", 0.1).with(|case| (case.l0, case.batch) = (Some(50), 1024)),
        jumprelu("jumprelu-unit", 0.1).with(|case| (case.l0, case.norm) = (Some(50), 1.0)),
        jumprelu("jumprelu-dense", 2.0).with(|case| case.l0 = Some(1700)),
        topk(),
        topk().with(|case| (case.name, case.batch) = ("topk-1024".into(), 1024)),
        batchtopk(),
        batchtopk().with(|case| (case.name, case.batch) = ("batchtopk-1024".into(), 1024)),
        topk().with(|case| {
            (case.name, case.trainer) = ("topk-bfloat16".into(), json!({"amp_dtype": "bfloat16"}))
        }),
        topk().with(|case| {
            (case.name, case.batch, case.k) = ("topk-wide".into(), 1024, 64);
            (case.d_model, case.d_sae) = (2048, 65_536);
        }),
        topk().with(|case| {
            (case.name, case.batch) = ("topk-many".into(), 1024);
            (case.d_model, case.d_sae) = (256, 262_144);
        }),
        auxk("auxk").with(|case| case.silent = 1024),
        auxk("auxk-many").with(|case| {
            (case.d_model, case.d_sae, case.batch) = (256, 262_144, 1024);
            case.silent = case.d_sae / 2;
        }),
        topk().with(|case| {
            case.sae = json!({"act_fn": "topk", "use_glu_encoder": true});
            case.name = "glu".into();
        }),
        batchtopk().with(|case| {
            case.sae = json!({"act_fn": "batchtopk", "use_glu_encoder": true});
            case.name = "glu-batchtopk".into();
        }),
        batchtopk().with(|case| (case.name, case.k) = ("batchtopk-dense".into(), 1000)),
        topk().with(|case| {
            case.sae = json!({"act_fn": "topk", "sae_type": "crosscoder"});
            (case.name, case.heads) = ("crosscoder".into(), 2);
        }),
        batchtopk().with(|case| {
            case.sae = json!({
                "act_fn": "batchtopk", "sae_type": "matryoshka",
                "matryoshka_fractions": [0.0625, 0.125, 0.25, 0.5, 1.0],
            });
            case.name = "matryoshka".into();
        }),
        topk().with(|case| (case.name, case.source) = ("live".into(), Source::Model(DType::FLOAT32))),
        topk().with(|case| {
            (case.name, case.trainer) = ("live-bfloat16".into(), json!({"amp_dtype": "bfloat16"}));
            case.source = Source::Model(DType::BFLOAT16);
        }),
        topk().with(|case| {
            (case.name, case.source) = ("walkthrough".into(), Source::Model(DType::from(Kind::Half)));
            case.trainer = json!({"auxk_coefficient": 0.03125});
            case.factory = json!({"model_batch_size": 32});
        }),
        topk().with(|case| (case.name, case.source) = ("cached".into(), Source::Cache)),
    ]
}

/// Returns the top-k case over several batch sizes, widths and numbers of active latents, one changed at a time.
pub fn sweep() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |batch: i64, d_sae: i64, k: i64| {
        let case = Case::new("", json!({"act_fn": "topk"}), json!({}));
        cases.push(case.with(|case| {
            case.name = format!("topk {batch} × {d_sae}, k {k}");
            (case.batch, case.d_sae, case.k) = (batch, d_sae, k);
        }));
    };
    for batch in [256, 1024, 2048, 4096, 8192] {
        add(batch, 6144, 50);
    }
    for d_sae in [3072, 12_288, 24_576] {
        add(4096, d_sae, 50);
    }
    for k in [16, 32, 100, 200, 500, 700, 1000] {
        add(4096, 6144, k);
    }
    cases
}
