use std::io::{Cursor, Write};

use ndarray::{Array, Array1, Array2, Array3, Dimension, ShapeBuilder};
use ndarray_npy::{WritableElement, WriteNpyExt};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::{
    data::Table,
    oracle::{self, Mixture, Projection},
    train::model::CovarianceKind,
};

/// Archives that scikit-learn's own results were saved in (`data/make_sklearn.py`).
macro_rules! sklearn {
    ($name:literal) => {
        Npz::read(
            $name,
            Cursor::new(&include_bytes!(concat!("../../../data/sklearn/", $name))[..]),
        )
        .unwrap()
    };
}

fn npy<T: WritableElement, D: Dimension>(array: &Array<T, D>) -> Vec<u8> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).unwrap();
    bytes
}

fn archive(arrays: &[(&str, Vec<u8>)]) -> Npz {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        writer
            .start_file(format!("{name}.npy"), SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    Npz::read("x.npz", writer.finish().unwrap()).unwrap()
}

/// The rows that scikit-learn was asked about, and what it said, row after row.
fn asked(archive: &Npz) -> (Vec<Vec<f64>>, Vec<f64>) {
    let rows = archive.array("rows").unwrap();
    let width = rows.shape[1];
    (
        rows.values.chunks(width).map(<[f64]>::to_vec).collect(),
        archive.array("expected").unwrap().values,
    )
}

fn standardiser(std: [f64; 4]) -> Standardiser {
    Standardiser {
        mean: vec![5.8, 3.0, 3.7, 1.2],
        std: std.to_vec(),
        lsb: vec![1.0; 4],
        own_counts: vec![true; 4],
        minimum: 0.0,
        maximum: 8.0,
    }
}

const UNIFORM: [f64; 4] = [0.9; 4];
const APART: [f64; 4] = [0.8, 0.4, 1.7, 0.7];

fn features(row: &[f64], standardiser: &Standardiser) -> Vec<f64> {
    row.iter()
        .zip(&standardiser.mean)
        .zip(&standardiser.std)
        .map(|((x, mean), std)| (x - mean) / std)
        .collect()
}

#[test]
fn imported_centroids_predict_what_scikit_learn_predicts() {
    let archive = sklearn!("kmeans.npz");
    let (rows, expected) = asked(&archive);
    let model = kmeans(&archive).unwrap();
    assert_eq!((model.k, model.d), (3, 4));
    assert!((model.inertia - 78.85).abs() < 0.01);
    let standardiser = standardiser(UNIFORM);
    let turned = kmeans_in_features(&model, &standardiser).unwrap();
    assert!((turned.inertia * 0.81 / model.inertia - 1.0).abs() < 1e-12);
    for (row, expected) in rows.iter().zip(expected) {
        for (model, row) in [
            (&model, row.clone()),
            (&turned, features(row, &standardiser)),
        ] {
            let centroids: Vec<f64> = model.centroids.iter().map(|&c| f64::from(c)).collect();
            assert_eq!(oracle::nearest(&centroids, &row).index as f64, expected);
        }
    }
    let refused = kmeans_in_features(&model, &self::standardiser(APART)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "scaling every column by itself would change the nearest centroid of the imported model; import it with --scale uniform"
    );
}

#[test]
fn imported_components_project_as_scikit_learn_projects() {
    let archive = sklearn!("pca.npz");
    let (rows, expected) = asked(&archive);
    let model = pca(&archive).unwrap();
    let share: f64 = model.explained_ratio().iter().sum();
    assert!((share - 0.9777).abs() < 1e-4, "{share}");
    let standardiser = standardiser(UNIFORM);
    let turned = pca_in_features(&model, &standardiser).unwrap();
    assert!((turned.explained_ratio()[0] - model.explained_ratio()[0]).abs() < 1e-12);
    let (projection, in_features) = (Projection::from(&model), Projection::from(&turned));
    for (row, expected) in rows.iter().zip(expected.chunks(2)) {
        let scores = projection.project(row);
        let scaled = in_features.project(&features(row, &standardiser));
        for ((score, scaled), expected) in scores.iter().zip(scaled).zip(expected) {
            // Components and mean are rounded to f32. scikit-learn since 1.5 has the same rule for signs.
            assert!((score - expected).abs() < 1e-5, "{score} {expected}");
            assert!((scaled * 0.9 - expected).abs() < 1e-5);
        }
    }
    assert!(pca_in_features(&model, &self::standardiser(APART)).is_err());
}

#[test]
fn imported_mixtures_have_scikit_learns_densities_in_any_scale() {
    for (archive, kind, k) in [
        (sklearn!("full.npz"), CovarianceKind::Full, 3),
        (sklearn!("tied.npz"), CovarianceKind::Tied, 3),
        (sklearn!("diag.npz"), CovarianceKind::Diagonal, 4),
        (sklearn!("spherical.npz"), CovarianceKind::Diagonal, 3),
    ] {
        let (rows, expected) = asked(&archive);
        let model = gmm(&archive).unwrap();
        assert_eq!((model.kind(), model.k, model.d), (kind, k, 4));
        let standardiser = standardiser(APART);
        let turned = gmm_in_features(&model, &standardiser).unwrap();
        let growth: f64 = APART.iter().map(|s| s.ln()).sum();
        let (data, feature) = (Mixture::from(&model), Mixture::from(&turned));
        for (row, expected) in rows.iter().zip(expected) {
            let density = data.log_density(row);
            assert!(
                (density - expected).abs() < 1e-9,
                "{kind}: {density} {expected}"
            );
            let density = feature.log_density(&features(row, &standardiser));
            assert!((density - growth - expected).abs() < 1e-9);
        }
    }
}

#[test]
fn either_memory_order_and_any_type_gives_the_same() {
    let rows = Array2::from_shape_vec((2, 3), vec![1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let mut columns = Array2::<f64>::zeros((2, 3).f());
    columns.assign(&rows);
    for bytes in [
        npy(&rows),
        npy(&columns),
        npy(&rows.mapv(|x| x as f32)),
        npy(&columns.mapv(|x| x as i64)),
    ] {
        let model = kmeans(&archive(&[("cluster_centers_", bytes)])).unwrap();
        assert_eq!(model.centroids, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(model.inertia.is_nan());
    }
}

#[test]
fn a_square_of_covariances_needs_its_kind() {
    let text = |kind: &str| {
        let header = "{'descr': '<U4', 'fortran_order': False, 'shape': (), }\n";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(kind.chars().flat_map(|c| u32::from(c).to_le_bytes()));
        bytes
    };
    let square = npy(&Array2::from_shape_vec((2, 2), vec![2.0, 0.5, 0.5, 1.0]).unwrap());
    let with = |more: &[(&str, Vec<u8>)]| {
        let mut arrays = vec![
            ("weights_", npy(&Array1::from(vec![0.5, 0.5]))),
            ("means_", npy(&Array2::<f64>::zeros((2, 2)))),
            ("covariances_", square.clone()),
        ];
        arrays.extend_from_slice(more);
        gmm(&archive(&arrays))
    };
    assert_eq!(
        with(&[]).unwrap_err().to_string(),
        "x.npz: with as many components as columns (2) `covariances_` may be tied or diag; save covariance_type=model.covariance_type as well"
    );
    let kind = |name| with(&[("covariance_type", text(name))]).map(|model| model.kind());
    assert_eq!(kind("tied").unwrap(), CovarianceKind::Tied);
    assert_eq!(kind("diag").unwrap(), CovarianceKind::Diagonal);
    assert_eq!(
        kind("full").unwrap_err().to_string(),
        "x.npz: `covariances_` has the shape [2, 2], which covariance_type `full` has not for 2 components of 2 columns"
    );
}

#[test]
fn what_cannot_be_imported_is_one_clear_sentence() {
    let means = ("means_", npy(&Array2::<f64>::zeros((2, 3))));
    let weights = ("weights_", npy(&Array1::from(vec![0.5, 0.5])));
    let message = |arrays: &[(&str, Vec<u8>)]| gmm(&archive(arrays)).unwrap_err().to_string();
    assert_eq!(
        message(&[weights.clone(), means.clone()]),
        "x.npz has no array `covariances_`; it holds `means_`, `weights_`"
    );
    assert_eq!(
        message(&[
            ("weights_", npy(&Array1::from(vec![0.5, 0.4]))),
            means.clone()
        ]),
        "x.npz, array `weights_`: the weights sum to 0.9, not to 1; save them as fitted"
    );
    let full = |values: [f64; 9]| {
        let one = Array::from_shape_vec((1, 3, 3), values.to_vec()).unwrap();
        let mut two = Array3::zeros((2, 3, 3));
        two.assign(&one);
        ("covariances_", npy(&two))
    };
    assert_eq!(
        message(&[
            weights.clone(),
            means.clone(),
            full([1.0, 0.5, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0, 1.0])
        ]),
        "x.npz, array `covariances_`: the covariance of component 1 is not symmetric; save it as fitted"
    );
    assert_eq!(
        message(&[
            weights.clone(),
            means.clone(),
            full([1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0])
        ]),
        "x.npz, array `covariances_`: the covariance of component 1 is not positive definite; save it as fitted, or fit with a larger reg_covar"
    );
    assert_eq!(
        message(&[
            weights,
            means,
            ("covariances_", npy(&Array2::<f64>::zeros((5, 5))))
        ]),
        "x.npz: `covariances_` has the shape [5, 5]; for 2 components of 3 columns it should be [2, 3, 3] (full), [3, 3] (tied), [2, 3] (diag) or [2] (spherical)"
    );
    let oblique = Array2::from_shape_vec((2, 2), vec![1.0, 0.0, 0.6, 0.8]).unwrap();
    let arrays = [
        ("components_", npy(&oblique)),
        ("mean_", npy(&Array1::<f64>::zeros(2))),
        ("explained_variance_", npy(&Array1::from(vec![2.0, 1.0]))),
    ];
    assert_eq!(
        pca(&archive(&arrays)).unwrap_err().to_string(),
        "x.npz: components 1 and 2 are not orthonormal (their product is 0.6000); save `components_` as fitted"
    );
    let not_zip = Npz::read("x.npz", Cursor::new(b"a,b\n1,2\n".to_vec())).unwrap_err();
    assert_eq!(
        not_zip.to_string(),
        "x.npz is no valid NPZ archive; save it with numpy.savez"
    );
}

#[test]
fn a_model_of_another_width_is_refused() {
    let model = kmeans(&sklearn!("kmeans.npz")).unwrap();
    let table = Table::new("made", Table::numbered_columns(2), vec![0.0, 1.0, 2.0, 4.0]).unwrap();
    let standardiser = crate::data::Scaling::Uniform.fit(&table).unwrap();
    assert_eq!(
        kmeans_in_features(&model, &standardiser)
            .unwrap_err()
            .to_string(),
        "the imported model has 4 columns where the data has 2; give the data that it was trained on"
    );
}

fn row(values: &[f64]) -> Vec<u8> {
    npy(&Array1::from(values.to_vec()))
}

#[test]
fn a_scaler_of_any_kind_stands_before_the_model() {
    let centres = ("cluster_centers_", npy(&Array2::<f64>::zeros((2, 2))));
    let with = |arrays: &[(&str, Vec<u8>)]| {
        let mut all = vec![centres.clone()];
        all.extend_from_slice(arrays);
        read(&archive(&all))
    };
    let (mean, scale) = (vec![10.0, -2.0], vec![2.0, 0.5]);
    for arrays in [
        vec![("scaler_mean_", row(&mean)), ("scaler_scale_", row(&scale))],
        vec![
            ("scaler_mean_", row(&mean)),
            ("scaler_var_", row(&[4.0, 0.25])),
        ],
        vec![("mean_", row(&mean)), ("scale_", row(&scale))],
        vec![
            ("scaler_center_", row(&mean)),
            ("scaler_scale_", row(&scale)),
        ],
        // z = x / 2 - 5 and z = 2 x + 4.
        vec![
            ("scaler_min_", row(&[-5.0, 4.0])),
            ("scaler_scale_", row(&[0.5, 2.0])),
        ],
    ] {
        let scaler = with(&arrays).unwrap().scaler.unwrap();
        assert_eq!((&scaler.mean, &scaler.scale), (&mean, &scale));
        assert_eq!(scaler.arrays.len(), 2);
    }
    let scaler = with(&[("scaler_scale_", row(&scale))]).unwrap().scaler;
    assert_eq!(scaler.unwrap().mean, [0.0; 2]);
    assert_eq!(with(&[]).unwrap().scaler, None);
    let message = |arrays: &[(&str, Vec<u8>)]| with(arrays).unwrap_err().to_string();
    assert_eq!(
        message(&[("scaler_scale_", row(&[1.0, 0.0]))]),
        "x.npz: the scaler divides column 2 by 0; save it as it was fitted"
    );
    assert_eq!(
        message(&[("scaler_mean_", row(&[1.0; 3]))]),
        "x.npz, array `scaler_mean_`: the shape is [3] where [2] would fit the other arrays"
    );
    assert_eq!(
        message(&[("scaler_mean_", row(&mean)), ("scaler_min_", row(&mean))]),
        "x.npz: the arrays scaler_min_, scaler_mean_ are of several scalers; save those of one"
    );
    let fitted = standardiser(APART);
    let scaler = Scaler {
        mean: vec![1.0; 4],
        scale: vec![2.0; 4],
        arrays: Vec::new(),
    };
    let replaced = scaler.replace(fitted.clone()).unwrap();
    assert_eq!(
        (replaced.mean, replaced.std, replaced.lsb),
        (vec![1.0; 4], vec![2.0; 4], fitted.lsb)
    );
}

#[test]
fn what_is_left_out_or_not_looked_at_is_said() {
    let components = ("components_", npy(&Array2::<f64>::eye(2)));
    let variances = ("explained_variance_", row(&[2.0, 1.0]));
    let found = read(&archive(&[
        components.clone(),
        variances.clone(),
        ("n_features_in_", npy(&Array1::from(vec![2_i64]))),
        ("singular_values_", row(&[2.0, 1.0])),
    ]))
    .unwrap();
    let Imported::Pca(model) = found.model else {
        panic!("components are of PCA");
    };
    assert_eq!(model.mean, [0.0; 2]);
    assert_eq!(
        found.remarks,
        [
            "x.npz has no mean_, as of TruncatedSVD: read with the mean 0",
            "not looked at in x.npz: singular_values_"
        ]
    );
    let message = |arrays: &[(&str, Vec<u8>)]| read(&archive(arrays)).unwrap_err().to_string();
    assert_eq!(
        message(&[
            components.clone(),
            ("explained_variance_", row(&[0.0; 2])),
            ("explained_variance_ratio_", row(&[0.0; 2]))
        ]),
        "x.npz, array `explained_variance_`: no component has any variance; fit it to rows that vary"
    );
    assert_eq!(
        message(&[
            components.clone(),
            variances.clone(),
            ("n_features_in_", row(&[3.0]))
        ]),
        "x.npz: n_features_in_ is 3 where the model has 2 columns; save both of one model"
    );
    assert_eq!(
        message(&[
            components,
            variances,
            ("cluster_centers_", npy(&Array2::<f64>::eye(2)))
        ]),
        "x.npz holds cluster_centers_ and components_, of several models; save one in an archive, fitted to the data or behind a scaler"
    );
}

#[test]
fn components_of_a_mixture_without_weight_are_left_out() {
    let mut covariances = Array3::<f64>::zeros((3, 2, 2));
    for component in [0, 2] {
        for at in 0..2 {
            covariances[(component, at, at)] = 1.0 + component as f64;
        }
    }
    let means = Array2::from_shape_vec((3, 2), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let with = |weights: [f64; 3]| {
        read(&archive(&[
            ("weights_", row(&weights)),
            ("means_", npy(&means)),
            ("covariances_", npy(&covariances)),
        ]))
    };
    // What a component without weight has for a covariance does not matter.
    let found = with([0.25, 0.0, 0.75]).unwrap();
    assert_eq!(
        found.remarks,
        ["component 2 of x.npz has the weight 0 and is left out"]
    );
    let Imported::Gmm(model) = found.model else {
        panic!("means are of a mixture");
    };
    assert_eq!(
        (model.k, &model.weights[..], &model.means[..]),
        (2, &[0.25, 0.75][..], &[1.0, 2.0, 5.0, 6.0][..])
    );
    assert_eq!(model.covariance(1), [3.0, 0.0, 0.0, 3.0]);
    assert_eq!(
        with([0.25, 0.5, 0.25]).unwrap_err().to_string(),
        "x.npz, array `covariances_`: the covariance of component 2 is not positive definite; save it as fitted, or fit with a larger reg_covar"
    );
    assert_eq!(
        with([1.25, -0.5, 0.25]).unwrap_err().to_string(),
        "x.npz, array `weights_`: component 2 has the weight -0.5; save it as fitted"
    );
}

#[test]
fn a_model_that_lies_nowhere_near_the_rows_is_pointed_out() {
    let values = (0..80)
        .map(|at| [900.0, 20.0][at % 2] + (at * 7 % 11) as f32)
        .collect();
    let near = Table::new("made", Table::numbered_columns(2), values).unwrap();
    let scaler = Scaler {
        mean: vec![905.0, 25.0],
        scale: vec![3.0; 2],
        arrays: Vec::new(),
    };
    let kmeans = Imported::KMeans(KMeansModel {
        metric: Metric::L2,
        centroids: vec![-1.0, 0.0, 1.0, 0.0],
        k: 2,
        d: 2,
        inertia: 120.0,
        rounds: 0,
    });
    let pca = Imported::Pca(PcaModel {
        mean: vec![0.1; 2],
        components: vec![1.0, 0.0],
        explained_variance: vec![1.0],
        total_variance: 2.0,
        k: 1,
        d: 2,
    });
    let gmm = Imported::Gmm(GmmModel {
        weights: vec![1.0],
        means: vec![0.0; 2],
        covariances: Covariances::Diagonal(vec![1.0; 2]),
        k: 1,
        d: 2,
        log_likelihood: f64::NAN,
        rounds: 0,
    });
    for (model, lines) in [(&kmeans, 1), (&pca, 0), (&gmm, 0)] {
        assert_eq!(compare(model, Some(&scaler), &near).len(), lines);
        let said = compare(model, None, &near);
        assert_eq!(said.len(), lines + 1);
        let last = said.last().unwrap();
        assert!(last.contains("nowhere near the rows, as when it was fitted behind a scaler"));
    }
}
