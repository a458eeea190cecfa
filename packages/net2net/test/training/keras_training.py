"""As torch_training.py, with Keras's optimizers and schedules. Weights are [out, in] in input.npz, [in, out] in Keras."""

import json
import math

import keras
import numpy as np
import tensorflow as tf

EPOCHS, BATCHES = 4, 5
STEPS = EPOCHS * BATCHES

optimizers = keras.optimizers
schedules = optimizers.schedules

OPTIMIZERS = {
    "sgd": lambda lr, **more: optimizers.SGD(lr, **more),
    "momentum": lambda lr, **more: optimizers.SGD(lr, momentum=0.9, **more),
    "nesterov": lambda lr, **more: optimizers.SGD(lr, momentum=0.9, nesterov=True, **more),
    "adam": lambda lr, **more: optimizers.Adam(lr, epsilon=1e-9, **more),
    "adamw": lambda lr, **more: optimizers.AdamW(lr, weight_decay=0.1, epsilon=1e-9, **more),
    "lion": lambda lr, **more: optimizers.Lion(lr, weight_decay=0.1, **more),
}

SCHEDULES = {
    "constant": lambda lr: lr,
    "step": lambda lr: schedules.ExponentialDecay(lr, BATCHES, 0.5, staircase=True),
    "cosine": lambda lr: schedules.CosineDecay(lr, STEPS, alpha=0.1),
}


def train(case, arrays):
    hidden, scores = keras.layers.Dense(10, activation="tanh"), keras.layers.Dense(4)
    model = keras.Sequential([keras.Input([6]), hidden, scores])
    hidden.set_weights([arrays["hidden.weight"].T, arrays["hidden.bias"]])
    scores.set_weights([arrays["scores.weight"].T, arrays["scores.bias"]])
    more = {"global_clipnorm": case["clip"]} if "clip" in case else {}
    if "accumulate" in case:
        more["gradient_accumulation_steps"] = case["accumulate"]
    optimizer = OPTIMIZERS[case["optimizer"]](SCHEDULES[case["schedule"]](case["rate"]), **more)
    if case.get("decayOnly"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    loss_of = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=case.get("smoothing", 0.0)
    )
    xs, ys = np.split(arrays["x"], BATCHES), np.split(np.eye(4)[arrays["y"]], BATCHES)
    losses = []
    for _ in range(EPOCHS):
        for x, y in zip(xs, ys):
            with tf.GradientTape() as tape:
                loss = loss_of(y, model(x, training=True))
            losses.append(float(loss))
            weights = model.trainable_variables
            optimizer.apply(tape.gradient(loss, weights), weights)
    return {"losses": losses + [float(loss_of(ys[0], model(xs[0])))], "averaged": None}


arrays = dict(np.load("input.npz"))
print(json.dumps([train(case, arrays) for case in json.load(open("cases.json"))]))
