//! Between rows on the host and tensors on a device.

use anyhow::{Result, anyhow};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Largest number of values in one block: 64 MiB of f32, half of what the smallest GPUs bind at once.
const BLOCK_VALUES: usize = 16 << 20;

/// A matrix of `width` columns on the device.
pub(super) fn upload(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / width;
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

/// A matrix in blocks of rows that any device can hold in one buffer each.
pub(super) fn upload_blocks(values: &[f32], width: usize, device: &Device) -> Vec<Tensor<2>> {
    let block_rows = (BLOCK_VALUES / width).max(1);
    values
        .chunks(block_rows * width)
        .map(|block| upload(block.to_vec(), width, device))
        .collect()
}

/// The values of a tensor, row after row.
pub(super) fn download<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| anyhow!("the training device gave no result: {error}"))
}

/// The values of a tensor of indices.
pub(super) fn download_indices(tensor: Tensor<2, Int>) -> Result<Vec<usize>> {
    let indices = tensor
        .try_into_vec_as::<i32>()
        .map_err(|error| anyhow!("the training device gave no result: {error}"))?;
    Ok(indices.into_iter().map(|index| index as usize).collect())
}
