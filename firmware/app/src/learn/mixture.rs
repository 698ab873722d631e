//! Gaussian mixtures: in rounds over resident rows, or along the stream.

use autodidact::gmm::batch::BatchEm;
use autodidact::gmm::stepwise::{Rate, StepwiseEm};
use autodidact::gmm::{Gmm, MAX_COMPONENTS, MAX_DIMENSIONS};
use zerocopy::IntoBytes as _;

use super::rounds::round;
use super::{Arena, Context, Footprint, LearnError, Meter, kmeans};
use crate::Link;

/// Checks k and d before memory is measured by them.
fn check<L: Link>(context: &Context<'_, '_, '_, L>) -> Result<(), LearnError<L::Error>> {
    let (k, d) = (context.settings.k, context.source.width());
    if (1..=MAX_COMPONENTS).contains(&k) && (1..=MAX_DIMENSIONS).contains(&d) {
        Ok(())
    } else {
        Err(autodidact::Defect::Shape.into())
    }
}

/// A learner in `words` that starts where k-means leaves the rows. Also the bytes that only this took.
fn start<'m, L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    words: &'m mut [i64],
    arena: Arena<'_>,
    rows: &[i16],
    meter: &mut Meter,
) -> Result<(BatchEm<'m>, usize), LearnError<L::Error>> {
    let settings = context.settings;
    let d = context.source.width();
    let floor = settings.variance_floor();
    let mut em = BatchEm::new(words, settings.covariance, settings.k, d, floor)?;
    let mut arena = arena;
    let clusters = kmeans::start(context, &mut arena, rows, settings.start_rounds, meter)?;
    let model = clusters.model();
    let centroids = model.centroids();
    em.clear();
    for row in rows.chunks_exact(d.max(1)) {
        meter.time(context.link, || em.accumulate_nearest(row, centroids))?;
    }
    meter.time(context.link, || em.set_means(centroids))?;
    while !meter.time(context.link, || em.update_step()) {}
    Ok((em, arena.taken()))
}

pub(super) fn batch<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    mut arena: Arena<'_>,
) -> Result<Footprint, LearnError<L::Error>> {
    check(context)?;
    let settings = context.settings;
    let d = context.source.width();
    let mut meter = Meter::default();
    let rows = context.collect(&mut arena, &mut meter)?;
    let resident = arena.taken();
    let words = arena.take(BatchEm::words(settings.covariance, settings.k, d))?;
    let (mut em, starting) = start(context, words, arena.rest(), rows, &mut meter)?;
    meter.log_start();
    write(context, 0, &em.model()?)?;
    let mut before = None;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        let total = round(context, &mut em, rows, &mut meter)?;
        meter.log_pass(number);
        write(context, total, &em.model()?)?;
        let least = i64::from(settings.tolerance).wrapping_mul(meter.rows.into());
        if before.is_some_and(|before| total.wrapping_sub(before) < least) {
            break;
        }
        before = Some(total);
    }
    Ok(Footprint {
        learner: arena.taken() - resident + size_of::<BatchEm<'_>>(),
        resident,
        starting,
    })
}

pub(super) fn stepwise<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    mut arena: Arena<'_>,
) -> Result<Footprint, LearnError<L::Error>> {
    check(context)?;
    let settings = context.settings;
    let (k, d) = (settings.k, context.source.width());
    let words = arena.take(StepwiseEm::words(settings.covariance, k, d))?;
    let learner = arena.taken() + size_of::<StepwiseEm<'_>>();
    let rate = Rate::new(
        settings.adaptation,
        u16::try_from(settings.window).unwrap_or(u16::MAX),
    )?;
    let (mut em, starting) = {
        let mut meter = Meter::default();
        let mut arena = arena.rest();
        let rows = context.collect(&mut arena, &mut meter)?;
        let batch = arena.take(BatchEm::words(settings.covariance, k, d))?;
        let (mut batch, clustering) = start(context, batch, arena.rest(), rows, &mut meter)?;
        for _ in 0..settings.em_rounds {
            round(context, &mut batch, rows, &mut meter)?;
        }
        // No more than the settings' word of 32 bits.
        let seen = rows.len().checked_div(d).unwrap_or(0) as u32;
        let floor = settings.variance_floor();
        let model = batch.model()?;
        let em = meter.time(context.link, || {
            StepwiseEm::from_model(words, &model, seen, rate, floor)
        })?;
        meter.log_start();
        (em, arena.taken() + clustering)
    };
    write(context, 0, &em.model()?)?;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        let total = context.pass(&mut meter, |row, _| em.step(row).map(i64::from))?;
        meter.log_pass(number);
        write(context, total, &em.model()?)?;
    }
    Ok(Footprint {
        learner,
        resident: 0,
        starting,
    })
}

fn write<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    objective: i64,
    model: &Gmm<'_>,
) -> Result<(), LearnError<L::Error>> {
    let tensors = model.tensors();
    context.write(
        objective,
        &[
            tensors.weights.as_bytes(),
            tensors.means.as_bytes(),
            tensors.factors.as_bytes(),
            tensors.shifts,
            tensors.offsets.as_bytes(),
            tensors.constants.as_bytes(),
        ],
    )
}
