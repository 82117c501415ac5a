//! The script host: binds everything below to Rhai and holds no numerics.
