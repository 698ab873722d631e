//! How many rows differ: no more clusters than that have a row each.

use std::collections::HashSet;

use anyhow::{Result, ensure};

/// Rows that differ, as far as they are counted.
pub(super) struct DistinctRows {
    seen: HashSet<Vec<u64>>,
    wanted: usize,
    rows: usize,
}

impl DistinctRows {
    /// Counts to `wanted`, and holds no more rows than that.
    pub(super) fn up_to(wanted: usize) -> Self {
        Self {
            seen: HashSet::new(),
            wanted,
            rows: 0,
        }
    }

    /// Adds a row. NaN, a missing value, is one value; so are the two zeros.
    pub(super) fn add(&mut self, row: impl Iterator<Item = f64>) {
        self.rows += 1;
        if self.seen.len() < self.wanted {
            let bits = |value: f64| match value {
                value if value.is_nan() => f64::NAN.to_bits(),
                value => (value + 0.0).to_bits(),
            };
            self.seen.insert(row.map(bits).collect());
        }
    }

    /// Adds the direction of a row; a row of zeros has none.
    #[cfg(feature = "train")]
    pub(super) fn add_direction(&mut self, row: &[f32]) {
        let largest = row
            .iter()
            .fold(0.0_f64, |max, &x| max.max(f64::from(x).abs()));
        if largest > 0.0 {
            // Equal quotients are equal after rounding as well.
            self.add(row.iter().map(|&x| f64::from(x) / largest));
        } else {
            self.rows += 1;
        }
    }

    /// Checks that there are as many as were wanted, of `differing` rows for `parts`.
    pub(super) fn check(&self, source: &str, differing: &str, parts: &str) -> Result<()> {
        let (found, wanted) = (self.seen.len(), self.wanted);
        ensure!(
            found >= wanted,
            "{source}: the {} rows to train on are {found} {differing}, too few for {wanted} {parts}; {}",
            self.rows,
            if found == 0 {
                "give others".to_owned()
            } else {
                format!("ask for at most {found}")
            }
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_by_their_values() {
        let rows = [
            [0.0, 1.0],
            [-0.0, 1.0],
            [f64::NAN, 1.0],
            [-f64::NAN, 1.0],
            [0.0, 2.0],
        ];
        let mut distinct = DistinctRows::up_to(4);
        for row in rows {
            distinct.add(row.into_iter());
        }
        assert_eq!(
            distinct
                .check("x.csv", "distinct ones", "classes")
                .unwrap_err()
                .to_string(),
            "x.csv: the 5 rows to train on are 3 distinct ones, too few for 4 classes; ask for at most 3"
        );
        assert!(
            DistinctRows {
                wanted: 3,
                ..distinct
            }
            .check("x.csv", "", "")
            .is_ok()
        );
    }

    #[cfg(feature = "train")]
    #[test]
    fn directions_forget_lengths_and_zeros_have_none() {
        let mut distinct = DistinctRows::up_to(9);
        for row in [
            [1.0, 3.0],
            [0.1, 0.3],
            [2.5, 7.5],
            [-1.0, -3.0],
            [0.0, 0.0],
            [0.0, 3.0],
        ] {
            distinct.add_direction(&row);
        }
        // 0.1 and 0.3 are rounded: another direction than 1 and 3.
        assert_eq!(distinct.seen.len(), 4);
    }
}
