//! The contexts that samples name: their tokens, and where they came from.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::blobs::{Reader, Writer};
use super::failure::broken;
use super::store::Store;
use crate::error::{Error, Result};

/// Contexts whose tokens are kept in one block.
const TOGETHER: usize = 64;

/// The longest context: positions are kept in 16 bits.
const LONGEST: usize = 1 << 16;

/// The most a block may be decompressed to.
const LARGEST_BLOCK: usize = TOGETHER * LONGEST * 4;

/// Where a context came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the data set.
    pub dataset: Option<String>,
    /// Part of the data set, from 0, and how many there are.
    pub shard: Option<(u32, u32)>,
    /// Number of the record in its shard.
    pub record: Option<u64>,
    /// The token of the record that it begins with.
    pub start: Option<u64>,
}

/// One context.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// Its number in the store, by which samples name it.
    pub id: u32,
    /// Its place in the stream, from 0.
    pub ordinal: u64,
    /// Where it came from.
    pub place: Place,
    /// Its tokens.
    pub tokens: Vec<u32>,
}

/// The fact that says which number an analysis' first context has.
pub(super) fn first_context_key(analysis: i64) -> String {
    format!("analysis.{analysis}.first_context")
}

impl Store {
    /// Returns the contexts with the numbers `ids`, by number.
    ///
    /// # Errors
    /// A damaged store, e.g. without one of them.
    pub fn contexts(&self, ids: impl IntoIterator<Item = u32>) -> Result<BTreeMap<u32, Context>> {
        let mut found = BTreeMap::new();
        let mut blocks: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let query = "SELECT ordinal, dataset, shard, n_shards, record, start, block, place, length FROM context WHERE id = ?";
        for id in ids {
            if found.contains_key(&id) {
                continue;
            }
            let row = self.row(query, [id], |row| {
                let shard: Option<u32> = row.get(2)?;
                let place = Place {
                    dataset: row.get(1)?,
                    shard: shard.zip(row.get::<_, Option<u32>>(3)?),
                    record: row.get::<_, Option<i64>>(4)?.map(|record| record as u64),
                    start: row.get::<_, Option<i64>>(5)?.map(|start| start as u64),
                };
                let ordinal = row.get::<_, i64>(0)? as u64;
                Ok((
                    ordinal,
                    place,
                    row.get::<_, i64>(6)?,
                    row.get::<_, u32>(7)?,
                    row.get::<_, u32>(8)?,
                ))
            })?;
            let (ordinal, place, block, first, length) =
                row.ok_or_else(|| broken(self.path(), "a sample names a context that is not there"))?;
            if let Entry::Vacant(vacant) = blocks.entry(block) {
                vacant.insert(self.block(block)?);
            }
            let (first, length) = (first as usize, length as usize);
            let tokens = blocks[&block].get(first..first.saturating_add(length));
            let tokens = tokens
                .ok_or_else(|| broken(self.path(), "the tokens of a context"))?
                .to_vec();
            found.insert(
                id,
                Context {
                    id,
                    ordinal,
                    place,
                    tokens,
                },
            );
        }
        Ok(found)
    }

    fn block(&self, block: i64) -> Result<Vec<u32>> {
        let data = self.row("SELECT data FROM context_tokens WHERE id = ?", [block], |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        let read = || {
            let bytes = zstd::bulk::decompress(&data?, LARGEST_BLOCK).ok()?;
            Reader::new(&bytes).all(Reader::u32)
        };
        read().ok_or_else(|| broken(self.path(), "the tokens of some contexts"))
    }

    /// Writes the contexts that samples of an analysis name.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_contexts(&self, analysis: i64, contexts: &[Context]) -> Result<()> {
        let statement = "INSERT INTO context VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        for together in contexts.chunks(TOGETHER) {
            let mut writer = Writer::default();
            let mut places = Vec::with_capacity(together.len());
            let mut first = 0u32;
            for context in together {
                places.push(first);
                first += context.tokens.len() as u32;
                context.tokens.iter().for_each(|token| writer.u32(*token));
            }
            let data = zstd::bulk::compress(&writer.done(), 3).map_err(|error| {
                Error::run(format!("the tokens of contexts cannot be compressed: {error}"))
            })?;
            self.change("INSERT INTO context_tokens (data) VALUES (?)", [data])?;
            let block = self.connection().last_insert_rowid();
            for (context, first) in together.iter().zip(places) {
                let place = &context.place;
                let values: [&dyn rusqlite::ToSql; 11] = [
                    &context.id,
                    &analysis,
                    &(context.ordinal as i64),
                    &place.dataset,
                    &place.shard.map(|(shard, _)| shard),
                    &place.shard.map(|(_, shards)| shards),
                    &place.record.map(|record| record as i64),
                    &place.start.map(|start| start as i64),
                    &block,
                    &first,
                    &(context.tokens.len() as u32),
                ];
                self.change(statement, &values[..])?;
            }
        }
        Ok(())
    }

    /// Returns the places in the stream of the contexts that an analysis has.
    ///
    /// # Errors
    /// A damaged store.
    pub fn context_ordinals(&self, analysis: i64) -> Result<BTreeSet<u64>> {
        let query = "SELECT ordinal FROM context WHERE analysis = ?";
        let all = self.rows(query, [analysis], |row| row.get::<_, i64>(0))?;
        Ok(all.into_iter().map(|ordinal| ordinal as u64).collect())
    }

    /// Returns the names of the data sets that the contexts of an analysis are of, in order.
    ///
    /// # Errors
    /// A damaged store.
    pub fn dataset_names(&self, analysis: i64) -> Result<Vec<String>> {
        let query = "SELECT DISTINCT dataset FROM context WHERE analysis = ? AND dataset IS NOT NULL ORDER BY dataset";
        self.rows(query, [analysis], |row| row.get(0))
    }

    /// Returns the number of the first context of an analysis whose extent is known; the first time, the smallest from
    /// which on there is room beside what other analyses have and may come to have.
    ///
    /// # Errors
    /// The store cannot be read or written; there are no numbers left.
    pub fn first_context(&self, analysis: i64) -> Result<u32> {
        let known = |id| -> Result<Option<u64>> {
            let first = self.meta(&first_context_key(id))?;
            Ok(first.and_then(|text| text.parse().ok()))
        };
        if let Some(first) = known(analysis)?.and_then(|first| u32::try_from(first).ok()) {
            return Ok(first);
        }
        let (mut taken, mut contexts) = (Vec::new(), 0);
        for one in self.analyses()? {
            match known(one.id)? {
                _ if one.id == analysis => contexts = one.contexts,
                Some(first) => taken.push(first..first + one.contexts),
                None => taken.push(0..u64::from(self.next_context()?)),
            }
        }
        taken.sort_unstable_by_key(|range| range.start);
        let beside = taken.iter().fold(0, |first, range| {
            let fits = first + contexts <= range.start;
            if fits { first } else { first.max(range.end) }
        });
        let first = u32::try_from(beside + contexts)
            .map(|_| beside as u32)
            .map_err(|_| {
                Error::input(format!(
                    "`{}` has no room for more contexts",
                    self.path().display()
                ))
                .hint("write this analysis into another `store`")
            })?;
        self.set_meta(&first_context_key(analysis), &first.to_string())?;
        Ok(first)
    }

    /// Returns the first number that no context has yet.
    ///
    /// # Errors
    /// A damaged store.
    pub fn next_context(&self) -> Result<u32> {
        let largest = self.row("SELECT max(id) FROM context", [], |row| {
            row.get::<_, Option<u32>>(0)
        })?;
        Ok(largest.flatten().map_or(0, |id| id + 1))
    }
}
