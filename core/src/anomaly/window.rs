//! The recent past of one signal as features.

use crate::num::saturating_i16;
use crate::{Operand, ShapeError};

/// The last `W` values of a signal, in a ring: `2 W + 4` bytes or a little more.
///
/// What an anomaly in time looks like is seldom in one value. The window writes it out as features, the
/// newest first, followed by as many differences between neighbours as there is room for:
///
/// ```text
/// x[t], x[t-1], .., x[t-W+1], x[t] - x[t-1], .., x[t-W+2] - x[t-W+1]
/// ```
///
/// Values are features already (`I4F12`), scaled before they are pushed; differences saturate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<const W: usize> {
    values: [i16; W],
    /// Where the next value goes, below `W`.
    next: u16,
    filled: u16,
}

impl<const W: usize> Window<W> {
    /// An empty window.
    pub const NEW: Self = {
        assert!(
            W > 0 && W <= u16::MAX as usize,
            "a window holds 1 to 65,535 values"
        );
        Self {
            values: [0; W],
            next: 0,
            filled: 0,
        }
    };

    /// Features with all differences: `2 W - 1`.
    pub const WITH_DIFFERENCES: usize = 2 * W - 1;

    /// Adds the newest value in place of the oldest. Constant work.
    pub fn push(&mut self, value: i16) {
        if let Some(slot) = self.values.get_mut(usize::from(self.next)) {
            *slot = value;
        }
        self.next = self.next.wrapping_add(1);
        if usize::from(self.next) >= W {
            self.next = 0;
        }
        if !self.is_full() {
            self.filled = self.filled.wrapping_add(1);
        }
    }

    /// Whether every value has been pushed, so that the features mean something.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.filled as usize >= W
    }

    /// Values, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = i16> {
        let (recent, older) = self
            .values
            .split_at_checked(usize::from(self.next))
            .unwrap_or((&[], &[]));
        recent.iter().rev().chain(older.iter().rev()).copied()
    }

    /// Writes `W` lags and then the differences for which `features` has room.
    ///
    /// ```
    /// use autodidact::anomaly::Window;
    /// let mut window = Window::<3>::NEW;
    /// for value in [10, 20, 50, 60] {
    ///     window.push(value);
    /// }
    /// let mut features = [0; Window::<3>::WITH_DIFFERENCES];
    /// window.features_into(&mut features)?;
    /// assert_eq!(features, [60, 50, 20, 10, 30]);
    /// # Ok::<(), autodidact::ShapeError>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] unless `features` has a length of `W` to [`WITH_DIFFERENCES`](Self::WITH_DIFFERENCES).
    pub fn features_into(&self, features: &mut [i16]) -> Result<(), ShapeError> {
        ShapeError::at_least(Operand::Output, W, features.len())?;
        if features.len() > Self::WITH_DIFFERENCES {
            ShapeError::exact(Operand::Output, Self::WITH_DIFFERENCES, features.len())?;
        }
        let differences = self
            .newest_first()
            .zip(self.newest_first().skip(1))
            .map(|(newer, older)| saturating_i16(i32::from(newer) - i32::from(older)));
        for (feature, value) in features
            .iter_mut()
            .zip(self.newest_first().chain(differences))
        {
            *feature = value;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn features_are_the_last_values_and_their_differences(
            values in proptest::collection::vec(any::<i16>(), 5..40), len in 5usize..=9,
        ) {
            let mut window = Window::<5>::NEW;
            for (count, value) in values.iter().enumerate() {
                prop_assert_eq!(window.is_full(), count >= 5);
                window.push(*value);
            }
            let last: Vec<i16> = values.iter().rev().take(5).copied().collect();
            let mut expected = last.clone();
            expected.extend(last.windows(2).map(|p| p[0].saturating_sub(p[1])));
            let mut features = std::vec![0; len];
            window.features_into(&mut features).unwrap();
            prop_assert_eq!(&features[..], &expected[..len]);
        }
    }

    #[test]
    fn a_slice_of_another_length_is_refused() {
        let window = Window::<5>::NEW;
        assert!(window.features_into(&mut [0; 4]).is_err());
        assert!(window.features_into(&mut [0; 10]).is_err());
    }
}
