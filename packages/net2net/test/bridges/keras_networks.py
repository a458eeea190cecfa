"""Networks of Keras that are built, trained a little and saved; and grown files that are loaded again.

    keras_networks.py make [NAMES] writes NAME.keras, NAME.h5, and NAME.npz with an input x and what the network predicts;
                                   and for each optimizer NAME of the list below NAME.keras
    keras_networks.py load NAMES   for each grown file GROWN.EXT of NAME: how far its predictions are from the old network's,
                                   and the losses of the next three steps of both
    keras_networks.py state NAMES  for each grown file of an optimizer: what of its state is not as it should be
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


def blocks():
    """A residual network with batch normalization, as image classifiers are."""
    x = image = keras.Input((8, 8, 3), name="image")
    x = L.ReLU(name="r0")(L.BatchNormalization(name="n0")(L.Conv2D(6, 3, padding="same", use_bias=False, name="c0")(x)))
    for i in (1, 2):
        y = L.ReLU(name=f"r{i}a")(L.BatchNormalization(name=f"n{i}a")(L.Conv2D(8, 3, padding="same", use_bias=False, name=f"c{i}a")(x)))
        y = L.BatchNormalization(name=f"n{i}b")(L.Conv2D(6, 3, padding="same", use_bias=False, name=f"c{i}b")(y))
        x = L.ReLU(name=f"r{i}")(L.Add(name=f"s{i}")([x, y]))
    return keras.Model(image, L.Dense(3, name="out")(L.GlobalAveragePooling2D(name="gap")(x))), keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)


def transformer():
    ids = keras.Input((8,), dtype="int32", name="ids")
    x = L.Embedding(20, 12, name="embed")(ids)
    for i in (1, 2):
        y = L.LayerNormalization(name=f"ln{i}a")(x)
        x = L.Add(name=f"s{i}a")([x, L.MultiHeadAttention(2, 4, name=f"mha{i}")(y, y, use_causal_mask=True)])
        y = L.Dense(24, activation="gelu", name=f"up{i}")(L.LayerNormalization(name=f"ln{i}b")(x))
        x = x + L.Dense(12, name=f"down{i}")(y)
    return keras.Model(ids, L.Dense(4, name="out")(L.LayerNormalization(name="ln")(x))), keras.optimizers.AdamW(1e-3)


def text():
    """Padding is masked, and followed by both kinds of recurrent layers."""
    ids = keras.Input((9,), dtype="int32", name="ids")
    x = L.Embedding(20, 8, mask_zero=True, name="embed")(ids)
    x = L.Bidirectional(L.LSTM(6, return_sequences=True), name="both")(x)
    x = L.GRU(7, name="gru")(x)
    return keras.Model(ids, L.Dense(3, name="out")(L.Dense(8, activation="tanh", name="fc")(x))), keras.optimizers.Adam(1e-3)


def unet():
    x = image = keras.Input((8, 8, 2), name="image")
    a = L.Conv2D(6, 3, padding="same", activation="relu", name="down1")(x)
    b = L.Conv2D(8, 3, padding="same", activation="relu", name="down2")(L.MaxPooling2D(name="p1")(a))
    c = L.Conv2D(10, 3, padding="same", activation="relu", name="bottom")(L.MaxPooling2D(name="p2")(b))
    d = L.Concatenate(name="j2")([L.Conv2DTranspose(8, 2, strides=2, activation="relu", name="up2")(c), b])
    e = L.Conv2D(8, 3, padding="same", activation="relu", name="up2b")(d)
    f = L.Concatenate(name="j1")([L.UpSampling2D(2, interpolation="bilinear", name="up1")(e), a])
    return keras.Model(image, L.Conv2D(2, 1, name="out")(f)), keras.optimizers.Adam(1e-3)


def siamese():
    """A model that is called for both halves of the input."""
    pair = keras.Input((2, 12), name="pair")
    encode = keras.Sequential([keras.Input((12,)), L.Dense(9, activation="tanh", name="hidden"), L.Dense(7, name="code")], name="encode")
    a, b = [encode(L.Flatten(name=f"flat{i}")(L.Cropping1D((i, 1 - i), name=f"half{i}")(pair))) for i in (0, 1)]
    same = L.Concatenate(name="join")([L.Subtract(name="minus")([a, b]), L.Multiply(name="times")([a, b])])
    return keras.Model(pair, L.Dense(3, activation="tanh", name="out")(L.Dense(6, activation="relu", name="mix")(same))), keras.optimizers.Adam(1e-3)


networks = {
    "example": example, "residual": residual, "sequence": sequence, "decoder": decoder,
    "blocks": blocks, "transformer": transformer, "text": text, "unet": unet, "siamese": siamese,
}

O = keras.optimizers
optimizers = {
    "sgd": lambda: O.SGD(0.01), "momentum": lambda: O.SGD(0.01, momentum=0.9), "adam": lambda: O.Adam(1e-3, amsgrad=True),
    "schedule": lambda: O.Adam(O.schedules.ExponentialDecay(1e-3, 10, 0.9)), "average": lambda: O.AdamW(1e-3, use_ema=True),
    "accumulated": lambda: O.SGD(0.01, momentum=0.9, gradient_accumulation_steps=2), "nadam": lambda: O.Nadam(1e-3), "adamax": lambda: O.Adamax(1e-3),
    "adagrad": lambda: O.Adagrad(1e-2), "adadelta": lambda: O.Adadelta(1e-2), "rmsprop": lambda: O.RMSprop(1e-3, momentum=0.5, centered=True),
    "lion": lambda: O.Lion(1e-4), "lamb": lambda: O.Lamb(1e-3), "muon": lambda: O.Muon(1e-3), "free": lambda: O.ScheduleFreeAdamW(1e-3),
    "scaled": lambda: O.LossScaleOptimizer(O.Adam(1e-3)), "adafactor": lambda: O.Adafactor(1e-3), "ftrl": lambda: O.Ftrl(1e-3),
}


def optimized(optimizer):
    """Functional, with an embedding, a matrix, a tensor of three axes and a variable without axes."""
    ids = keras.Input((5,), dtype="int32", name="ids")
    x = L.Embedding(20, 6, name="embed")(ids)
    x = L.Conv1D(7, 3, padding="same", activation="relu", name="conv")(x)
    x = L.Attention(use_scale=True, name="attend")([x, x])
    x = L.Dense(8, activation="relu", name="fc")(L.BatchNormalization(name="norm")(L.Flatten(name="flat")(x)))
    model = keras.Model(ids, L.Dense(3, name="out")(x))
    model.compile(optimizer, keras.losses.MeanSquaredError(), run_eagerly=True)
    return model


def data(model, count=16):
    random = np.random.default_rng(0)
    shape = (count,) + tuple(model.input_shape[1:])
    x = random.integers(0, 20, shape) if model.inputs[0].dtype == "int32" else random.standard_normal(shape).astype("float32")
    y = random.standard_normal((count,) + tuple(model.output_shape[1:])).astype("float32")
    return x, y


def make(only):
    for name, build in networks.items():
        if only and name not in only:
            continue
        model, optimizer = build()
        model.compile(optimizer, keras.losses.MeanSquaredError(), run_eagerly=True)
        x, y = data(model)
        model.fit(x, y, batch_size=8, epochs=3, verbose=0)
        model.save(f"{name}.keras")
        model.save(f"{name}.h5")
        np.savez(f"{name}.npz", x=x.astype("int32") if x.dtype == np.int64 else x, y=np.asarray(model(x)))
    for name, build in optimizers.items():
        if only and name not in only:
            continue
        # Whatever was made before: for some weights Keras's own RMSprop fails on the gradients of an embedding.
        keras.utils.set_random_seed(0)
        model = optimized(build())
        x, y = data(model)
        for _ in range(3):
            model.train_on_batch(x, y)
        model.save(f"{name}.keras")


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
        difference = float(np.abs(np.asarray(old(x)) - np.asarray(new(x))).max())
        result.append({"difference": difference, **({
            "iterations": int(new.optimizer.iterations),
            "losses": [losses(old), losses(new)],
        } if compiled else {})})
    print(json.dumps(result))


def state(names):
    """What was there and did not grow must be as it was, and what is new as an optimizer begins."""
    result = []
    for name, grown in names:
        old, new = keras.models.load_model(f"{name}.keras"), keras.models.load_model(grown)
        before = {v.path: np.array(v) for v in old.optimizer.variables}
        wrong = []
        for variable in new.optimizer.variables:
            was, now = before.pop(variable.path, None), np.array(variable)
            if was is not None and was.shape == now.shape and not (was == now).all():
                wrong.append(f"{variable.path} changed")
            if was is not None and was.shape != now.shape and was.any() and not now.any():
                wrong.append(f"{variable.path} is lost")
            if was is None and "average" not in variable.path and not (name == "free" and "momentum" in variable.path) and np.ptp(now) != 0:
                wrong.append(f"{variable.path} is new and not constant")
        # Nadam's product of rates has a name that counts on.
        wrong += [f"{path} is gone" for path in before if not path.startswith("variable")]
        x, y = data(new)
        losses = [float(model.train_on_batch(x, y)) for model in (old, new)]
        if abs(losses[0] - losses[1]) > 1e-4:
            wrong.append(f"losses {losses}")
        result.append(wrong)
    print(json.dumps(result))


tasks = json.loads(sys.argv[2]) if len(sys.argv) > 2 else []
{"make": lambda: make(tasks), "load": lambda: load(tasks), "state": lambda: state(tasks)}[sys.argv[1]]()
