//! What the application asks of the machine it runs on.

/// Tells how much work has been done since some moment in the past.
pub trait Counter {
    /// Instructions executed so far, as finely as the machine can tell. Only differences mean anything.
    fn instructions(&self) -> u64;
}

/// Where samples come from and results go: files on an emulated machine, a bus and a serial line on a board.
pub trait Link: Counter {
    /// What can go wrong with this link.
    type Error: defmt::Format;

    /// Fills `counts` with the next row of sensor counts; `false` when there are no more rows.
    ///
    /// # Errors
    ///
    /// The link failed, or the last row is incomplete.
    fn read_row(&mut self, counts: &mut [i16]) -> Result<bool, Self::Error>;

    /// Goes back to the first row, for another pass.
    ///
    /// # Errors
    ///
    /// The link failed, or its rows come once only.
    fn rewind(&mut self) -> Result<(), Self::Error>;

    /// Hands result bytes on, all of them.
    ///
    /// # Errors
    ///
    /// The link failed.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}
