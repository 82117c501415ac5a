//! The viewer: pages in a browser, requests as friends and foes make them, and what is printed.

mod actions;
mod alone;
mod chromium;
mod foes;
mod hostile_store;
mod large;
mod look;
mod made_store;
mod made_texts;
mod pages;
pub mod served;
mod shown;
mod text;
mod themes;
mod trouble;
