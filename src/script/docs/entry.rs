//! What is told of one name.

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A module, e.g. `torch`.
    Module,
    /// A type of objects, e.g. `Tensor`.
    Type,
    /// A function that makes an object of the same name, e.g. `TrainerConfig`.
    Constructor,
    /// A function that is called by name.
    Function,
    /// A function that is called on an object.
    Method,
    /// Something read from or written to an object.
    Property,
    /// A field of a configuration class.
    Field,
    /// A named value, e.g. `torch::float32`.
    Constant,
}

/// One name with its documentation.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The bare name, e.g. `fit`, `zeros`, `lr`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The type whose method, property or field it is, or the module that it is in.
    pub owner: Option<String>,
    /// One line for each way to use it.
    pub signatures: Vec<String>,
    /// The text that stands above its definition.
    pub docs: String,
    /// Does it belong to the language rather than to saescript?
    pub standard: bool,
}

impl Entry {
    /// Returns it as it is written where it is used: `torch::zeros`, `Trainer.fit`, `print_table`.
    pub fn path(&self) -> String {
        match (&self.owner, self.kind) {
            (Some(owner), Kind::Method | Kind::Property | Kind::Field) => format!("{owner}.{}", self.name),
            (Some(owner), _) => format!("{owner}::{}", self.name),
            (None, _) => self.name.clone(),
        }
    }
}
