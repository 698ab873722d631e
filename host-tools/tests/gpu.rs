//! The GPU path trains what the CPU path trains. Needs the cargo feature `gpu` and any wgpu adapter; a
//! hardware GPU is taken where there is one, otherwise a software adapter (Debian: mesa-vulkan-drivers).
#![cfg(feature = "gpu")]

use autodidact_tools::{
    data::{DIGIT_MAX, Scaling, Table, digits},
    train::{
        Progress,
        corruption::Corruption,
        dae::{self, DaeOptions},
        device::{self, DeviceChoice, TrainingDevice},
        kmeans::{self, KMeansOptions},
        model::DenseStack,
        pca::{self, PcaOptions},
        rbm::{self, Binarise, RbmOptions},
        residual::{self, ResidualOptions, ResidualShape},
    },
};

fn wgpu() -> TrainingDevice {
    let device = device::open(DeviceChoice::Gpu)
        .or_else(|_| device::open(DeviceChoice::WgpuSoftware))
        .unwrap();
    eprintln!("testing {device}");
    device
}

/// The first `rows` digits as features, and noise of 0.25 in them.
fn digit_features(rows: usize) -> (Table, Vec<f32>) {
    let data = digits().unwrap().scaled(1.0 / DIGIT_MAX).unwrap();
    let values = data.values()[..rows * data.width()].to_vec();
    let data = Table::new("the first digits", data.columns().to_vec(), values).unwrap();
    let scaling = Scaling::Uniform.fit(&data).unwrap();
    let sigma = scaling.noise_in_features(0.25);
    (scaling.transform(&data).unwrap(), sigma)
}

#[test]
fn a_denoiser_has_the_same_loss_at_every_step() {
    let (features, sigma) = digit_features(128);
    // One batch an epoch: every epoch is one step.
    let options = DaeOptions {
        hidden: vec![32, 32],
        corruption: Corruption::Gaussian { sigma },
        epochs: 120,
        batch: 128,
        seed: 1,
        ..DaeOptions::default()
    };
    let config = options.check().unwrap();
    let train = |device: &TrainingDevice| -> (DenseStack, Vec<f64>) {
        let mut losses = Vec::new();
        let network = dae::fit(&config, &features, device, &mut |progress: Progress| {
            losses.push(progress.loss);
        });
        (network.unwrap(), losses)
    };
    let (_, cpu) = train(&TrainingDevice::cpu());
    let (_, gpu) = train(&wgpu());
    assert_eq!(cpu.len(), 120);
    assert!(cpu[119] < 0.7 * cpu[0], "the network learned: {cpu:?}");
    let mut largest = 0.0_f64;
    for (step, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
        assert!((cpu - gpu).abs() < 1e-3, "step {step}: {cpu} and {gpu}");
        largest = largest.max((cpu - gpu).abs());
    }
    eprintln!(
        "loss {:.4} to {:.4}, largest difference {largest:.1e}",
        cpu[0], cpu[119]
    );
}

#[test]
fn convolutions_have_the_same_loss_at_every_step() {
    let (features, sigma) = digit_features(64);
    let shape = ResidualShape::Conv {
        channels: 4,
        image: [8, 8],
        guess: 8,
    };
    // One batch an epoch again.
    let options = ResidualOptions {
        corruption: Corruption::Gaussian { sigma },
        epochs: 30,
        batch: 64,
        seed: 1,
        ..ResidualOptions::of_shape(shape)
    };
    let config = options.check().unwrap();
    let train = |device: &TrainingDevice| -> Vec<f64> {
        let mut losses = Vec::new();
        residual::fit(&config, &features, device, &mut |progress| {
            losses.push(progress.loss);
        })
        .unwrap();
        losses
    };
    let (cpu, gpu) = (train(&TrainingDevice::cpu()), train(&wgpu()));
    assert!(cpu[29] < 0.9 * cpu[0], "the network learned: {cpu:?}");
    for (step, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
        assert!((cpu - gpu).abs() < 1e-3, "step {step}: {cpu} and {gpu}");
    }
}

#[test]
fn a_software_adapter_does_not_count_as_a_gpu() {
    match device::open(DeviceChoice::Gpu) {
        Ok(gpu) => {
            let auto = device::open(DeviceChoice::Auto).unwrap();
            assert_eq!(auto.to_string(), gpu.to_string());
        }
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.starts_with("--device gpu: wgpu finds no GPU"),
                "{message}"
            );
            assert!(message.contains("train with --device cpu"), "{message}");
            let auto = device::open(DeviceChoice::Auto).unwrap();
            assert_eq!(auto.to_string(), "CPU (Flex)");
        }
    }
}

#[test]
fn k_means_finds_the_same_clusters() {
    let data = digits().unwrap();
    let options = KMeansOptions {
        k: 10,
        restarts: 2,
        ..KMeansOptions::default()
    };
    let config = options.check().unwrap();
    let cpu = kmeans::fit(&config, &data, &TrainingDevice::cpu(), &mut |_| {}).unwrap();
    let gpu = kmeans::fit(&config, &data, &wgpu(), &mut |_| {}).unwrap();
    assert!((cpu.inertia / gpu.inertia - 1.0).abs() < 1e-3);
    for (cpu, gpu) in cpu.centroids.iter().zip(&gpu.centroids) {
        assert!((cpu - gpu).abs() < 1e-3);
    }
}

#[test]
fn principal_components_explain_the_same_variance() {
    let data = digits().unwrap();
    let config = PcaOptions { components: 16 }.check().unwrap();
    let cpu = pca::fit(&config, &data, &TrainingDevice::cpu()).unwrap();
    let gpu = pca::fit(&config, &data, &wgpu()).unwrap();
    assert!((cpu.total_variance / gpu.total_variance - 1.0).abs() < 1e-5);
    let variances = cpu.explained_variance.iter().zip(&gpu.explained_variance);
    for (cpu_variance, gpu_variance) in variances {
        assert!((cpu_variance / gpu_variance - 1.0).abs() < 1e-4);
    }
    // Directions of near variances turn into one another easily; the gaps here are a percent or more.
    for (cpu, gpu) in cpu.components.iter().zip(&gpu.components) {
        assert!((cpu - gpu).abs() < 1e-3, "{cpu} and {gpu}");
    }
}

#[test]
fn a_boltzmann_machine_learns_alike() {
    let (features, _) = digit_features(256);
    let options = RbmOptions {
        hidden: 8,
        binarise: Binarise::Threshold(0.0),
        epochs: 30,
        learning_rate: 0.1,
        seed: 1,
        ..RbmOptions::default()
    };
    let config = options.check().unwrap();
    let train = |device: &TrainingDevice| -> Vec<f64> {
        let mut losses = Vec::new();
        rbm::fit(&config, &features, device, &mut |progress| {
            losses.push(progress.loss);
        })
        .unwrap();
        losses
    };
    let (cpu, gpu) = (train(&TrainingDevice::cpu()), train(&wgpu()));
    assert!(cpu[29] < 0.9 * cpu[0], "the machine learned: {cpu:?}");
    assert!((cpu[0] / gpu[0] - 1.0).abs() < 1e-3, "{cpu:?} {gpu:?}");
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        // The draws are the same; one that is nearly a tie may fall the other way, and others follow it.
        assert!((cpu / gpu - 1.0).abs() < 0.05, "{cpu} and {gpu}");
    }
}
