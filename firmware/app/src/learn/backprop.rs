//! Autoencoders and denoisers by back-propagation, along the stream.

use autodidact::Defect;
use autodidact::backprop::{Corruption, Learner, Memory, memory_len};
use autodidact::model::Model;
use autodidact::rbm::learn::Rate;
use zerocopy::IntoBytes as _;

use super::settings::halves;
use super::{Arena, Context, Footprint, LearnError, Meter, Settings};
use crate::Link;

pub(super) fn stream<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    model: &Model<'_>,
    mut arena: Arena<'_>,
) -> Result<Footprint, LearnError<L::Error>> {
    let settings = context.settings;
    let (start, _) = model.stack("stack").map_err(|_| LearnError::Part)?;
    let [weights, biases, values, errors] = memory_len(start.widths()).ok_or(Defect::Shape)?;
    let memory = Memory {
        weights: arena.take(weights)?,
        biases: arena.take(biases)?,
        values: arena.take(values)?,
        errors: arena.take(errors)?,
    };
    let mut learner = Learner::new(start.widths(), start.hidden(), memory)?;
    let given = settings.start_rounds != 0;
    let mut meter = Meter::default();
    let rng = &mut context.rng;
    meter.time(context.link, || {
        if given {
            return learner.start_from_model(&start);
        }
        learner.initialise(rng);
        Ok(())
    })?;
    meter.log_start();
    write(context, 0, &learner)?;
    let corruption = corruption(settings);
    let [rate, _] = halves(settings.tolerance.cast_unsigned());
    let rate = match settings.window {
        0 => Rate::constant(rate),
        rows => Rate::linear(rate, rows),
    };
    let mut seen = 0_u32;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        let total = context.pass(&mut meter, |row, rng| {
            let rate = rate.at(seen);
            seen = seen.saturating_add(1);
            let squared = learner.step(row, &corruption, rate, rng)?;
            Ok(squared.cast_signed())
        })?;
        meter.log_pass(number);
        write(context, total, &learner)?;
    }
    Ok(Footprint {
        learner: arena.taken() + size_of::<Learner<'_>>(),
        ..Footprint::default()
    })
}

/// The damage that the words of a record make.
fn corruption(settings: &Settings) -> Corruption {
    let [strength, _] = halves(settings.floor);
    let [low, high] = halves(settings.adaptation).map(u16::cast_signed);
    match settings.em_rounds {
        1 => Corruption::Masking {
            probability: strength,
            value: low,
        },
        2 => Corruption::Gaussian {
            deviation: strength,
        },
        3 => Corruption::SaltAndPepper {
            probability: strength,
            values: [low, high],
        },
        _ => Corruption::None,
    }
}

fn write<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    objective: i64,
    learner: &Learner<'_>,
) -> Result<(), LearnError<L::Error>> {
    let model = learner.model();
    context.write(
        objective,
        &[model.weights().as_bytes(), model.biases().as_bytes()],
    )
}
