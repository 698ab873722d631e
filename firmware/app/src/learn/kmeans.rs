//! k-means: in rounds over resident rows, or along the stream.

use autodidact::kmeans::{KMeans, Lloyd, Memory, Metric, Online, PlusPlus, Usage};
use zerocopy::IntoBytes as _;

use super::{Arena, Context, Footprint, LearnError, Meter, Seeding};
use crate::Link;

/// Cuts the arrays of a learner.
fn memory<'m, A, E>(
    arena: &mut Arena<'m>,
    k: usize,
    d: usize,
) -> Result<Memory<'m, A>, LearnError<E>>
where
    A: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::KnownLayout,
{
    let len = k.saturating_mul(d);
    Ok(Memory {
        centroids: arena.take(len)?,
        offsets: arena.take(k)?,
        accumulators: arena.take(len)?,
        usage: arena.take(k)?,
    })
}

/// A learner of resident rows, seeded and taken `rounds` rounds on.
pub(super) fn start<'m, L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    arena: &mut Arena<'m>,
    rows: &'m [i16],
    rounds: u32,
    meter: &mut Meter,
) -> Result<Lloyd<'m>, LearnError<L::Error>> {
    let (k, d) = (context.settings.k, context.source.width());
    let count = rows.len().checked_div(d).unwrap_or(0);
    let memory = memory(arena, k, d)?;
    let assignments = arena.take(count)?;
    let mut lloyd = Lloyd::new(Metric::SquaredEuclidean, rows, memory, assignments)?;
    seed(context, &mut lloyd, rounds, meter);
    Ok(lloyd)
}

/// Seeds a learner and takes it `rounds` rounds on; the potential before the last.
fn seed<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    lloyd: &mut Lloyd<'_>,
    rounds: u32,
    meter: &mut Meter,
) -> u64 {
    let rng = &mut context.rng;
    match context.settings.seeding {
        Seeding::PlusPlus => {
            let mut seeding = PlusPlus::NEW;
            while meter
                .time(context.link, || lloyd.seed_step(&mut seeding, rng))
                .is_none()
            {}
        }
        Seeding::Random => {
            meter.time(context.link, || lloyd.seed_random(rng));
        }
    }
    fit(lloyd, rounds, context.link, meter)
}

/// Rounds until nothing moves; the potential before the last.
fn fit<L: Link>(lloyd: &mut Lloyd<'_>, rounds: u32, link: &L, meter: &mut Meter) -> u64 {
    let mut potential = u64::MAX;
    for _ in 0..rounds {
        let round = round(lloyd, link, meter);
        potential = round.potential;
        if round.converged() {
            break;
        }
    }
    potential
}

fn round<L: Link>(lloyd: &mut Lloyd<'_>, link: &L, meter: &mut Meter) -> autodidact::kmeans::Round {
    loop {
        if let Some(round) = meter.time(link, || lloyd.step()) {
            return round;
        }
    }
}

pub(super) fn lloyd<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    mut arena: Arena<'_>,
) -> Result<Footprint, LearnError<L::Error>> {
    let mut meter = Meter::default();
    let rows = context.collect(&mut arena, &mut meter)?;
    let resident = arena.taken();
    let mut lloyd = start(context, &mut arena, rows, 0, &mut meter)?;
    meter.log_start();
    write(context, 0, &lloyd.model(), lloyd.usage())?;
    for number in 1..=context.settings.passes {
        // One entry a row, checked when the learner was made.
        let mut meter = Meter {
            rows: lloyd.assignments().len() as u32,
            ..Meter::default()
        };
        let round = round(&mut lloyd, context.link, &mut meter);
        meter.log_pass(number);
        let potential = round.potential.cast_signed();
        write(context, potential, &lloyd.model(), lloyd.usage())?;
        if round.converged() {
            break;
        }
    }
    Ok(Footprint {
        learner: arena.taken() - resident + size_of::<Lloyd<'_>>(),
        resident,
        starting: 0,
    })
}

pub(super) fn online<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    mut arena: Arena<'_>,
) -> Result<Footprint, LearnError<L::Error>> {
    let settings = context.settings;
    let memory = memory(&mut arena, settings.k, context.source.width())?;
    let starting = {
        let mut arena = arena.rest();
        let mut meter = Meter::default();
        let rows = context.collect(&mut arena, &mut meter)?;
        let rounds = settings.start_rounds;
        let mut lloyd = start(context, &mut arena, rows, 0, &mut meter)?;
        // The learner along the stream holds the best start so far.
        let mut least = None;
        for number in 0..settings.em_rounds.max(1) {
            let potential = if number == 0 {
                fit(&mut lloyd, rounds, context.link, &mut meter)
            } else {
                seed(context, &mut lloyd, rounds, &mut meter)
            };
            if least.is_none_or(|least| potential < least) {
                least = Some(potential);
                copy(memory.centroids, lloyd.model().centroids());
                copy(memory.usage, lloyd.usage());
            }
        }
        meter.log_start();
        arena.taken()
    };
    let mut online = Online::new(memory)?;
    if settings.window != 0 {
        online = online.with_window(u16::try_from(settings.window).unwrap_or(u16::MAX));
    }
    if settings.adaptation != 0 {
        online = online.with_patience(settings.adaptation);
    }
    write(context, 0, &online.model(), online.usage())?;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        let sum = context.pass(&mut meter, |row, _| {
            Ok(online.step(row)?.distance.cast_signed())
        })?;
        meter.log_pass(number);
        write(context, sum, &online.model(), online.usage())?;
    }
    Ok(Footprint {
        learner: arena.taken() + size_of::<Online<'_>>(),
        resident: 0,
        starting,
    })
}

pub(super) fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

fn write<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    objective: i64,
    model: &KMeans<'_>,
    usage: &[Usage],
) -> Result<(), LearnError<L::Error>> {
    context.write(objective, &[model.centroids().as_bytes()])?;
    usage
        .iter()
        .try_for_each(|usage| context.write_bytes(&usage.count.to_le_bytes()))
}
