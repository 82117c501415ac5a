//! The variables that are visible at a place, with what is known of their values.

use super::types::Type;

/// Blocks within blocks, the innermost last. A function sees none of the blocks around it.
#[derive(Default)]
pub struct Scopes(Vec<Vec<(String, Type)>>);

impl Scopes {
    /// Returns those at the beginning of a function or closure with these parameters.
    pub fn of_function(parameters: impl IntoIterator<Item = (String, Type)>) -> Scopes {
        Scopes(vec![parameters.into_iter().collect()])
    }

    /// Enters a block.
    pub fn enter(&mut self) {
        self.0.push(Vec::new());
    }

    /// Leaves the innermost block, whose variables end.
    pub fn leave(&mut self) {
        self.0.pop();
    }

    /// Makes a variable in the innermost block; it hides one of the same name further out.
    pub fn declare(&mut self, name: &str, kind: Type) {
        if self.0.is_empty() {
            self.enter();
        }
        if let Some(block) = self.0.last_mut() {
            block.push((name.to_string(), kind));
        }
    }

    /// Returns the type of the variable; `None` if there is none of that name.
    pub fn find(&self, name: &str) -> Option<&Type> {
        let mut all = self.0.iter().rev().flat_map(|block| block.iter().rev());
        all.find(|(known, _)| known == name).map(|(_, kind)| kind)
    }
}
