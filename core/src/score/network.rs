//! A network's score.

use super::{FRAC_BITS, Score, feature};
use crate::net::Graph;
use crate::num::{rounding_shift_right, saturating_i16, saturating_i32};
use crate::{Defect, Operand, ShapeError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One noise level of a [`ScoreNetwork`], as the container stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Level {
    /// Standard deviation of the noise, `U12F20`, 1 to 2^31 - 1.
    pub sigma: u32,
    /// `c_in`: what the state is multiplied with on its way into the network, `U2F30`, 1 to 2^31 - 1.
    pub input: u32,
    /// `c_skip - 1`, `I2F30`, within ±1.
    pub skip: i32,
    /// `c_out`: what the network's output is multiplied with, `U12F20`, 1 to 2^31 - 1.
    pub output: u32,
}

impl Level {
    /// The preconditioning of Karras et al. (2022, table 1) for data of standard deviation `data`, both in feature
    /// units: what the network is to be trained with, see [`ScoreNetwork`].
    ///
    /// `root = sqrt(sigma^2 + data^2)` comes from the caller, for want of a square root in `core`. Host-side
    /// convenience; `None` when a factor is out of range.
    #[must_use]
    pub fn preconditioned(sigma: f64, data: f64, root: f64) -> Option<Self> {
        let unsigned = |v: f64, bits: u32| {
            let scaled = v * (1u64 << bits) as f64 + 0.5;
            (1.0..2_147_483_648.0)
                .contains(&scaled)
                .then_some(scaled as u32)
        };
        let skip = sigma * sigma / (root * root);
        let level = Self {
            sigma: unsigned(sigma, FRAC_BITS)?,
            input: unsigned(1.0 / root, 30)?,
            skip: -i32::try_from(unsigned(skip, 30)?).ok()?,
            output: unsigned(sigma * data / root, FRAC_BITS)?,
        };
        level.is_valid().then_some(level)
    }

    const fn is_valid(&self) -> bool {
        const LIMIT: u32 = 1 << 31;
        self.sigma > 0
            && self.sigma < LIMIT
            && self.input > 0
            && self.input < LIMIT
            && self.output > 0
            && self.output < LIMIT
            && self.skip >= -(1 << 30)
            && self.skip <= 1 << 30
    }
}

/// A network of several noise levels, and what surrounds it.
///
/// With F the network, whose input and output are `I4F12` and of unit variance at every level,
///
/// ```text
/// D(x, sigma) = c_skip x + c_out F(c_in x; level)      (Karras et al. 2022, equation 7)
/// r(x, sigma) = D(x, sigma) - x = (c_skip - 1) x + c_out F(c_in x; level)
/// ```
///
/// The factors are the container's, so that a denoiser (`c_skip = 0`, `c_out = 1`) and a noise predictor
/// (`c_skip = 1`, `c_out = sigma`) fit as well. The factors that quantise best are `c_in = 1 / sqrt(sigma^2 + v)`,
/// `c_skip = v / (sigma^2 + v)`, `c_out = sigma sqrt(v) / sqrt(sigma^2 + v)` with v the variance of the data: they
/// keep input and output at unit variance, so that one 8- or 16-bit scale serves all levels, and among all that do
/// they have the smallest `c_out`, which is what errors of F are multiplied with. A plain denoiser's error would be
/// divided by sigma^2 at the smallest levels; a plain noise predictor's would be multiplied by sigma at the largest.
///
/// **Error.** Beside that of F: `c_in x` is rounded to a feature (half a unit of 2^-12, saturating at ±8), the
/// residual to half a unit of 2^-20, its first term at 2^-32.
#[derive(Debug, Clone, Copy)]
pub struct ScoreNetwork<'a> {
    graph: Graph<'a>,
    levels: &'a [Level],
}

impl<'a> ScoreNetwork<'a> {
    /// A network and its levels, from the largest standard deviation to the smallest.
    ///
    /// # Errors
    /// [`Defect::Shape`] when the graph changes the width, has a code or another number of levels;
    /// [`Defect::Scale`] when a factor is out of range or standard deviations do not fall.
    pub fn new(graph: Graph<'a>, levels: &'a [Level]) -> Result<Self, Defect> {
        if graph.inputs() != graph.outputs()
            || graph.code_op().is_some()
            || usize::from(graph.levels()) != levels.len()
        {
            return Err(Defect::Shape);
        }
        let mut above = u32::MAX;
        for (index, level) in (0u32..).zip(levels) {
            if !level.is_valid() || level.sigma >= above {
                return Err(Defect::Scale { index });
            }
            above = level.sigma;
        }
        Ok(Self::from_trusted(graph, levels))
    }

    /// As [`new`](Self::new), of what has been checked before.
    pub(crate) const fn from_trusted(graph: Graph<'a>, levels: &'a [Level]) -> Self {
        Self { graph, levels }
    }

    /// The network F.
    #[must_use]
    pub const fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    /// The noise levels, from the largest standard deviation to the smallest.
    #[must_use]
    pub const fn levels(&self) -> &'a [Level] {
        self.levels
    }

    /// Elements of a state.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.graph.inputs()
    }

    /// Elements (`i16`) of the features' memory that [`with_memory`](Self::with_memory) needs beside the
    /// workspace: input and output of the network.
    #[must_use]
    pub fn features_len(&self) -> usize {
        // A graph's input has at most 2^18 elements.
        2 * self.dimensions()
    }

    /// Bytes of workspace: that of the network.
    #[must_use]
    pub fn workspace_bytes(&self) -> usize {
        self.graph.workspace_bytes()
    }

    /// The network with the memory that its evaluation takes: what a sampler asks.
    ///
    /// # Errors
    /// [`ShapeError`] when `workspace` or `features` is too short.
    pub fn with_memory<'m>(
        self,
        workspace: &'m mut [u8],
        features: &'m mut [i16],
    ) -> Result<NetworkScore<'a, 'm>, ShapeError> {
        ShapeError::at_least(Operand::Workspace, self.workspace_bytes(), workspace.len())?;
        ShapeError::at_least(Operand::Input, self.features_len(), features.len())?;
        Ok(NetworkScore {
            network: self,
            workspace,
            features,
        })
    }
}

/// A [`ScoreNetwork`] with the memory to evaluate it.
#[derive(Debug)]
pub struct NetworkScore<'a, 'm> {
    network: ScoreNetwork<'a>,
    workspace: &'m mut [u8],
    features: &'m mut [i16],
}

impl Score for NetworkScore<'_, '_> {
    fn dimensions(&self) -> usize {
        self.network.dimensions()
    }

    fn levels(&self) -> u16 {
        self.network.graph.levels()
    }

    fn sigma(&self, level: u16) -> u32 {
        let level = self.network.levels.get(usize::from(level));
        level.map_or(1, |level| level.sigma)
    }

    fn residual_into(
        &mut self,
        level: u16,
        state: &[i32],
        residual: &mut [i32],
    ) -> Result<(), ShapeError> {
        let d = self.dimensions();
        ShapeError::exact(Operand::Input, d, state.len())?;
        ShapeError::exact(Operand::Output, d, residual.len())?;
        let level = level.min(self.levels().saturating_sub(1));
        let Some(factors) = self.network.levels.get(usize::from(level)) else {
            return Ok(());
        };
        let (input, output) = self.features.split_at_mut_checked(d).unwrap_or_default();
        let output = output.get_mut(..d).unwrap_or_default();
        for (y, x) in input.iter_mut().zip(state) {
            // F20 times F30, below 2^62, to F12.
            let product = i64::from(*x) * i64::from(factors.input);
            *y = saturating_i16(saturating_i32(rounding_shift_right(product, 38)));
        }
        self.network
            .graph
            .run(level, self.workspace, input, output)?;
        for ((r, x), f) in residual.iter_mut().zip(state).zip(output) {
            // F50 below 2^61, to F32; F12 times F20 below 2^46: F32 as well.
            let skip = rounding_shift_right(i64::from(*x) * i64::from(factors.skip), 18);
            let sum = skip + i64::from(*f) * i64::from(factors.output);
            *r = saturating_i32(rounding_shift_right(sum, 12));
        }
        Ok(())
    }
}

impl NetworkScore<'_, '_> {
    /// Clean estimate `D(x, sigma)` of a state, `I4F12`, saturating.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice is not as long as a state.
    pub fn denoise_into(
        &mut self,
        level: u16,
        state: &[i32],
        residual: &mut [i32],
        clean: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.dimensions(), clean.len())?;
        self.residual_into(level, state, residual)?;
        for ((y, x), r) in clean.iter_mut().zip(state).zip(residual) {
            *y = feature(x.saturating_add(*r));
        }
        Ok(())
    }
}
