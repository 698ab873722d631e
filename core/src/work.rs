//! The unit in which steps of learners state how long they can take.
//!
//! Every learner has a `step_operations` (or one for each kind of call) in the sizes of the problem: the
//! most that a call can take, whatever the rows. *An operation* is a multiply-accumulate, or what takes its
//! place in a loop without one: an addition, a comparison, a copy. The constants below say how many of
//! them rarer work counts for. `cargo xtask bench` prints the longest of many steps on unfavourable rows beside
//! this bound, at two sizes each, and `--check` fails where a core takes more instructions for an
//! operation than the learner's figure for it.

/// Operations that a division, a root, a logarithm or a power of two counts for; also what a call costs that
/// does nothing, and a random word.
pub const DIVISION: u64 = 32;

/// Operations that a multiplication or an update of 64 bits counts for.
pub const WIDE: u64 = 4;
