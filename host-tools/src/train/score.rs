//! Noise-conditional score networks, trained by denoising score matching.
//!
//! A row `y` gets noise of a level's standard deviation, `x = y + sigma z`, and a network learns to take it away.
//! Vincent (2011) showed that this is score matching: `D(x, sigma) = x + sigma^2 grad log p_sigma(x)` at the minimum.
//! What is minimised is the squared error of F in `D = c_skip x + c_out F(c_in x; level)`, that is
//! `|D - y|^2 / c_out^2`, over all levels alike: Song and Ermon's loss `sigma^2 |s + (x - y) / sigma^2|^2` up to the
//! factor `(sigma^2 + v) / v`, which only moves weight towards the levels whose noise is above the data's spread.
//!
//! P. Vincent, *A connection between score matching and denoising autoencoders*, 2011; Y. Song and S. Ermon,
//! *Generative modeling by estimating gradients of the data distribution*, 2019; T. Karras et al., *Elucidating the
//! design space of diffusion-based generative models*, 2022.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use autodidact::net::MAX_LAYERS;
use burn::tensor::Tensor;
use rand::RngExt;

use super::{
    Progress,
    checkpoint::Checkpoint,
    device::TrainingDevice,
    epochs::check_descent,
    graph_net::{Descent, Examples, GraphTrainer},
    limits::{check_channels, check_drawn, check_repeats, check_weights, check_widths},
    model::{Activation, Conditioning, GraphNet, NoiseLevels, ScoreModel},
    random::{generator, normal},
    tensors,
};
use crate::data::Table;
use crate::number::reading;

/// Steps between two reports, and between two checkpoints.
const REPORT: usize = 200;

/// The first stream of the batches' random numbers: one a step, so that a run can be resumed anywhere.
const BATCH_STREAM: u64 = 1 << 32;

/// Layers that add at the bottom of convolutional networks, where they see nearly all of an image and cost least.
const BOTTOM: usize = 4;

/// The network F.
#[derive(Clone, Debug, PartialEq)]
pub enum NetShape {
    /// Dense layers of these widths; a layer as wide as the one before adds to it what it computes.
    Dense(Vec<usize>),
    /// 3x3 convolutions of a grey image: so many channels at its size, at half of it, at a quarter and so on. Strides of
    /// two lead down and doubled pixels up again, with sums across (a U-Net of O. Ronneberger et al., 2015, with sums
    /// for concatenation). At every size a layer adds to what it reads, on the way down and on the way up: four at the
    /// bottom, where they see most of the image and cost least; at full size, where most pixels are, only on the way up.
    Conv(Vec<usize>),
}

impl fmt::Display for NetShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, Self::Dense(sizes) | Self::Conv(sizes)) = match self {
            Self::Dense(_) => ("dense", self),
            Self::Conv(_) => ("conv", self),
        };
        let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
        write!(f, "{name} {}", sizes.join("-"))
    }
}

/// What to train; [`ScoreOptions::check`] makes it a [`ScoreConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreOptions {
    /// The network.
    pub shape: NetShape,
    /// Behind every hidden layer.
    pub activation: Activation,
    /// Noise levels.
    pub levels: NoiseLevels,
    /// Steps of descent.
    pub steps: usize,
    /// Rows a step, spread evenly over the levels.
    pub batch: usize,
    /// Learning rate at the start; it falls to zero along half a cosine.
    pub learning_rate: f64,
    /// Decoupled weight decay (AdamW).
    pub weight_decay: f32,
    /// Share that the average of the parameters keeps at a step.
    pub average: f32,
    /// Fixes weights, noise and the choice of rows.
    pub seed: u64,
    /// Where to keep what is needed to resume a run; an interrupted one goes on from there.
    pub checkpoint: Option<PathBuf>,
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreConfig(ScoreOptions);

impl ScoreOptions {
    /// Options for a network over these levels; the rest as they serve the bundled digits.
    #[must_use]
    pub fn new(levels: NoiseLevels) -> Self {
        Self {
            shape: NetShape::Dense(vec![256; 3]),
            activation: Activation::Silu,
            levels,
            steps: 20_000,
            batch: 128,
            learning_rate: 2e-3,
            weight_decay: 0.3,
            average: 0.999,
            seed: 0,
            checkpoint: None,
        }
    }

    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// A layer of width 0; no step; an empty batch; a rate that is not positive; a weight decay that is negative; an
    /// average that does not lie in `0..1`; noise levels that do not fall.
    pub fn check(self) -> Result<ScoreConfig> {
        let (NetShape::Dense(widths) | NetShape::Conv(widths)) = &self.shape;
        ensure!(
            (1..=MAX_LAYERS).contains(&widths.len()),
            "the network has {} hidden layers; give 1 to {MAX_LAYERS}",
            widths.len()
        );
        check_widths(widths)?;
        check_repeats("steps", self.steps)?;
        check_descent(self.batch, self.learning_rate, self.weight_decay)?;
        ensure!(
            (0.0..1.0).contains(&self.average),
            "the average keeps {}; give a number of at least 0 and below 1",
            self.average
        );
        let sigmas = &self.levels.sigmas;
        let falling = sigmas.windows(2).all(|pair| pair[0] > pair[1]);
        let positive = sigmas.last().is_some_and(|&sigma| sigma > 0.0);
        ensure!(
            falling && positive && sigmas[0].is_finite(),
            "noise levels fall and are above 0"
        );
        Ok(ScoreConfig(self))
    }
}

impl ScoreConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &ScoreOptions {
        &self.0
    }

    /// The network, its weights drawn. Images are `[height, width]`; dense layers take any.
    fn net(&self, width: usize, image: Option<[usize; 2]>) -> Result<GraphNet> {
        let options = self.options();
        let levels = options.levels.sigmas.len();
        let act = options.activation;
        let none = Conditioning::None;
        let mut net = match &options.shape {
            NetShape::Dense(hidden) => {
                check_weights(&[&[width], &**hidden, &[width]].concat())?;
                let mut net = GraphNet::new([1, 1, width], levels);
                let mut value = 0;
                for (at, &units) in hidden.iter().enumerate() {
                    let of_level = if at == 0 {
                        Conditioning::GainAndBias
                    } else {
                        none
                    };
                    let made = net.dense(value, [1, 1, units], act, of_level);
                    let adds = at > 0 && net.shape(value) == net.shape(made);
                    value = if adds { net.sum(value, made) } else { made };
                }
                net.dense(value, [1, 1, width], Activation::Identity, none);
                net
            }
            NetShape::Conv(channels) => {
                let [height, columns] =
                    image.context("convolutions need images: give their width")?;
                let smallest = 1 << (channels.len() - 1);
                ensure!(
                    height * columns == width
                        && height.is_multiple_of(smallest)
                        && columns.is_multiple_of(smallest),
                    "{width} columns are no image of {height} rows and {columns} columns that can be halved {} times",
                    channels.len() - 1
                );
                for (halved, &channels) in channels.iter().enumerate() {
                    check_channels(channels, width >> (2 * halved))?;
                }
                let of_level = Conditioning::GainAndBias;
                let mut net = GraphNet::new([height, columns, 1], levels);
                let adds = |net: &mut GraphNet, value, channels| {
                    let made = net.conv3x3(value, channels, 1, act, of_level);
                    net.sum(value, made)
                };
                let mut value = 0;
                let mut across = Vec::new();
                for (size, &channels) in channels.iter().enumerate() {
                    let stride = if size == 0 { 1 } else { 2 };
                    value = net.conv3x3(value, channels, stride, act, of_level);
                    if size > 0 {
                        value = adds(&mut net, value, channels);
                    }
                    across.push((channels, value));
                }
                if let Some((channels, _)) = across.pop() {
                    for _ in 1..BOTTOM {
                        value = adds(&mut net, value, channels);
                    }
                }
                for (channels, skipped) in across.into_iter().rev() {
                    let fewer = net.conv3x3(value, channels, 1, Activation::Identity, none);
                    let raised = net.upsample(fewer);
                    let joined = net.sum(skipped, raised);
                    value = adds(&mut net, joined, channels);
                }
                net.conv3x3(value, 1, 1, Activation::Identity, none);
                net
            }
        };
        net.initialise(&mut generator(options.seed, 0));
        // Sums make the values of convolutions large. From nothing, the last layer finds its size without first
        // pushing what is before it into where activations are 0.
        if let (NetShape::Conv(_), Some(last)) = (&options.shape, net.ops.last_mut()) {
            last.weights.fill(0.0);
        }
        Ok(net)
    }
}

/// Trains a score network on a table of features; `progress` is called every 200 steps. `image` gives height and width
/// of the rows where they are images.
///
/// # Errors
///
/// Rows that are no images for a convolutional network; training that diverges (named with the learning rate); a
/// checkpoint that cannot be written, or read and is of another run; the training device fails.
pub fn fit(
    config: &ScoreConfig,
    features: &Table,
    image: Option<[usize; 2]>,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<ScoreModel> {
    let options = config.options();
    let width = features.width();
    let squares = features.values().iter().map(|&x| f64::from(x).powi(2));
    let spread = (squares.sum::<f64>() / features.values().len() as f64).sqrt();
    ensure!(spread > 0.0, "{} is 0 everywhere", features.source());
    check_drawn("batch size", options.batch, features.rows())?;
    let mut model = ScoreModel {
        net: config.net(width, image)?,
        levels: options.levels.clone(),
        spread,
    };
    let descent = Descent {
        weight_decay: options.weight_decay,
        average: options.average,
    };
    let mut trainer = GraphTrainer::new(&model.net, descent, device)?;
    // How a sampler will walk changes nothing here.
    let run = ScoreOptions {
        checkpoint: None,
        levels: NoiseLevels {
            steps: 0,
            gamma: 0.0,
            consistent: false,
            ..options.levels.clone()
        },
        ..options.clone()
    };
    let checkpoint = options.checkpoint.as_deref();
    let mut checkpoint =
        checkpoint.map(|path| Checkpoint::new(path, "score network", &run, features));
    if let Some(checkpoint) = &checkpoint
        && let Some(saved) = checkpoint.load()?
    {
        checkpoint.resume(&mut trainer, &saved)?;
    }
    let mut losses = Vec::new();
    while trainer.steps() < options.steps {
        let step = trainer.steps();
        let examples = draw(&model, features, options, step);
        let done = step as f64 / options.steps as f64;
        let rate = 0.5 * options.learning_rate * (1.0 + (std::f64::consts::PI * done).cos());
        losses.push(trainer.descend(&examples, rate)?);
        if trainer.steps() % REPORT == 0 || trainer.steps() == options.steps {
            let of_steps = tensors::download(Tensor::cat(std::mem::take(&mut losses), 0))?;
            let mean = of_steps.iter().map(|&l| f64::from(l)).sum::<f64>() / of_steps.len() as f64;
            ensure!(
                mean.is_finite(),
                "training diverged before step {}; lower the learning rate, which is {}",
                trainer.steps(),
                reading(options.learning_rate)
            );
            if let Some(checkpoint) = &mut checkpoint {
                checkpoint.save_of(&trainer, trainer.steps(), Vec::new())?;
            }
            progress(Progress {
                step: trainer.steps(),
                steps: options.steps,
                loss: mean,
            });
        }
    }
    model.net = trainer.download()?;
    Ok(model)
}

/// What one step sees: rows drawn with replacement, noise of the levels in turn.
fn draw(model: &ScoreModel, features: &Table, options: &ScoreOptions, step: usize) -> Examples {
    let mut generator = generator(options.seed, BATCH_STREAM + step as u64);
    let count = options.levels.sigmas.len();
    let width = features.width();
    let mut examples = Examples {
        levels: (0..options.batch).map(|row| (row + step) % count).collect(),
        inputs: Vec::with_capacity(options.batch * width),
        targets: Vec::with_capacity(options.batch * width),
    };
    for &level in &examples.levels {
        let factors = model.factors(level);
        let sigma = options.levels.sigmas[level];
        let row = generator.random_range(0..features.rows());
        for &y in &features.values()[row * width..][..width] {
            let y = f64::from(y);
            let x = y + sigma * f64::from(normal(&mut generator));
            examples.inputs.push((factors.input * x) as f32);
            let target = (y - factors.skip * x) / factors.output;
            examples.targets.push(target as f32);
        }
    }
    examples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DIGIT_MAX, Scaling, digits};

    /// Two points of a line, at -1 and 1: `D(x, sigma) = tanh(x / sigma^2)`.
    fn two_points() -> Table {
        Table::new("made", Table::numbered_columns(1), vec![-1.0, 1.0]).unwrap()
    }

    fn options() -> ScoreOptions {
        ScoreOptions {
            shape: NetShape::Dense(vec![32, 32]),
            steps: 1500,
            batch: 64,
            learning_rate: 1e-2,
            weight_decay: 0.0,
            average: 0.99,
            ..ScoreOptions::new(NoiseLevels {
                sigmas: vec![2.0, 1.0, 0.5],
                steps: 5,
                gamma: 0.2,
                consistent: false,
            })
        }
    }

    #[test]
    fn denoising_finds_the_score_of_two_points() {
        let config = options().check().unwrap();
        let model = fit(
            &config,
            &two_points(),
            None,
            &TrainingDevice::cpu(),
            &mut |_| {},
        )
        .unwrap();
        for (level, sigma) in [2.0f64, 1.0, 0.5].into_iter().enumerate() {
            for x in [-1.5, -0.8, -0.2, 0.1, 0.5, 1.1] {
                let found = model.denoise(level, &[x])[0];
                let exact = (x / (sigma * sigma)).tanh();
                assert!((found - exact).abs() < 0.08, "{level} {x}: {found} {exact}");
            }
        }
    }

    #[test]
    fn a_finished_run_is_not_repeated_and_another_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let train = |steps: usize, checkpoint: Option<PathBuf>| {
            let config = ScoreOptions {
                steps,
                checkpoint,
                ..options()
            }
            .check()
            .unwrap();
            fit(
                &config,
                &two_points(),
                None,
                &TrainingDevice::cpu(),
                &mut |_| {},
            )
        };
        let whole = train(400, None).unwrap();
        assert_eq!(train(400, Some(path.clone())).unwrap(), whole);
        // Everything is there: no step is left.
        assert_eq!(train(400, Some(path.clone())).unwrap(), whole);
        let error = train(500, Some(path)).unwrap_err().to_string();
        assert!(error.contains("a run with other options"), "{error}");
    }

    #[test]
    fn convolutions_learn_to_denoise_digits() {
        let data = digits().unwrap().scaled(1.0 / DIGIT_MAX).unwrap();
        let scaling = Scaling::Uniform.fit(&data).unwrap();
        let features = scaling.transform(&data).unwrap();
        let options = ScoreOptions {
            shape: NetShape::Conv(vec![4, 8]),
            steps: 200,
            batch: 32,
            ..options()
        };
        let mut losses = Vec::new();
        let mut report = |progress: Progress| losses.push(progress.loss);
        let device = TrainingDevice::cpu();
        fit(
            &options.clone().check().unwrap(),
            &features,
            Some([8, 8]),
            &device,
            &mut report,
        )
        .unwrap();
        assert!(losses[0] < 1.0, "{losses:?}");
        let error = fit(
            &options.check().unwrap(),
            &features,
            None,
            &device,
            &mut |_| {},
        );
        assert!(error.is_err());
    }

    #[test]
    fn wrong_options_are_one_clear_sentence() {
        let message = |change: fn(&mut ScoreOptions)| {
            let mut options = options();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        for (change, expected) in [
            (
                (|o| o.shape = NetShape::Conv(vec![4, 0])) as fn(&mut ScoreOptions),
                "width 0",
            ),
            (|o| o.steps = 0, "steps is 0"),
            (|o| o.batch = 0, "batch size is 0"),
            (|o| o.learning_rate = f64::NAN, "learning rate is NaN"),
            (|o| o.weight_decay = -1.0, "weight decay is -1"),
            (|o| o.average = 1.0, "average keeps 1"),
            (|o| o.levels.sigmas = vec![1.0, 2.0], "noise levels fall"),
        ] {
            assert!(message(change).contains(expected), "{}", message(change));
        }
    }
}
