//! A weight matrix in the order that a kernel reads fastest.

/// How the bytes of a weight matrix follow one another.
///
/// Every kernel computes the same bits from every order; only speed differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Order {
    /// One row after the other.
    RowMajor = 0,
    /// For `SMLAD`: rows in groups of four, inputs in groups of four. A group of rows stores, for
    /// each group of inputs, four words of two rows and two inputs: rows 0, 1 of inputs 0, 1; rows
    /// 2, 3 of inputs 0, 1; then the same of inputs 2, 3. In a word the row counts fastest, and
    /// the even rows are offset by 128. Rows and columns are padded to multiples of four with
    /// weight 0.
    Quads = 1,
    /// For cores without packed arithmetic: rows in groups of eight, inputs in groups of four; a
    /// group stores, input by input, eight bytes, one a row, each offset by 128. Rows and columns
    /// are padded with weight 0 (byte 128).
    Octets = 2,
}

impl Order {
    /// The order that the kernels of the target being compiled for read fastest.
    pub const FASTEST: Self = if cfg!(autodidact_kernels = "armv7em") {
        Self::Quads
    } else if cfg!(autodidact_kernels = "armv6m") {
        Self::Octets
    } else {
        Self::RowMajor
    };

    /// The order with this tag in a container.
    #[must_use]
    pub const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::RowMajor),
            1 => Some(Self::Quads),
            2 => Some(Self::Octets),
            _ => None,
        }
    }

    /// Bytes that a matrix of this shape takes in this order; `None` when `usize` cannot hold it.
    #[must_use]
    pub const fn stored_bytes(self, rows: usize, cols: usize) -> Option<usize> {
        let (rows, cols) = match self {
            Self::RowMajor => (Some(rows), Some(cols)),
            Self::Quads => (
                rows.checked_next_multiple_of(4),
                cols.checked_next_multiple_of(4),
            ),
            Self::Octets => (
                rows.checked_next_multiple_of(8),
                cols.checked_next_multiple_of(4),
            ),
        };
        match (rows, cols) {
            (Some(rows), Some(cols)) => rows.checked_mul(cols),
            _ => None,
        }
    }

    /// Where weight (`row`, `col`) lies; within `stored_bytes` for every weight of the matrix.
    #[inline]
    #[must_use]
    pub const fn position(self, row: usize, col: usize, cols: usize) -> usize {
        match self {
            Self::RowMajor => row.wrapping_mul(cols).wrapping_add(col),
            Self::Quads => {
                let group = (row / 4)
                    .wrapping_mul(cols.wrapping_add(3) / 4)
                    .wrapping_add(col / 4);
                let word = (col / 2 % 2) * 2 + row / 2 % 2;
                group
                    .wrapping_mul(16)
                    .wrapping_add(word * 4 + col % 2 * 2 + row % 2)
            }
            Self::Octets => {
                let padded = cols.wrapping_add(3) & !3;
                let input = (row / 8).wrapping_mul(padded).wrapping_add(col);
                input.wrapping_mul(8).wrapping_add(row % 8)
            }
        }
    }

    /// What the stored byte of a weight in this row is XORed with.
    #[inline]
    #[must_use]
    pub const fn offset(self, row: usize) -> i8 {
        match self {
            Self::RowMajor => 0,
            Self::Quads if row % 2 == 1 => 0,
            Self::Quads | Self::Octets => i8::MIN,
        }
    }
}

/// Why bytes are no matrix of the given shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MatrixError {
    /// The byte count is not what shape and order need.
    Length {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// Rows or columns are zero, or their product overflows.
    Shape,
    /// The bytes do not start at a multiple of four.
    Alignment,
}

/// A borrowed `i8` weight matrix: `rows` outputs, `cols` inputs.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [i8],
    rows: usize,
    cols: usize,
    order: Order,
}

impl<'a> Matrix<'a> {
    /// A matrix over `data`, which must be four-byte aligned and of exactly
    /// [`Order::stored_bytes`] bytes.
    ///
    /// # Errors
    /// [`MatrixError`] when the shape is empty or the bytes do not fit it.
    pub fn new(
        data: &'a [i8],
        rows: usize,
        cols: usize,
        order: Order,
    ) -> Result<Self, MatrixError> {
        if rows == 0 || cols == 0 {
            return Err(MatrixError::Shape);
        }
        let needed = order.stored_bytes(rows, cols).ok_or(MatrixError::Shape)?;
        if data.len() != needed {
            return Err(MatrixError::Length {
                needed,
                given: data.len(),
            });
        }
        if !data.as_ptr().addr().is_multiple_of(4) {
            return Err(MatrixError::Alignment);
        }
        Ok(Self {
            data,
            rows,
            cols,
            order,
        })
    }

    /// Number of outputs.
    #[inline]
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs.
    #[inline]
    #[must_use]
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// The order of the bytes.
    #[inline]
    #[must_use]
    pub const fn order(&self) -> Order {
        self.order
    }

    /// The stored bytes, padding included.
    #[inline]
    #[must_use]
    pub const fn data(&self) -> &'a [i8] {
        self.data
    }

    /// Weight (`row`, `col`); 0 outside the matrix.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize, col: usize) -> i8 {
        if row >= self.rows || col >= self.cols {
            return 0;
        }
        let byte = self
            .data
            .get(self.order.position(row, col, self.cols))
            .copied()
            .unwrap_or(0);
        byte ^ self.order.offset(row)
    }
}

impl Matrix<'_> {
    /// `sum |w|` of one row; padding does not count, and a row outside the matrix has 0.
    #[must_use]
    pub fn row_magnitude(&self, row: usize) -> u64 {
        if row >= self.rows {
            return 0;
        }
        // From an even column to the next, and from an odd one.
        let [even, odd] = match self.order {
            Order::RowMajor => [1, 1],
            Order::Quads => [2, 6],
            Order::Octets => [8, 8],
        };
        let offset = self.order.offset(row);
        let mut at = self.order.position(row, 0, self.cols);
        let mut sum = 0;
        for col in 0..self.cols {
            let byte = self.data.get(at).copied().unwrap_or(offset);
            // At most 2^15 columns of 2^7 in any proof; no row has 2^57.
            sum += u64::from((byte ^ offset).unsigned_abs());
            at += if col % 2 == 0 { even } else { odd };
        }
        sum
    }
}

/// Writes a row-major matrix in `order`; padding becomes weight 0.
///
/// # Errors
/// [`MatrixError`] when `row_major` is not `rows · cols` long or `packed` is not
/// [`Order::stored_bytes`] long; nothing is written then.
pub fn pack(
    row_major: &[i8],
    rows: usize,
    cols: usize,
    order: Order,
    packed: &mut [i8],
) -> Result<(), MatrixError> {
    let source = rows.checked_mul(cols).ok_or(MatrixError::Shape)?;
    if source == 0 {
        return Err(MatrixError::Shape);
    }
    if row_major.len() != source {
        return Err(MatrixError::Length {
            needed: source,
            given: row_major.len(),
        });
    }
    let needed = order.stored_bytes(rows, cols).ok_or(MatrixError::Shape)?;
    if packed.len() != needed {
        return Err(MatrixError::Length {
            needed,
            given: packed.len(),
        });
    }
    // Weight 0 first, for the padding: neighbouring bytes belong to neighbouring rows.
    for (row, byte) in packed.iter_mut().enumerate() {
        *byte = order.offset(row % 2);
    }
    for (row, weights) in row_major.chunks_exact(cols.max(1)).enumerate() {
        for (col, weight) in weights.iter().enumerate() {
            if let Some(byte) = packed.get_mut(order.position(row, col, cols)) {
                *byte = weight ^ order.offset(row);
            }
        }
    }
    Ok(())
}
