//! Principal components along the stream.

use core::num::NonZeroU32;

use autodidact::pca::{Buffers, Forgetting, IncrementalPca};
use zerocopy::IntoBytes as _;

use super::{Arena, Context, Footprint, LearnError, Meter};
use crate::Link;

pub(super) fn incremental<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    mut arena: Arena<'_>,
) -> Result<Footprint, LearnError<L::Error>> {
    let settings = context.settings;
    let (k, d) = (settings.k, context.source.width());
    let len = k.saturating_mul(d);
    let buffers = Buffers {
        components: arena.take(len)?,
        variances: arena.take(k)?,
        mean: arena.take(d)?,
        row: arena.take(d)?,
        draft: arena.take(len)?,
        model_components: arena.take(len)?,
        model_mean: arena.take(d)?,
        model_offsets: arena.take(k)?,
        model_variances: arena.take(k)?,
        model_inverses: arena.take(k)?,
    };
    let forgetting = Forgetting {
        amnesia: u8::try_from(settings.adaptation).unwrap_or(u8::MAX),
        window: NonZeroU32::new(settings.window).unwrap_or(NonZeroU32::MAX),
    };
    let mut meter = Meter::default();
    let mut pca = meter.time(context.link, || IncrementalPca::new(buffers, forgetting))?;
    meter.log_start();
    write(context, &pca)?;
    for number in 1..=settings.passes {
        let mut meter = Meter::default();
        context.pass(&mut meter, |row, _| pca.step(row).map(|()| 0))?;
        meter.time(context.link, || pca.refresh());
        meter.log_pass(number);
        write(context, &pca)?;
    }
    Ok(Footprint {
        learner: arena.taken() + size_of::<IncrementalPca<'_>>(),
        ..Footprint::default()
    })
}

fn write<L: Link>(
    context: &mut Context<'_, '_, '_, L>,
    pca: &IncrementalPca<'_>,
) -> Result<(), LearnError<L::Error>> {
    let model = pca.model();
    context.write(0, &[model.mean().as_bytes()])?;
    for index in 0..model.k() {
        context.write_bytes(model.component(index).unwrap_or(&[]).as_bytes())?;
    }
    // A learner's model always has one.
    let spectrum = model.spectrum().ok_or(LearnError::Nothing)?;
    context.write_bytes(spectrum.variances().as_bytes())?;
    context.write_bytes(&spectrum.total().to_le_bytes())
}
