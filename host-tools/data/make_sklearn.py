"""Writes sklearn/*.npz: models that scikit-learn 1.9.1 fitted to the iris measurements, and what it says of
some rows, for the tests of the import. Run in this folder."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

X = load_iris().data
rows = X[::10]

m = KMeans(3, n_init=5, random_state=0).fit(X)
np.savez("sklearn/kmeans.npz", cluster_centers_=m.cluster_centers_, inertia_=m.inertia_,
         rows=rows, expected=m.predict(rows).astype(float))

p = PCA(2).fit(X)
np.savez("sklearn/pca.npz", components_=np.asfortranarray(p.components_), mean_=p.mean_,
         explained_variance_=p.explained_variance_,
         explained_variance_ratio_=p.explained_variance_ratio_,
         rows=rows, expected=p.transform(rows))

for kind in ("full", "tied", "diag", "spherical"):
    g = GaussianMixture(4 if kind == "diag" else 3, covariance_type=kind, random_state=0).fit(X)
    np.savez_compressed(f"sklearn/{kind}.npz", weights_=g.weights_, means_=g.means_,
                        covariances_=g.covariances_, covariance_type=g.covariance_type,
                        rows=rows, expected=g.score_samples(rows))
