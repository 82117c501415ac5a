use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::error::Result;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Run {
    steps: u64,
    #[serde(default)]
    warm_up: u64,
    #[serde(default)]
    lr: f64,
    #[serde(default)]
    source: Option<Source>,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Source {
    Data { name: String },
    Cache { path: String },
}

impl Config for Run {
    const NAME: &'static str = "Run";

    fn validate(&self) -> Result<()> {
        if self.lr < 0.0 {
            return Err(Error::input("must not be negative").under("lr"));
        }
        if self.warm_up > self.steps {
            Err(Error::input("the warm-up is longer than the run").under("warm_up"))
        } else {
            Ok(())
        }
    }
}

fn found(value: Value, unknown: &[&str]) -> Vec<String> {
    let unknown: Vec<KeyPath> = unknown.iter().map(|name| vec![name.to_string()]).collect();
    let found = faults::<Run>(value, &unknown);
    found.iter().map(Error::headline).collect()
}

#[test]
fn all_faults_are_found_in_the_words_of_the_first() {
    let value = json!({"lr": -1.0, "stepps": 5, "warm_up": "long"});
    let said = found(value.clone(), &[]);
    let first = super::super::from_value::<Run>(value).err().expect("refused");
    assert!(said.contains(&first.headline()), "{first} in {said:#?}");
    for part in ["`stepps`: unknown key", "`warm_up`: expected", "`lr`: must"] {
        assert!(
            said.iter().any(|said| said.starts_with(part)),
            "{part}: {said:#?}"
        );
    }
    assert_eq!(said.len(), 3, "{said:#?}");
}

#[test]
fn what_a_hole_may_have_caused_is_no_fault() {
    assert_eq!(found(json!({}), &["steps"]), [""; 0]);
    assert_eq!(found(json!({"steps": null, "warm_up": 9}), &["steps"]), [""; 0]);
    assert_eq!(found(json!({"steps": "many", "warm_up": 9}), &[]).len(), 1);
    let negative = found(json!({"steps": null, "lr": -1.0}), &["steps"]);
    assert_eq!(negative, ["`lr`: must not be negative"]);
}

#[test]
fn keys_of_a_table_of_unknown_kind_are_no_fault() {
    let value = json!({"steps": 5, "source": {"type": "cash", "path": "p"}});
    let said = found(value, &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].starts_with("`source.type`: unknown value `cash`"),
        "{said:#?}"
    );
}
