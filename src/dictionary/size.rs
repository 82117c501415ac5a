//! How many latents a dictionary has, by number or by factor.

/// Returns `int(d_model * factor)`, in float64 as Python has it.
pub(super) fn latents(d_model: i64, factor: f64) -> i64 {
    (d_model as f64 * factor) as i64
}

/// Returns the smallest float64 `e` with `int(d_model * e) = d_sae`.
pub(super) fn smallest_factor(d_model: i64, d_sae: i64) -> f64 {
    let mut factor = d_sae as f64 / d_model as f64;
    while latents(d_model, factor) < d_sae {
        factor = factor.next_up();
    }
    while latents(d_model, factor.next_down()) >= d_sae {
        factor = factor.next_down();
    }
    factor
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Value, from_value};
    use crate::dictionary::SAEConfig;
    use crate::error::Result;

    fn of(more: Value) -> Result<SAEConfig> {
        let mut cfg = json!({"hook_point_in": "h", "hook_point_out": "h", "d_model": 896});
        for (key, value) in more.as_object().expect("a table") {
            cfg[key] = value.clone();
        }
        from_value(cfg)
    }

    #[test]
    fn the_smallest_factor_stands_for_the_number_of_latents() {
        for (d_model, d_sae) in [
            (896, 7500),
            (768, 1),
            (3, 7),
            (49, 50),
            (2304, 16384),
            (7, 1_000_003),
            (5, 5),
        ] {
            let factor = smallest_factor(d_model, d_sae);
            assert_eq!(latents(d_model, factor), d_sae, "{d_model} {d_sae}");
            assert_eq!(
                latents(d_model, factor.next_down()),
                d_sae - 1,
                "{d_model} {d_sae}"
            );
        }
        // The nearest float64 to the quotient is too small here.
        assert_eq!(latents(896, 7500.0 / 896.0), 7499);
    }

    #[test]
    fn the_number_of_latents_is_given_one_way() {
        assert_eq!(of(json!({"d_sae": 7500})).expect("valid").d_sae(), 7500);
        assert_eq!(of(json!({"expansion_factor": 0.5})).expect("valid").d_sae(), 448);
        assert_eq!(
            of(json!({"expansion_factor": 2, "d_sae": 1792}))
                .expect("the same")
                .d_sae(),
            1792
        );
        for (more, reason) in [
            (json!({}), "neither `expansion_factor` nor `d_sae` is given"),
            (
                json!({"d_sae": 0}),
                "`d_sae`: the number of latents must be at least 1",
            ),
            (
                json!({"d_sae": 7500, "expansion_factor": 8}),
                "expansion factor 8 with d_model 896 gives 7168",
            ),
        ] {
            let error = of(more).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
        let one = of(json!({"d_sae": 1792}))
            .expect("valid")
            .architecture()
            .expect("plain data");
        let other = of(json!({"expansion_factor": 2.0}))
            .expect("valid")
            .architecture()
            .expect("plain data");
        assert_eq!(one, other);
    }
}
