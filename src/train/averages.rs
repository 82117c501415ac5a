//! Averages over steps by name: whatever a step measures is averaged, and what one step lacks counts for none.

use std::borrow::Cow;

use super::kept::{Kept, Saved, Saving};
use crate::error::Result;
use crate::kernels::cuda::{Launcher, figures};
use crate::tensor::{Device, Kind, Tensor};

/// What one step measured, by the names of the metrics, 0-d.
#[derive(Default)]
pub(super) struct Measured(Vec<(Cow<'static, str>, Tensor)>);

impl Measured {
    /// Takes note of one value; NaN for one that this step does not have.
    pub(super) fn add(&mut self, name: impl Into<Cow<'static, str>>, value: &Tensor) {
        self.0.push((name.into(), value.shallow_clone()));
    }

    fn get(&self, name: &str) -> Option<&Tensor> {
        let found = self.0.iter().find(|(measured, _)| measured == name);
        found.map(|(_, value)| value)
    }
}

/// Sums over steps on the device, and how many values each is of.
#[derive(Debug)]
pub(super) struct Averages {
    names: Vec<String>,
    /// The sums and the counts, float64 `(2, n)` in the order of the names.
    sums: Tensor,
}

impl Averages {
    /// Returns averages of nothing yet.
    pub(super) fn new(device: Device) -> Self {
        Self {
            names: Vec::new(),
            sums: Tensor::zeros([2, 0], (Kind::Double, device)),
        }
    }

    /// Returns whether something is averaged under this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// Adds what one step measured. A value that it does not have, such as the explained variance of a batch that does
    /// not vary, is NaN and left out. Kernels for a GPU are those of `launcher`.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn add(&mut self, measured: Measured, launcher: Option<&dyn Launcher>) -> Result<()> {
        self.make_room(&measured)?;
        if let Some(launcher) = launcher.filter(|launcher| launcher.device() == self.sums.device())
            && measured.0.iter().all(|(_, value)| value.kind() == Kind::Float)
        {
            let values: Vec<Option<&Tensor>> = self.names.iter().map(|name| measured.get(name)).collect();
            return figures::add(launcher, &self.sums, &values);
        }
        let scalar = [0i64; 0];
        let absent = Tensor::f_full(scalar.as_slice(), f64::NAN, (Kind::Double, self.sums.device()))?;
        let mut row = Vec::with_capacity(self.names.len());
        for name in &self.names {
            row.push(match measured.get(name) {
                Some(value) => value.f_to_kind(Kind::Double)?,
                None => absent.shallow_clone(),
            });
        }
        let row = Tensor::f_stack(&row, 0)?;
        let there = row.f_isnan()?.f_logical_not()?.f_to_kind(Kind::Double)?;
        let values = row.f_nan_to_num(0.0, f64::INFINITY, f64::NEG_INFINITY)?;
        let _ = self.sums.f_add_(&Tensor::f_stack(&[&values, &there], 0)?)?;
        Ok(())
    }

    /// Puts new names behind those that are known.
    fn make_room(&mut self, measured: &Measured) -> Result<()> {
        let before = self.names.len();
        for (name, _) in &measured.0 {
            if !self.has(name) {
                self.names.push(name.to_string());
            }
        }
        let missing = (self.names.len() - before) as i64;
        if missing > 0 {
            let options = (Kind::Double, self.sums.device());
            let room = Tensor::f_zeros([2, missing], options)?;
            self.sums = Tensor::f_cat(&[&self.sums, &room], 1)?;
        }
        Ok(())
    }

    /// Returns the averages by name, 0-d; NaN where there was no value.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn means(&self) -> Result<Vec<(&str, Tensor)>> {
        let means = self.sums.f_get(0)?.f_div(&self.sums.f_get(1)?)?;
        let names = self.names.iter().enumerate();
        names
            .map(|(index, name)| Ok((name.as_str(), means.f_get(index as i64)?)))
            .collect()
    }

    /// Forgets the values, but not the names.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn clear(&mut self) -> Result<()> {
        let _ = self.sums.f_zero_()?;
        Ok(())
    }
}

/// The names in the order in which they are logged.
const NAMES: &str = "averaged";

fn tensor_name(name: &str) -> String {
    format!("average.{name}")
}

impl Kept for Averages {
    fn save(&self, checkpoint: &mut Saving) -> Result<()> {
        for (index, name) in self.names.iter().enumerate() {
            checkpoint.tensor(tensor_name(name), &self.sums.f_select(1, index as i64)?);
        }
        checkpoint.fact(NAMES, &self.names)
    }

    fn restore(&mut self, checkpoint: &Saved) -> Result<()> {
        let names: Vec<String> = checkpoint.fact(NAMES)?;
        let columns = names.iter().map(|name| checkpoint.tensor(&tensor_name(name)));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        *self = Self::new(self.sums.device());
        if !columns.is_empty() {
            self.sums = Tensor::f_stack(&columns, 1)?;
            self.names = names;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(values: &[(&'static str, f64)]) -> Measured {
        let mut measured = Measured::default();
        for (name, value) in values {
            measured.add(*name, &Tensor::from(*value));
        }
        measured
    }

    fn means(averages: &Averages) -> Vec<(String, f64)> {
        let means = averages.means().expect("means").into_iter();
        means
            .map(|(name, mean)| (name.to_string(), mean.double_value(&[])))
            .collect()
    }

    #[test]
    fn a_metric_that_comes_later_shifts_none_of_the_others() {
        let mut before = Averages::new(Device::Cpu);
        before
            .add(measured(&[("a", 1.0), ("b", 10.0)]), None)
            .expect("added");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("state.safetensors");
        let mut saving = Saving::default();
        before.save(&mut saving).expect("saved");
        let facts = saving.write(&file).expect("written");
        let mut after = Averages::new(Device::Cpu);
        let saved = Saved::open(&file, facts, Device::Cpu).expect("opened");
        after.restore(&saved).expect("restored");
        after
            .add(measured(&[("a", 3.0), ("inserted", 7.0), ("b", f64::NAN)]), None)
            .expect("added");
        let expected = [("a", 2.0), ("b", 10.0), ("inserted", 7.0)];
        let expected = expected.map(|(name, mean)| (name.to_string(), mean));
        assert_eq!(means(&after), expected);
    }
}
