//! A mixture of products in textbook form: sums of products of probabilities, no logarithms.

/// `p(x) = sum_j phi_j prod_c p_c(x_c | j)`; NaN is a missing value, a factor of 1.
#[derive(Clone, Debug, Default)]
pub struct Mixture {
    /// `phi_j`.
    pub weights: Vec<f64>,
    /// One a column.
    pub columns: Vec<MixtureColumn>,
}

/// One column's distribution within each class.
#[derive(Clone, Debug)]
pub enum MixtureColumn {
    /// `p(level | j)` as `levels[j][level]`.
    Levels(Vec<Vec<f64>>),
    /// `(mu_j, sigma_j^2)`.
    Gaussian(Vec<(f64, f64)>),
}

impl Mixture {
    /// `phi_j p(x | j)` for every class.
    #[must_use]
    pub fn joint(&self, row: &[f64]) -> Vec<f64> {
        let factor = |class: usize, column: &MixtureColumn, value: f64| match column {
            _ if value.is_nan() => 1.0,
            MixtureColumn::Levels(levels) => levels[class][value as usize],
            MixtureColumn::Gaussian(classes) => {
                let (mean, variance) = classes[class];
                (-(value - mean).powi(2) / (2.0 * variance)).exp()
                    / (2.0 * std::f64::consts::PI * variance).sqrt()
            }
        };
        (0..self.weights.len())
            .map(|class| {
                let factors = self
                    .columns
                    .iter()
                    .zip(row)
                    .map(|(column, &value)| factor(class, column, value));
                self.weights[class] * factors.product::<f64>()
            })
            .collect()
    }

    /// `p(x)` of the observed values.
    #[must_use]
    pub fn density(&self, row: &[f64]) -> f64 {
        self.joint(row).iter().sum()
    }

    /// `p(x_column = value | the other observed values)`, as the quotient of two densities.
    #[must_use]
    pub fn conditional(&self, row: &[f64], column: usize, value: f64) -> f64 {
        let mut row = row.to_vec();
        row[column] = f64::NAN;
        let without = self.density(&row);
        row[column] = value;
        self.density(&row) / without
    }
}
