//! Fetching models, data sets and SAEs from a Hugging Face hub.
