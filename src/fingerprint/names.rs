//! What people call the keys of a fingerprint, where their settings have other names for them.

/// Beginnings of keys, and what stands for them in the settings that a command was given; and what else there is to say
/// of a kind of work when something differs.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pairs: Vec<(String, String)>,
    otherwise: Option<&'static str>,
    fixed: Option<fn(&str) -> bool>,
}

impl Names {
    /// Takes pairs: the beginning of a key, and what is shown for it. The first that fits counts.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = pairs.into_iter().map(|(key, shown)| (key.into(), shown.into()));
        Names {
            pairs: owned.collect(),
            ..Names::default()
        }
    }

    /// Has refusals advise `otherwise`, in the place of "choose another folder".
    #[must_use]
    pub fn or_else(self, otherwise: &'static str) -> Self {
        Names {
            otherwise: Some(otherwise),
            ..self
        }
    }

    /// Has keys of which `is_fixed` is true differ never, allowed or not: what there is already has their form.
    #[must_use]
    pub fn with_fixed(self, is_fixed: fn(&str) -> bool) -> Self {
        Names {
            fixed: Some(is_fixed),
            ..self
        }
    }

    /// Returns what refusals advise besides going on with what there was.
    pub(super) fn otherwise(&self) -> &'static str {
        self.otherwise.unwrap_or("choose another folder")
    }

    /// Returns whether `key` may not differ, allowed or not.
    pub(super) fn is_fixed(&self, key: &str) -> bool {
        self.fixed.is_some_and(|is_fixed| is_fixed(key))
    }

    /// Returns what `key` is called.
    pub fn shown(&self, key: &str) -> String {
        let fitting = self
            .pairs
            .iter()
            .find_map(|(start, shown)| Some((key.strip_prefix(start.as_str())?, shown)));
        match fitting {
            Some((rest, shown)) => format!("{shown}{rest}"),
            None => key.to_string(),
        }
    }

    /// Returns whether `name` means `key`, or a table around it.
    pub(super) fn means(&self, name: &str, key: &str) -> bool {
        covers(name, key) || covers(name, &self.shown(key))
    }
}

fn covers(name: &str, key: &str) -> bool {
    let rest = key.strip_prefix(name.trim());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_meant_by_its_names_and_by_the_tables_around_it() {
        let names = Names::of([("datasets.corpus.", "dataset."), ("activation_factory.", "")]);
        assert_eq!(names.shown("datasets.corpus.split"), "dataset.split");
        assert_eq!(names.shown("activation_factory.context_size"), "context_size");
        assert_eq!(names.shown("model.dtype"), "model.dtype");
        for name in ["dataset.split", "dataset", "datasets.corpus.split", "datasets"] {
            assert!(names.means(name, "datasets.corpus.split"), "{name}");
        }
        for name in ["dataset.spli", "data", "split", ""] {
            assert!(!names.means(name, "datasets.corpus.split"), "{name}");
        }
    }
}
