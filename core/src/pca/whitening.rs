//! Components with the variances along them.

use super::{Pca, Spectrum};
use crate::{Operand, ShapeError};

/// Principal components that know the variance along each of them: what whitens features.
///
/// [`Pca::whitening`] gives it, and nothing where the variances are not known.
#[derive(Debug, Clone, Copy)]
pub struct Whitening<'a> {
    pub(super) pca: Pca<'a>,
    pub(super) spectrum: Spectrum<'a>,
}

impl<'a> Whitening<'a> {
    /// The components.
    #[must_use]
    pub const fn pca(&self) -> Pca<'a> {
        self.pca
    }

    /// The variances along them.
    #[must_use]
    pub const fn spectrum(&self) -> Spectrum<'a> {
        self.spectrum
    }

    /// Number of components.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.pca.k()
    }

    /// Whitened scores of features (`I4F12` both, saturating), with the scores (`I20F12`) on the way:
    /// [`Pca::project_into`], then [`Spectrum::whiten_into`].
    ///
    /// ```
    /// use autodidact::pca::{Pca, Spectrum, center_offset, inverse_deviation};
    /// let (mean, component) = ([4096, 0], [19_661, 26_214]); // (1, 0) and (0.6, 0.8)
    /// let offsets = [center_offset(&component, &mean)];
    /// let variances = [4 << 24];
    /// let inverses = [inverse_deviation(variances[0])]; // 1/2
    /// let pca = Pca::new(&mean, &component, &offsets)?;
    /// assert!(pca.whitening().is_none());
    /// let pca = pca.with_spectrum(Spectrum::new(&variances, &inverses, 5 << 24)?)?;
    /// let (mut scores, mut whitened) = ([0], [0]);
    /// let whitening = pca.whitening().ok_or("no variances")?;
    /// whitening.whiten_into(&[2 * 4096, 4096], &mut scores, &mut whitened)?; // (2, 1)
    /// assert_eq!((scores, whitened), ([5734], [2867])); // 1.4 and 0.7
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long, or `scores` or `whitened` not `k`. Nothing is written then.
    pub fn whiten_into(
        &self,
        features: &[i16],
        scores: &mut [i32],
        whitened: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.k(), whitened.len())?;
        self.pca.project_into(features, scores)?;
        self.spectrum.whiten_into(scores, whitened)
    }
}
