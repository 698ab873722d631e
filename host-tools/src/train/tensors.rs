//! Between rows on the host and tensors on a device.

use anyhow::{Result, anyhow};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use super::model::Activation;

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

/// A function of every element.
pub(super) fn activate<const D: usize>(function: Activation, sums: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Relu => activation::relu(sums),
        Activation::Sigmoid => activation::sigmoid(sums),
        Activation::Tanh => activation::tanh(sums),
        Activation::Identity => sums,
        // exp(min(x, 0)) cannot overflow, as the exponential of a masked branch would.
        Activation::Elu => activation::relu(sums.clone()) + sums.clamp_max(0.0).exp() - 1.0,
        Activation::Silu => activation::silu(sums),
    }
}
