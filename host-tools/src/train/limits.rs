//! What a training run may be told, so that sizes that no device takes are a sentence before memory is asked for.

use anyhow::{Result, ensure};
use autodidact::net::{MAX_ELEMENTS, MAX_WIDTH};

/// Most repetitions of anything: more than any life is long, and few enough to be counted.
const MOST_REPEATS: usize = 1_000_000_000;

/// Most weights of a dense network: more than the memory of any device that it is for.
const MOST_WEIGHTS: usize = 1 << 26;

/// Most rows drawn for a step, unless the data have more.
const MOST_DRAWN: usize = 4096;

/// Checks how often something is to be done: `what` is `epochs` or `steps`.
pub(super) fn check_repeats(what: &str, count: usize) -> Result<()> {
    ensure!(count > 0, "the number of {what} is 0; give at least 1");
    ensure!(
        count <= MOST_REPEATS,
        "the number of {what} is {count}; give at most {MOST_REPEATS}"
    );
    Ok(())
}

/// Checks the widths of dense layers.
pub(super) fn check_widths(widths: &[usize]) -> Result<()> {
    for &width in widths {
        ensure!(width > 0, "a layer has width 0; give at least 1");
        ensure!(
            width <= MAX_WIDTH,
            "a layer has width {width}; give at most {MAX_WIDTH}, which is what a device takes"
        );
    }
    Ok(())
}

/// Checks the weights of dense layers of these widths, from the input to the output.
pub(super) fn check_weights(widths: &[usize]) -> Result<()> {
    check_widths(widths)?;
    let weights: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
    ensure!(
        weights <= MOST_WEIGHTS,
        "layers of widths {widths:?} have {weights} weights, and no device takes more than {MOST_WEIGHTS}; give narrower layers"
    );
    Ok(())
}

/// Checks the channels of 3x3 convolutions over so many pixels.
pub(super) fn check_channels(channels: usize, pixels: usize) -> Result<()> {
    let most = (MAX_ELEMENTS / pixels.max(1)).min(MAX_WIDTH / 9);
    ensure!(channels > 0, "the network has 0 channels; give at least 1");
    ensure!(
        channels <= most,
        "a layer has {channels} channels of {pixels} pixels, and a device takes at most {most}; give fewer"
    );
    Ok(())
}

/// Checks how many rows are drawn at once from data of `rows` rows: `what` is `batch size` or `number of chains`.
pub(super) fn check_drawn(what: &str, count: usize, rows: usize) -> Result<()> {
    let most = rows.max(MOST_DRAWN);
    ensure!(count > 0, "the {what} is 0; give at least 1");
    ensure!(
        count <= most,
        "the {what} is {count}; give at most {most} for data of {rows} rows"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_no_device_takes_are_a_sentence() {
        let message = |checked: Result<()>| checked.unwrap_err().to_string();
        for size in [100_000_000_000, usize::MAX] {
            for checked in [
                check_repeats("epochs", size),
                check_widths(&[8, size]),
                check_weights(&[8, size]),
                check_channels(size, 64),
                check_drawn("batch size", size, 10),
            ] {
                let message = message(checked);
                assert!(message.contains(&size.to_string()), "{message}");
                assert!(message.contains("; give "), "{message}");
            }
        }
        assert_eq!(
            message(check_weights(&[MAX_WIDTH, MAX_WIDTH])),
            "layers of widths [32768, 32768] have 1073741824 weights, and no device takes more than 67108864; give narrower layers"
        );
        check_weights(&[784, 4096, 4096, 784]).unwrap();
        check_drawn("batch size", 128, 10).unwrap();
    }
}
