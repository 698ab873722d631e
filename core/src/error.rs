//! Errors of a call (a slice that does not fit) and of parameters (no valid model).

/// Which slice of a call had the wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Operand {
    /// The sample, feature or activation slice that is read.
    Input,
    /// The slice that receives the result.
    Output,
    /// The caller's scratch memory.
    Workspace,
    /// The weights.
    Weights,
    /// The per-channel output parameters.
    Channels,
    /// Components or classes: there are fewer than an index asks for.
    Components,
    /// Columns: there are fewer than an index asks for.
    Columns,
    /// Layers: there are fewer than an index asks for, or another number.
    Layers,
    /// Real states: Gaussian units take one each, and no bits.
    RealStates,
}

/// A slice handed to a call is too short or too long.
///
/// The call has written nothing when it returns this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ShapeError {
    /// The slice that does not fit.
    pub operand: Operand,
    /// The length that is needed: elements, or bytes for a workspace; one more than an index that asks for too much.
    pub needed: usize,
    /// The length that was given, in the same unit.
    pub given: usize,
}

impl ShapeError {
    /// `Ok` when `given` is exactly `needed`.
    #[inline]
    pub(crate) const fn exact(operand: Operand, needed: usize, given: usize) -> Result<(), Self> {
        if needed == given {
            Ok(())
        } else {
            Err(Self {
                operand,
                needed,
                given,
            })
        }
    }

    /// `Ok` when `given` is at least `needed`.
    #[inline]
    pub(crate) const fn at_least(
        operand: Operand,
        needed: usize,
        given: usize,
    ) -> Result<(), Self> {
        if needed <= given {
            Ok(())
        } else {
            Err(Self {
                operand,
                needed,
                given,
            })
        }
    }
}

impl core::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self.operand {
            Operand::Input => "input",
            Operand::Output => "output",
            Operand::Workspace => "workspace",
            Operand::Weights => "weights",
            Operand::Channels => "channel parameters",
            Operand::Components => "components",
            Operand::Columns => "columns",
            Operand::Layers => "layers",
            Operand::RealStates => "real states",
        };
        write!(
            f,
            "{name}: length {} needed, {} given",
            self.needed, self.given
        )
    }
}

impl core::error::Error for ShapeError {}

/// A number that a learner, a detector or a sampler is configured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Setting {
    /// `batch`.
    Batch,
    /// `block`.
    Block,
    /// `calibration`.
    Calibration,
    /// `exponent` of a step size.
    Exponent,
    /// `gamma`.
    Gamma,
    /// `level` of noise.
    Level,
    /// `memory`, in rows.
    Memory,
    /// `momentum`.
    Momentum,
    /// `off`.
    Off,
    /// `on`.
    On,
    /// `period`.
    Period,
    /// `rate`.
    Rate,
    /// `release_period`.
    ReleasePeriod,
    /// `smoothing`.
    Smoothing,
    /// `steps`.
    Steps,
    /// `warm_up`.
    WarmUp,
    /// `weight_bits`.
    WeightBits,
    /// `weight_decay`.
    WeightDecay,
}

impl Setting {
    const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Block => "block",
            Self::Calibration => "calibration",
            Self::Exponent => "exponent",
            Self::Gamma => "gamma",
            Self::Level => "level",
            Self::Memory => "memory",
            Self::Momentum => "momentum",
            Self::Off => "off",
            Self::On => "on",
            Self::Period => "period",
            Self::Rate => "rate",
            Self::ReleasePeriod => "release_period",
            Self::Smoothing => "smoothing",
            Self::Steps => "steps",
            Self::WarmUp => "warm_up",
            Self::WeightBits => "weight_bits",
            Self::WeightDecay => "weight_decay",
        }
    }
}

/// In what a model differs from the learner that is to go on from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Difference {
    /// What its covariances look like.
    Covariance,
    /// The function of its hidden units.
    Hidden,
    /// Its metric, and with it the format of its centroids.
    Metric,
    /// What its visible units are.
    Units,
}

/// Why parameters are no valid model, or why a learner, a detector or a sampler cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Defect {
    /// A dimension is zero, too large, or two tensors disagree about it.
    Shape,
    /// A learner's memory has another length than it takes (than its widths take, for back-propagation).
    Memory {
        /// Elements needed.
        needed: u32,
    },
    /// A weight of a component or class is not positive, or they do not sum to 1.
    Weights,
    /// The kind of part is unknown.
    Kind {
        /// The tag found.
        found: u16,
    },
    /// The name is empty, has a space or other than printable ASCII, or is not unique.
    Name,
    /// What a network was trained for is unknown, or not for a network of this kind.
    Task {
        /// The tag found.
        found: u16,
    },
    /// A part reads from one that does not come before it or is no PCA with variances that reads features.
    Source {
        /// The part's index found.
        found: u32,
    },
    /// The container says another workspace than a run takes.
    Workspace {
        /// Bytes that a run takes.
        needed: usize,
    },
    /// A tensor is missing, of another type or format, or there is one too many.
    Tensor {
        /// Its index within the part.
        index: u16,
    },
    /// A scale or an offset is outside its range.
    Scale {
        /// Feature, row or layer, whichever the part has.
        index: u32,
    },
    /// A stored quantity is not the one that the parameters give (a squared norm, an offset).
    Derived {
        /// Row of the first mismatch.
        index: u32,
    },
    /// A variance of this component is 128 or more: a learner's averages do not hold it.
    Variance {
        /// Index of the component.
        component: u16,
        /// Index of the feature.
        feature: u16,
    },
    /// A column's kind, its number of levels or the distribution over them is not valid.
    Column {
        /// Index of the column.
        index: u32,
    },
    /// A layer's tag, type, clamp or place is unknown or does not follow from the layers before.
    Layer {
        /// Index of the layer.
        layer: u16,
    },
    /// There is an input for which this row's accumulator leaves 32 bits.
    AccumulatorOverflow {
        /// Index of the layer.
        layer: u16,
        /// Index of the row.
        row: u32,
    },
    /// More layers than [`net::MAX_LAYERS`](crate::net::MAX_LAYERS).
    TooManyLayers {
        /// Layers found.
        found: u32,
    },
    /// A setting is out of its range, in the units of its field; others may limit it.
    Setting {
        /// Which.
        setting: Setting,
        /// Smallest value allowed.
        least: u32,
        /// Largest value allowed.
        most: u32,
    },
    /// The model to go on from is of another kind than the learner.
    Differs(Difference),
    /// A slice has the wrong length.
    Length(ShapeError),
}

impl Defect {
    /// `Ok` when a learner's memory is as long as it has to be.
    pub(crate) fn memory(needed: usize, given: usize) -> Result<(), Self> {
        if needed == given {
            return Ok(());
        }
        Err(Self::Memory {
            needed: u32::try_from(needed).unwrap_or(u32::MAX),
        })
    }

    /// `Ok` when every setting, with its value, is at least the third and at most the fourth number; otherwise
    /// the first that is not.
    pub(crate) const fn ranges(settings: &[(Setting, u32, u32, u32)]) -> Result<(), Self> {
        let mut rest = settings;
        while let [(setting, value, least, most), behind @ ..] = rest {
            if *value < *least || *value > *most {
                return Err(Self::Setting {
                    setting: *setting,
                    least: *least,
                    most: *most,
                });
            }
            rest = behind;
        }
        Ok(())
    }
}

impl core::fmt::Display for Defect {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Shape => write!(f, "dimensions are empty, too large or inconsistent"),
            Self::Memory { needed } => {
                write!(f, "memory of {needed} elements is needed")
            }
            Self::Weights => write!(f, "weights are not positive or do not sum to 1"),
            Self::Kind { found } => write!(f, "kind {found} is unknown to this version"),
            Self::Name => write!(
                f,
                "the name is empty, used twice, or has a space or other than printable ASCII"
            ),
            Self::Source { found } => write!(
                f,
                "it reads part {found}, which is no PCA with variances before it that reads features"
            ),
            Self::Task { found } => {
                write!(
                    f,
                    "task {found} is unknown or none of a network of this kind"
                )
            }
            Self::Workspace { needed } => {
                write!(
                    f,
                    "a run takes {needed} bytes of workspace, the container says otherwise"
                )
            }
            Self::Tensor { index } => {
                write!(
                    f,
                    "tensor {index} is missing, superfluous or of another type"
                )
            }
            Self::Scale { index } => write!(f, "scale {index} is out of range"),
            Self::Derived { index } => {
                write!(
                    f,
                    "derived value {index} does not follow from the parameters"
                )
            }
            Self::Variance { component, feature } => write!(
                f,
                "component {component}, feature {feature}: a variance of 128 or more is too large to learn from"
            ),
            Self::Column { index } => {
                write!(
                    f,
                    "column {index} has an unknown kind or no distribution over its levels"
                )
            }
            Self::Layer { layer } => {
                write!(
                    f,
                    "layer {layer} has an unknown tag or does not follow from the layers before it"
                )
            }
            Self::AccumulatorOverflow { layer, row } => {
                write!(
                    f,
                    "layer {layer}, row {row}: some input overflows the 32-bit accumulator"
                )
            }
            Self::TooManyLayers { found } => write!(f, "{found} layers are too many"),
            Self::Setting {
                setting,
                least,
                most,
            } => write!(f, "{} must be in {least}..={most}", setting.name()),
            Self::Differs(difference) => {
                let what = match difference {
                    Difference::Covariance => "kind of covariance",
                    Difference::Hidden => "function of the hidden units",
                    Difference::Metric => "metric",
                    Difference::Units => "kind of visible units",
                };
                write!(f, "the model has another {what} than the learner")
            }
            Self::Length(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Defect {}
