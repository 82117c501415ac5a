//! What an error is about, for code that decides something by it. Sentences are for people and decide nothing.

/// What an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// Nothing that code asks for.
    #[default]
    Other,
    /// A name that is none of those there are.
    Unknown(Unknown),
    /// A key that the table at the error's key path needs and does not have.
    MissingKey(String),
    /// A value of another type or form than is wanted.
    WrongType(Wanted),
    /// The language's token that has to stand at the place.
    MissingToken(String),
    /// Memory, of the machine or of a device.
    OutOfMemory,
    /// A device that failed; nothing more can be computed on it.
    DeviceFailure,
    /// An index beyond the end of a tensor's dimension.
    OutOfRange,
    /// A tensor whose elements do not lie in memory as a view needs them.
    NotViewable,
    /// A division of whole numbers by 0.
    DivisionByZero,
    /// What the script, or the library, may not do.
    NotPermitted,
}

/// A name that is none of those there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What the name stands for.
    pub role: Role,
    /// The allowed name that was probably meant.
    pub nearest: Option<String>,
    /// Every allowed name; empty where they are not listed.
    pub allowed: Vec<String>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A key of a table, an argument or a field: it is wrong whatever its value is.
    Key,
    /// A value.
    Value,
}

/// The type or form of value that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// True or false.
    Flag,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list.
    List,
    /// A table of keys and values.
    Table,
    /// Something that its sentence describes.
    Other,
}
