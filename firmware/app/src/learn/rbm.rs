//! Boltzmann machines by contrastive divergence, along the stream.

use autodidact::rbm::learn::{ContrastiveDivergence, Options, Rate, storage_words};
use autodidact::rbm::{MAX_UNITS, States, Units};
use zerocopy::IntoBytes as _;

use super::settings::halves;
use super::{Arena, Context, Footprint, LearnError, Meter};
use crate::Link;

/// Deviation of the first weights, `U4F12`: 0.1.
const FIRST_WEIGHTS: u16 = 410;

pub(super) fn stream<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    mut arena: Arena<'_>,
) -> Result<Footprint, LearnError<L::Error>> {
    let settings = context.settings;
    let (hidden, visible) = (settings.k, context.source.width());
    let options = options(settings);
    if hidden > MAX_UNITS || visible > MAX_UNITS {
        return Err(autodidact::Defect::Shape.into());
    }
    let words = storage_words(visible, hidden, options.units, options.chains);
    let memory = arena.take::<u32>(words)?;
    let learner_bytes = arena.taken();
    let bits = arena.take::<u32>(visible.div_ceil(32))?;
    let mut meter = Meter::default();
    let rng = &mut context.rng;
    let mut learner = meter.time(context.link, || {
        let mut learner = ContrastiveDivergence::new(memory, visible, hidden, options)?;
        learner.start(FIRST_WEIGHTS, rng);
        Ok::<_, autodidact::Defect>(learner)
    })?;
    meter.log_start();
    write(context, &learner)?;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        context.pass(&mut meter, |row, rng| {
            let sample = match options.units {
                Units::Bernoulli => {
                    learner.model().binarise_into(row, bits)?;
                    States::Binary(bits)
                }
                Units::Gaussian => States::Real(row),
            };
            learner.step(sample, rng).map(|()| 0)
        })?;
        meter.log_pass(number);
        write(context, &learner)?;
    }
    Ok(Footprint {
        learner: learner_bytes + size_of::<ContrastiveDivergence<'_>>(),
        ..Footprint::default()
    })
}

/// The options that the words of a record make.
fn options(settings: &super::Settings) -> Options {
    let rate = settings.tolerance.cast_unsigned();
    let [momentum, kind] = halves(settings.adaptation);
    let [rate, decay] = halves(rate);
    let [weight_bits, units] = kind.to_le_bytes();
    let short = |word: u32| u16::try_from(word).unwrap_or(u16::MAX);
    Options {
        units: if units == 0 {
            Units::Bernoulli
        } else {
            Units::Gaussian
        },
        weight_bits: weight_bits.into(),
        steps: short(settings.start_rounds),
        chains: short(settings.em_rounds),
        batch: short(settings.floor),
        rate: match settings.window {
            0 => Rate::constant(rate),
            batches => Rate::linear(rate, batches),
        },
        momentum,
        weight_decay: decay,
        ..Options::DEFAULT
    }
}

fn write<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    learner: &ContrastiveDivergence<'_>,
) -> Result<(), LearnError<L::Error>> {
    let model = learner.model();
    let tensors = model.tensors();
    context.write(0, &[])?;
    // Rows are padded in memory.
    let stride = tensors
        .weights
        .len()
        .checked_div(model.hidden())
        .unwrap_or(0);
    for row in tensors.weights.chunks_exact(stride.max(1)) {
        context.write_bytes(row.get(..model.visible()).unwrap_or(row).as_bytes())?;
    }
    context.write_bytes(tensors.visible_biases.as_bytes())?;
    context.write_bytes(tensors.hidden_biases.as_bytes())
}
