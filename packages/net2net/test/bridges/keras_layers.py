"""One small network for each layer of Keras and each of its settings.

    keras_layers.py make        writes NAME.keras, and NAME.npz with the inputs x0, x1, … and what the network predicts
    keras_layers.py load NAMES  prints for each NAME how far the predictions of grown-NAME.keras are from those of NAME.keras
"""
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
from keras import layers as L
from keras import ops

keras.utils.set_random_seed(1)
networks = {}


def sequence(name, shape, *layers, ids=0):
    """Some layers, with what grows before and behind them."""

    def build():
        x = inputs = keras.Input(shape, dtype="int32" if ids else "float32", name="x")
        for layer in layers:
            x = layer(x)
        if len(x.shape) > 2:
            x = L.Flatten(name="flat")(x)
        return keras.Model(inputs, L.Dense(2, name="out")(x))

    networks[name] = build


def conv(filters=4, **settings):
    return L.Conv2D(filters, 3, padding="same", name="before", **settings)


for padding in ("same", "valid"):
    for name, layer in {
        "conv1d": L.Conv1D(4, 4, strides=2, padding=padding, activation="relu"),
        "conv1d-dilated": L.Conv1D(4, 3, dilation_rate=2, padding=padding),
        "transposed1d": L.Conv1DTranspose(4, 3, strides=2, padding=padding),
        "transposed1d-long": L.Conv1DTranspose(4, 2, strides=3, padding=padding),
        "depthwise1d": L.DepthwiseConv1D(3, padding=padding),
        "separable1d": L.SeparableConv1D(5, 3, padding=padding),
        "max1d": L.MaxPooling1D(3, strides=2, padding=padding),
        "average1d": L.AveragePooling1D(3, padding=padding),
    }.items():
        sequence(f"{name}-{padding}", (11, 3), L.Dense(4, name="before"), layer)
    for name, layer in {
        "grouped": L.Conv2D(6, 3, groups=2, padding=padding),
        "dilated": L.Conv2D(4, (3, 2), dilation_rate=(2, 1), padding=padding),
        "transposed": L.Conv2DTranspose(4, 4, strides=2, padding=padding, activation="tanh"),
        "transposed-even": L.Conv2DTranspose(4, (3, 2), strides=(3, 1), padding=padding),
        "transposed-dilated": L.Conv2DTranspose(4, 2, dilation_rate=2, padding=padding),
        "depthwise": L.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding=padding),
        "separable": L.SeparableConv2D(5, 3, depth_multiplier=2, padding=padding),
        "max": L.MaxPooling2D((2, 3), padding=padding),
    }.items():
        sequence(f"{name}-{padding}", (7, 8, 3), conv(), layer)
    sequence(f"conv3d-{padding}", (5, 4, 6, 2), L.Conv3D(4, 3, padding=padding, name="before"), L.Conv3DTranspose(3, 2, strides=2, padding=padding))
sequence("transposed-extra", (5, 5, 3), conv(), L.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1))
sequence("pool3d", (4, 6, 5, 2), L.Conv3D(4, 3, name="before", padding="same"), L.MaxPooling3D(2), L.ZeroPadding3D(1), L.GlobalAveragePooling3D())
sequence("moves1d", (6, 3), L.Conv1D(4, 2, name="before"), L.ZeroPadding1D((1, 2)), L.UpSampling1D(2), L.Cropping1D((1, 1)), L.GlobalMaxPooling1D())
sequence("moves2d", (6, 5, 3), conv(), L.AveragePooling2D(2, padding="same"), L.UpSampling2D(2), L.Cropping2D(((1, 0), (0, 1))), L.GlobalMaxPooling2D())
sequence("moves3d", (4, 4, 5, 2), L.Conv3D(3, 2, name="before"), L.UpSampling3D(2), L.Cropping3D(1), L.AveragePooling3D(2), L.GlobalMaxPooling3D())
sequence("random1d", (6, 3), L.Conv1D(4, 2, name="before"), L.SpatialDropout1D(0.2), L.GaussianNoise(0.1), L.GaussianDropout(0.1), L.Identity())
sequence("random2d", (6, 5, 3), conv(), L.SpatialDropout2D(0.2), L.Dropout(0.2), L.AlphaDropout(0.1), L.ActivityRegularization(0.1))
sequence("random3d", (3, 3, 3, 2), L.Conv3D(3, 2, name="before"), L.SpatialDropout3D(0.2))
sequence("vector", (3,), L.Dense(4, name="before"), L.RepeatVector(3), L.Permute((2, 1)), L.Reshape((2, 6)))

for name, layer in {
    "layer": L.LayerNormalization(), "layer-plain": L.LayerNormalization(center=False, scale=False),
    "layer-shift": L.LayerNormalization(scale=False), "layer-axis": L.LayerNormalization(axis=1),
    "layer-axes": L.LayerNormalization(axis=[1, 2, 3]), "rms": L.RMSNormalization(), "group": L.GroupNormalization(2),
    "instance": L.GroupNormalization(-1), "group-plain": L.GroupNormalization(2, center=False, scale=False),
    "batch": L.BatchNormalization(), "batch-plain": L.BatchNormalization(center=False, scale=False),
    "rescaling": L.Rescaling([1, 2, 3, 4.0], offset=0.5), "normalization": L.Normalization(mean=[0.1] * 4, variance=[2.0] * 4),
}.items():
    sequence(f"norm-{name}", (5, 6, 3), conv(activation="relu"), layer, L.Conv2D(2, 1))

sequence("norm-unit", (5, 6, 3), conv(), L.UnitNormalization(), L.Conv2D(2, 1))

for name, layer in {
    "relu": L.ReLU(max_value=2.0), "leaky": L.LeakyReLU(negative_slope=0.1), "prelu": L.PReLU(shared_axes=[1, 2]), "elu-layer": L.ELU(0.5),
    "softmax": L.Softmax(), **{name: L.Activation(name) for name in (
        "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax",
        "mish", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign", "tanh", "tanh_shrink")},
}.items():
    sequence(f"activation-{name}", (4, 5, 3), conv(), layer)

for kind in (L.LSTM, L.GRU, L.SimpleRNN):
    name = kind.__name__.lower()
    sequence(name, (6, 3), L.Dense(4, name="before"), kind(5, return_sequences=True), kind(4, name="second"))
    sequence(f"{name}-back", (6, 3), kind(5, go_backwards=True, return_sequences=True, use_bias=False, activation="relu"), kind(4))
    sequence(f"{name}-masked", (6,), L.Embedding(9, 4, mask_zero=True), kind(5, return_sequences=True), kind(3, go_backwards=True, return_sequences=True), ids=9)
    for mode in ("concat", "sum"):
        sequence(f"{name}-{mode}", (6,), L.Embedding(9, 4, mask_zero=mode == "sum"), L.Bidirectional(kind(5, return_sequences=True), merge_mode=mode),
                 L.Bidirectional(kind(3), merge_mode=mode), ids=9)
sequence("gru-before", (6, 3), L.GRU(4, reset_after=False))
sequence("masking", (6, 3), L.Masking(0.0), L.LSTM(4, zero_output_for_mask=True, return_sequences=True), L.GlobalAveragePooling1D())
sequence("mean-of-tokens", (7,), L.Embedding(9, 4, mask_zero=True), L.Dense(5, activation="relu"), L.GlobalAveragePooling1D(), ids=9)
sequence("steps", (4, 6, 6, 2), L.TimeDistributed(L.Conv2D(4, 3, activation="relu", name="inside")), L.TimeDistributed(L.GlobalAveragePooling2D()), L.LSTM(3))
sequence("steps-of-a-model", (4, 5), L.TimeDistributed(keras.Sequential([keras.Input((5,)), L.Dense(4, activation="relu", name="a"), L.Dense(3, name="b")], name="m")))


def network(build):
    networks[build.__name__.replace("_", "-")] = build


@network
def states():
    x = keras.Input((6, 3))
    y, h, c = L.LSTM(4, return_sequences=True, return_state=True, name="encoder")(x)
    z = L.LSTM(4, name="decoder")(y, initial_state=[h, c])
    return keras.Model(x, L.Dense(2, name="out")(z))


def attended(name, layer, masked=False, query_only=False, **call):
    def build():
        ids = keras.Input((6,), dtype="int32", name="x")
        x = L.Embedding(9, 8, mask_zero=masked, name="embed")(ids)
        y = layer(x, x, **call)
        y, *_ = y if isinstance(y, (list, tuple)) else [y]
        x = L.Add(name="sum")([x, L.Dense(8, name="after")(y)])
        return keras.Model(ids, L.Dense(2, name="out")(L.Flatten()(x)))

    networks[name] = build


attended("heads", L.MultiHeadAttention(2, 3, name="mha"))
attended("heads-causal", L.MultiHeadAttention(2, 3, value_dim=5, output_shape=7, use_bias=False, name="mha"), use_causal_mask=True)
attended("heads-masked", L.MultiHeadAttention(3, 4, dropout=0.1, name="mha"), masked=True, use_causal_mask=True)
attended("heads-gated", L.MultiHeadAttention(2, 3, use_gate=True, sliding_window=2, name="mha"), masked=True)
attended("heads-scores", L.MultiHeadAttention(2, 3, name="mha"), return_attention_scores=True)
attended("grouped-heads", L.GroupQueryAttention(3, 4, 2, name="gqa"), use_causal_mask=True)


@network
def luong():
    a, b = keras.Input((5, 4)), keras.Input((6, 4))
    q, v = L.Dense(3, name="q")(a), L.Dense(3, name="v")(b)
    x = L.Attention(use_scale=True)([q, v], use_causal_mask=True)
    y = L.AdditiveAttention()([q, v])
    z = L.Attention(score_mode="concat")([q, v])
    return keras.Model([a, b], L.Dense(2, name="out")(L.Flatten()(L.Concatenate()([x, y, z]))))


@network
def merges():
    a, b = keras.Input((4, 3), name="a"), keras.Input((4, 3), name="b")
    p, q = L.Dense(5, name="p")(a), L.Dense(5, name="q")(b)
    s = L.Subtract()([p, q])
    m = L.Multiply()([p, q])
    n = L.Average()([L.Maximum()([p, q]), L.Minimum()([s, m]), p])
    c = L.Concatenate(axis=1)([n, s])
    d = L.Dot(axes=2)([c, m])
    e = L.Dot(axes=(1, 2), normalize=True)([p, L.Permute((2, 1))(q)])
    return keras.Model([a, b], [L.Dense(2, name="out")(L.Flatten()(d)), L.Dense(1, name="other")(e)])


@network
def nested_twice():
    inside = keras.Input((4,), name="i")
    h = L.Dense(5, activation="relu", name="h")(inside)
    inner = keras.Model(inside, [h, L.Dense(3, name="g")(h)], name="inner")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    (p, q), (r, s) = inner(a), inner(b)
    x = L.Concatenate()([L.Add()([p, r]), L.Subtract()([q, s])])
    return keras.Model({"a": a, "b": b}, L.Dense(2, name="out")(x))


@network
def channels_first():
    x = keras.Input((3, 6, 6))
    y = L.ZeroPadding2D(1, data_format="channels_first")(x)
    y = L.Flatten(data_format="channels_first")(y)
    return keras.Model(x, L.Dense(2, name="out")(L.Dense(5, name="before")(y)))


@network
def einsum_dense():
    x = keras.Input((4, 3))
    y = L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", activation="relu", name="before")(x)
    return keras.Model(x, L.Dense(2, name="out")(L.GlobalAveragePooling1D()(y)))


@network
def adapted():
    x = keras.Input((4, 3))
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(0).standard_normal((9, 4, 3)) * 3 + 1)
    return keras.Model(x, L.Dense(2, name="out")(L.Flatten()(L.Dense(4, name="before", activation="relu")(layer(x)))))


@network
def mixed():
    policy = keras.DTypePolicy("mixed_float16")
    x = keras.Input((4,))
    y = L.Dense(5, activation="relu", name="before", dtype=policy)(x)
    return keras.Model(x, L.Dense(2, name="out", dtype="float32")(y))


@network
def operations():
    x = keras.Input((6, 4))
    h = L.Dense(5, name="before")(x)
    functions = [ops.log(ops.square(h) + 0.1), ops.sin(h), ops.cos(h), ops.erf(h), ops.rsqrt(ops.square(h) + 1.0), ops.reciprocal(ops.exp(h)),
                 ops.relu6(h), ops.silu(h), ops.softplus(h), ops.softsign(h), ops.log_sigmoid(h), ops.gelu(h), ops.gelu(h, approximate=False),
                 ops.elu(h, alpha=0.5), ops.leaky_relu(h, negative_slope=0.3), ops.power(ops.sigmoid(h), 1.5)]
    y = L.Dense(6, name="inner")(L.Add()(functions))
    y = y / (1.0 + ops.sqrt(ops.sum(ops.square(y), axis=-1, keepdims=True)))
    y = y * ops.softmax(L.Dense(1, name="scores")(y), axis=1)
    y = y + ops.log_softmax(y, axis=-1)
    parts = [ops.mean(y, axis=1), ops.max(y, axis=1), ops.amin(y, axis=1), y[:, 0], y[:, -1], y[:, 1:4, 2], y[:, ::2, 1]]
    return keras.Model(x, L.Dense(2, name="out")(L.Concatenate()(parts)))


@network
def sliced_images():
    x = keras.Input((6, 5, 3))
    h = L.Conv2D(4, 3, padding="same", name="before")(x)
    y = ops.relu(h[:, 1:, :-1]) + h[:, :-1, 1:]
    y = L.Conv2D(3, 2, name="after")(y)
    return keras.Model(x, L.Dense(2, name="out")(ops.mean(y, axis=[1, 2])))


@network
def frozen():
    x = keras.Input((6, 4))
    inner = keras.Sequential([keras.Input((6, 4)), L.Dense(5, name="a"), L.BatchNormalization()], name="inner")
    inner.trainable = False
    y = L.Rescaling([1.0, 2.0, 3.0, 4.0, 5.0], offset=0.5)(inner(x))
    y = L.Dense(5, name="before", trainable=False)(L.Dense(5, name="after", activation="relu")(y))
    return keras.Model(x, L.Dense(2, name="out")(L.Flatten()(y)))


def inputs_of(model):
    random = np.random.default_rng(0)
    return [
        random.integers(0, 5, (3,) + tuple(x.shape[1:])).astype("int32") if x.dtype == "int32" else random.standard_normal((3,) + tuple(x.shape[1:])).astype("float32")
        for x in model.inputs
    ]


def outputs_of(model):
    y = model(inputs_of(model))
    return [np.asarray(each, "float32") for each in (y if isinstance(y, (list, tuple)) else [y])]


def trained_alike(model):
    """Weights as after some training: no zeros, no ones."""
    random = np.random.default_rng(3)
    for variable in model.weights:
        if variable.name in ("count", "mean", "variance") or variable.dtype != "float32":
            continue
        value = np.array(variable)
        scale = 0.3 if value.ndim < 2 else 0.5 / np.sqrt(max(value.shape[-2], 1))
        drawn = scale * random.standard_normal(value.shape)
        variable.assign(0.5 + np.abs(drawn) if "variance" in variable.name else value + drawn)


if sys.argv[1] == "make":
    for name, build in networks.items():
        model = build()
        trained_alike(model)
        model.save(f"{name}.keras")
        x = {f"x{i}": each for i, each in enumerate(inputs_of(model))}
        y = {f"y{i}": each for i, each in enumerate(outputs_of(model))}
        trained = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        np.savez(f"{name}.npz", trained=np.float32(trained), **x, **y)
    print(json.dumps(list(networks)))
else:
    result = []
    for name in json.loads(sys.argv[2]):
        try:
            old, new = keras.models.load_model(f"{name}.keras"), keras.models.load_model(f"grown-{name}.keras")
            pairs = zip(outputs_of(old), outputs_of(new))
            result.append(max(float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()) for a, b in pairs))
        except Exception as error:
            result.append(str(error)[-600:])
    print(json.dumps(result))
