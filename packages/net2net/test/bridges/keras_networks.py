"""Networks of Keras that are built, trained a little and saved; and grown files that are loaded again.

    keras_networks.py make         writes NAME.keras, NAME.h5, and NAME.npz with an input x and what the network predicts
    keras_networks.py load NAMES   for each grown file GROWN.EXT of NAME: how far its predictions are from the old network's,
                                   and the losses of the next three steps of both
"""
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
from keras import layers as L

keras.utils.set_random_seed(0)


def example():
    """The teacher of Keras's own Net2Net example."""
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        L.Conv2D(8, 3, padding="same", name="conv1"), L.MaxPooling2D(name="pool1"),
        L.Conv2D(6, 3, padding="same", name="conv2"), L.MaxPooling2D(name="pool2"),
        L.Flatten(name="flatten"), L.Dense(12, activation="relu", name="fc1"), L.Dense(10, activation="softmax", name="fc2"),
    ]), keras.optimizers.SGD(0.01, momentum=0.9)


def residual():
    """Functional: a residual sum, depthwise and separable convolutions, norms, a model in the model, a shared layer."""
    image = keras.Input((9, 7, 3), name="image")
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(L.Rescaling(0.5, 0.1, name="scale")(image))
    x = L.ReLU(name="r1")(L.BatchNormalization(name="bn1")(x))
    y = L.DepthwiseConv2D(3, padding="same", name="dw")(x)
    y = L.Activation("silu", name="act")(L.BatchNormalization(epsilon=1e-5, name="bn2")(y))
    x = L.Add(name="sum")([x, y])
    inner = keras.Sequential([keras.Input((9, 7, 8)), L.Conv2D(5, 3, strides=2, name="a"), L.LeakyReLU(name="b"),
                              L.BatchNormalization(name="c")], name="inner")
    x = inner(x)
    z = L.SeparableConv2D(4, 3, padding="same", activation="relu", name="sep")(x)
    x = L.Concatenate(name="cat")([x, z])
    x = L.GlobalAveragePooling2D(name="gap")(x)
    shared = L.Dense(9, activation="tanh", name="shared")
    x = shared(x)
    x = shared(x)
    x = L.LayerNormalization(name="ln")(L.Dense(11, name="wide")(x))
    return keras.Model(image, L.Dense(3, name="out")(x)), keras.optimizers.AdamW(1e-3, amsgrad=True)


def sequence():
    ids = keras.Input((12,), dtype="int32", name="ids")
    x = L.Embedding(20, 8, name="embed")(ids)
    x = L.Conv1D(6, 3, padding="causal", activation="gelu", name="conv")(x)
    x = L.Dense(10, activation="relu", name="pointwise")(x)
    x = L.MaxPooling1D(2, name="pool")(x)
    x = L.Dropout(0.3, name="drop")(L.Flatten(name="flat")(x))
    return keras.Model(ids, L.Dense(4, name="out")(x)), keras.optimizers.RMSprop(1e-3, momentum=0.5)


def decoder():
    return keras.Sequential([
        keras.Input((10,)), L.Dense(24, activation="relu", name="d1"), L.Reshape((2, 3, 4), name="grid"),
        L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="elu", name="up"), L.ZeroPadding2D(1, name="pad"),
        L.Conv2D(5, 3, name="c1", activation="relu6"), L.UpSampling2D(2, name="twice"), L.AveragePooling2D(2, padding="same", name="avg"),
        L.Cropping2D(((1, 0), (0, 1)), name="crop"), L.Flatten(name="flat"), L.Dense(2, name="out"),
    ]), keras.optimizers.Adam(1e-3)


networks = {"example": example, "residual": residual, "sequence": sequence, "decoder": decoder}


def data(model, count=16):
    random = np.random.default_rng(0)
    shape = (count,) + tuple(model.input_shape[1:])
    x = random.integers(0, 20, shape) if model.inputs[0].dtype == "int32" else random.standard_normal(shape).astype("float32")
    y = random.standard_normal((count,) + tuple(model.output_shape[1:])).astype("float32")
    return x, y


def make():
    for name, build in networks.items():
        model, optimizer = build()
        model.compile(optimizer, keras.losses.MeanSquaredError())
        x, y = data(model)
        model.fit(x, y, batch_size=8, epochs=3, verbose=0)
        model.save(f"{name}.keras")
        model.save(f"{name}.h5")
        np.savez(f"{name}.npz", x=x.astype("int32") if x.dtype == np.int64 else x, y=model.predict(x, verbose=0))


def losses(model):
    x, y = data(model)
    # Dropout draws other masks on other shapes: only what does not depend on it is compared.
    for layer in model.layers:
        if isinstance(layer, L.Dropout):
            layer.rate = 0.0
    model.optimizer.learning_rate = float(np.array(model.optimizer.learning_rate)) / 100
    return [float(model.train_on_batch(x, y)) for _ in range(3)]


def load(names):
    result = []
    for name, grown in names:
        # Keras 3.15 does not train on from an .h5 file, not even from its own: it builds the optimizer for no variables.
        compiled = grown.endswith(".keras")
        old, new = keras.models.load_model(f"{name}.keras"), keras.models.load_model(grown, compile=compiled)
        x, _ = data(old)
        difference = float(np.abs(old.predict(x, verbose=0) - new.predict(x, verbose=0)).max())
        result.append({"difference": difference, **({
            "iterations": int(new.optimizer.iterations),
            "losses": [losses(old), losses(new)],
        } if compiled else {})})
    print(json.dumps(result))


if sys.argv[1] == "make":
    make()
else:
    load(json.loads(sys.argv[2]))
