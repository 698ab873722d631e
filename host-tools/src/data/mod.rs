//! Tables of numbers: where they come from, how they are split and scaled.
//!
//! [`open`] reads CSV, NPY and IDX files (each also gzipped) into a [`Table`]; [`digits`] is the bundled
//! data set; [`open_chunks`] reads what does not fit in memory, block by block. [`HeldOut`] separates training rows from rows that no training ever sees. [`Scaling`] turns data units into the standardised features that every model
//! is trained on.
//!
//! Every function that fails says, in one sentence, which file, row and column is meant and what to do.
//!
//! [`Npz`] reads NumPy's archives, in which other tools hand over trained parameters.

mod binary;
mod cells;
mod chunks;
mod content;
mod dialect;
mod digits;
mod element;
mod header;
mod hold_out;
mod idx;
mod literal;
mod matching;
mod mixed;
mod moments;
mod names;
mod narrow;
mod npy;
mod npz;
mod open;
mod plan;
mod reading;
mod records;
mod remarks;
mod scale;
mod selection;
mod table;
mod text;
mod wild;

pub use cells::MISSING_WORDS;
pub(crate) use cells::truth;
pub use chunks::{
    Chunks, FileChunks, ScaledChunks, TableChunks, TrainingChunks, for_each_chunk, open_chunks,
    open_chunks_with,
};
pub use digits::{DIGIT_MAX, digit_labels, digits};
pub use hold_out::{Amount, HeldOut, HoldOut, ROWS_FOR_ORDER, alternates, follows};
pub use mixed::{
    Column, Kind, MixedOptions, MixedTable, open_mixed, open_mixed_for, open_mixed_with,
    parse_schema, schema_lines,
};
pub use names::{names_line, names_of_line};
pub use npy::Array;
pub use npz::Npz;
pub use open::{open, open_with};
pub use reading::{Decimal, Delimiter, ReadOptions};
pub(crate) use scale::LEAST_SPREAD;
pub use scale::{LARGEST_FEATURE, Scaling, Standardiser, ending};
pub use selection::{column_at, columns_named};
pub use table::{Split, Table, split_labels};
pub use wild::{Wild, listed};
