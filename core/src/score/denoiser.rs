//! A denoiser's score.

use super::{Score, features_into, from_features_into};
use crate::net::Forward;
use crate::{Operand, ShapeError};

/// A denoiser A for noise of one standard deviation, with the memory to evaluate it: a [`Score`] of one level. A is a
/// stack of dense layers ([`Network`](crate::net::Network)) or a [`Graph`](crate::net::Graph).
///
/// ```text
/// r(x) = A(x) - x        (Vincent 2011; Alain and Bengio 2014)
/// ```
///
/// **Error.** Beside that of A: the state is rounded to features on its way in (half a unit of 2^-12, saturating at
/// ±8); the difference is exact, and saturates at ±2048.
///
/// ```
/// use autodidact::net::Network;
/// use autodidact::restore::{Degradation, MeanShift, Noise, Observation, Settings};
/// use autodidact::rng::Generator;
/// use autodidact::score::{DenoiserScore, ONE};
///
/// /// Takes noise of a fifth of a standard deviation off `seen`.
/// fn restore(
///     denoiser: &Network<'_>,
///     seen: &[i16; 64],
/// ) -> Result<[i16; 64], Box<dyn core::error::Error>> {
///     let sigma = ONE.unsigned_abs() / 5;
///     let (mut workspace, mut features) = ([0; 2048], [0; 2 * 64]);
///     let prior = DenoiserScore::new(denoiser, sigma, &mut workspace, &mut features)?;
///     let observation = Observation {
///         features: seen,
///         degradation: Degradation::Identity,
///         noise: Noise::Known(sigma),
///     };
///     let mut memory = [0; 4 * 64]; // MeanShift::<DenoiserScore<Network>>::memory_len(64)
///     let mut descent = MeanShift::new(prior, observation, Settings::new(0, sigma), &mut memory)?;
///     let mut rng = Generator::from_seed(1);
///     while descent.step(&mut rng)?.is_some() {}
///     let mut restored = [0; 64];
///     descent.features_into(&mut restored)?;
///     Ok(restored)
/// }
/// ```
#[derive(Debug)]
pub struct DenoiserScore<'n, 'm, N> {
    network: &'n N,
    sigma: u32,
    workspace: &'m mut [u8],
    features: &'m mut [i16],
}

impl<'n, 'm, N: Forward> DenoiserScore<'n, 'm, N> {
    /// The score of a denoiser that was trained for noise of standard deviation `sigma` (`U12F20`).
    ///
    /// `workspace` is that of the network, `features` has its input and its output.
    ///
    /// # Errors
    /// [`ShapeError`] when the network gives another number of values than it takes, `workspace` is shorter than
    /// [`Forward::workspace_bytes`] or `features` than twice its inputs.
    pub fn new(
        network: &'n N,
        sigma: u32,
        workspace: &'m mut [u8],
        features: &'m mut [i16],
    ) -> Result<Self, ShapeError> {
        let d = network.inputs();
        ShapeError::exact(Operand::Output, d, network.outputs())?;
        ShapeError::at_least(
            Operand::Workspace,
            network.workspace_bytes(),
            workspace.len(),
        )?;
        // A network has at most 2^18 inputs.
        ShapeError::at_least(Operand::Input, 2 * d, features.len())?;
        Ok(Self {
            network,
            sigma,
            workspace,
            features,
        })
    }
}

impl<N: Forward> Score for DenoiserScore<'_, '_, N> {
    fn dimensions(&self) -> usize {
        self.network.inputs()
    }

    fn levels(&self) -> u16 {
        1
    }

    fn sigma(&self, _: u16) -> u32 {
        self.sigma
    }

    fn residual_into(
        &mut self,
        _: u16,
        state: &[i32],
        residual: &mut [i32],
    ) -> Result<(), ShapeError> {
        let d = self.dimensions();
        let (input, output) = self.features.split_at_mut_checked(d).unwrap_or_default();
        let output = output.get_mut(..d).unwrap_or_default();
        features_into(state, input)?;
        self.network.forward(self.workspace, input, output)?;
        from_features_into(output, residual)?;
        for (r, x) in residual.iter_mut().zip(state) {
            *r = r.saturating_sub(*x);
        }
        Ok(())
    }
}
