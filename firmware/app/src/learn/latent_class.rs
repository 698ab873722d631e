//! Latent classes over the columns of the part `classes`: in rounds over resident rows, or along the stream.
//!
//! The learner reads counts: its Gaussian columns bring their own scaling.

use autodidact::latent_class::{LatentClass, Learner, Options, storage_words};
use autodidact::model::Model;
use zerocopy::IntoBytes as _;

use super::rounds::round;
use super::{Arena, Context, Footprint, LearnError, Meter};
use crate::Link;

/// The columns that the container brings.
fn schema<'m, E>(model: &Model<'m>) -> Result<LatentClass<'m>, LearnError<E>> {
    model.latent_class("classes").map_err(|_| LearnError::Part)
}

fn options<L: Link>(context: &Context<'_, '_, '_, L>) -> Options {
    let settings = context.settings;
    let memory = match settings.window {
        0 => Options::DEFAULT.memory,
        rows => u16::try_from(rows).unwrap_or(u16::MAX),
    };
    Options {
        smoothing: settings.adaptation,
        variance_floor: settings.floor,
        memory,
        ..Options::DEFAULT
    }
}

/// A learner of the container's columns, in classes drawn at random for the rows.
fn start<'m, L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    model: &Model<'m>,
    arena: &mut Arena<'m>,
    rows: &[i16],
    meter: &mut Meter,
) -> Result<Learner<'m>, LearnError<L::Error>> {
    let schema = schema(model)?;
    let k = context.settings.k;
    let memory = arena.take(storage_words(k, schema.columns()))?;
    let mut learner = Learner::new(
        schema.columns(),
        schema.lines(),
        k,
        memory,
        options(context),
    )?;
    let rng = &mut context.rng;
    meter.time(context.link, || learner.start_random(rows, rng))?;
    Ok(learner)
}

pub(super) fn batch<'m, L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    model: &Model<'m>,
    mut arena: Arena<'m>,
) -> Result<Footprint, LearnError<L::Error>> {
    let settings = context.settings;
    let mut meter = Meter::default();
    let rows = context.collect(&mut arena, &mut meter)?;
    let resident = arena.taken();
    let mut learner = start(context, model, &mut arena, rows, &mut meter)?;
    meter.log_start();
    write(context, 0, &learner.model())?;
    let mut before = None;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        let total = round(context, &mut learner, rows, &mut meter)?;
        meter.log_pass(number);
        write(context, total, &learner.model())?;
        let least = i64::from(settings.tolerance).wrapping_mul(meter.rows.into());
        if before.is_some_and(|before| total.wrapping_sub(before) < least) {
            break;
        }
        before = Some(total);
    }
    Ok(Footprint {
        learner: arena.taken() - resident + size_of::<Learner<'_>>(),
        resident,
        starting: 0,
    })
}

pub(super) fn stepwise<'m, L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    model: &Model<'m>,
    mut arena: Arena<'m>,
) -> Result<Footprint, LearnError<L::Error>> {
    let settings = context.settings;
    let k = settings.k;
    let memory = arena.take(storage_words(k, schema(model)?.columns()))?;
    let learner_bytes = arena.taken() + size_of::<Learner<'_>>();
    let mut meter = Meter::default();
    let rows = context.collect(&mut arena, &mut meter)?;
    let mut batch = start(context, model, &mut arena, rows, &mut meter)?;
    for _ in 0..settings.em_rounds {
        round(context, &mut batch, rows, &mut meter)?;
    }
    let starting = arena.taken() + size_of::<Learner<'_>>() - learner_bytes;
    // As many as the learner takes for remembered at most.
    let count = rows.len().checked_div(context.source.width()).unwrap_or(0);
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    let options = options(context);
    let model = batch.model();
    let mut learner = meter.time(context.link, || {
        Learner::from_model(&model, memory, options, count)
    })?;
    meter.log_start();
    write(context, 0, &learner.model())?;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        let total = context.pass(&mut meter, |row, _| learner.step(row).map(i64::from))?;
        meter.log_pass(number);
        write(context, total, &learner.model())?;
    }
    Ok(Footprint {
        learner: learner_bytes,
        resident: 0,
        starting,
    })
}

fn write<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    objective: i64,
    model: &LatentClass<'_>,
) -> Result<(), LearnError<L::Error>> {
    context.write(
        objective,
        &[
            model.weights().as_bytes(),
            model.surprisals().as_bytes(),
            model.gaussians().as_bytes(),
        ],
    )
}
