//! The viewer: pages in a browser, requests as friends and foes make them, and what is printed.

mod made_store;
mod made_texts;
