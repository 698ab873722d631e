//! Latent classes over the columns of the part `classes`: in rounds over resident rows, or along the stream.
//!
//! The learner reads counts: its Gaussian columns bring their own scaling.

use autodidact::latent_class::{LatentClass, Learner, Options, storage_words};
use autodidact::model::Model;
use zerocopy::IntoBytes as _;

use super::{Arena, Context, Footprint, LearnError, Meter};
use crate::Link;

/// A learner of the columns of the part `classes`, without classes yet.
fn learner<'m, L: Link>(
    context: &Context<'_, '_, '_, L>,
    model: &Model<'m>,
    arena: &mut Arena<'m>,
) -> Result<Learner<'m>, LearnError<L::Error>> {
    let settings = context.settings;
    let schema = model.latent_class("classes").map_err(|_| LearnError::Part)?;
    let mut options = Options {
        smoothing: settings.adaptation,
        variance_floor: settings.floor,
        ..Options::DEFAULT
    };
    if settings.window != 0 {
        options.memory = u16::try_from(settings.window).unwrap_or(u16::MAX);
    }
    let memory = arena.take(storage_words(settings.k, schema.columns()))?;
    let learner = Learner::new(
        schema.columns(),
        schema.lines(),
        settings.k,
        memory,
        options,
    )?;
    Ok(learner)
}

/// One round over resident rows; the log-likelihood before it.
fn round<L: Link>(
    context: &Context<'_, '_, '_, L>,
    learner: &mut Learner<'_>,
    rows: &[i16],
    meter: &mut Meter,
) -> Result<i64, LearnError<L::Error>> {
    let d = context.source.width().max(1);
    let mut total = 0_i64;
    let mut count = 0_u32;
    learner.clear();
    for row in rows.chunks_exact(d) {
        total = total.wrapping_add(meter.time(context.link, || learner.accumulate(row))?.into());
        count = count.wrapping_add(1);
    }
    meter.time(context.link, || learner.maximise());
    meter.rows = count;
    Ok(total)
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
    let mut learner = learner(context, model, &mut arena)?;
    let rng = &mut context.rng;
    meter.time(context.link, || learner.start_random(rows, rng))?;
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
    let mut learner = learner(context, model, &mut arena)?;
    let starting = {
        let mut meter = Meter::default();
        let mut arena = arena.rest();
        let rows = context.collect(&mut arena, &mut meter)?;
        let rng = &mut context.rng;
        meter.time(context.link, || learner.start_random(rows, rng))?;
        for _ in 0..settings.em_rounds {
            round(context, &mut learner, rows, &mut meter)?;
        }
        meter.log_start();
        arena.taken()
    };
    write(context, 0, &learner.model())?;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        let total = context.pass(&mut meter, |row, _| learner.step(row).map(i64::from))?;
        meter.log_pass(number);
        write(context, total, &learner.model())?;
    }
    Ok(Footprint {
        learner: arena.taken() + size_of::<Learner<'_>>(),
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
