//! The `saescript` program.

fn main() {}
