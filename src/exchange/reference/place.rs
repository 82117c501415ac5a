//! How records of the reference system name contexts: by the records of data sets.

/// One record of a data set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordPlace {
    /// The data set's name.
    pub dataset: Option<String>,
    /// Part of the data set, from 0.
    pub shard: u32,
    /// How many parts there are.
    pub shards: u32,
    /// Number of the record in its part.
    pub record: u64,
}
