//! What people see: progress, plain lines, tables, diagnostics, metrics files.

pub mod tensorboard;
pub mod wandb;
