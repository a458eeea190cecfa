"""Writes the files in scikit-learn/: classifiers (behind a scaler; of names) and a regressor, as skl2onnx exports them.

Made with scikit-learn 1.9.1 and skl2onnx 1.20.0: python scikit_learn.py FOLDER
"""
import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_diabetes, load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = Path(sys.argv[1])


def export(name, model, load, classes=None, **options):
    x, y = load(return_X_y=True)
    x = x.astype(np.float32)
    model.fit(x, y if classes is None else classes[y])
    (folder / f"{name}.onnx").write_bytes(to_onnx(model, x[:1], **options).SerializeToString())


export("classifier", make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=50, random_state=0)), load_iris)
export("regressor", MLPRegressor(hidden_layer_sizes=(6,), max_iter=50, random_state=0), load_diabetes)
names = np.array(["setosa", "versicolor", "virginica"])
export("names", MLPClassifier((8,), max_iter=50, random_state=0), load_iris, names, options={"zipmap": False})
