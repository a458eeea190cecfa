"""Some of the experiment's trainings in Keras, as its example trains them, one after the other.

Parameters: folder of the images, train size, test size, epochs, threads, networks (teacher,wider,…). The
environment's XLA=0 turns off that TensorFlow compiles each step.
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

folder = sys.argv[1]
train_size, test_size, epochs, threads = map(int, sys.argv[2:6])
networks = sys.argv[6].split(",")
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(1 if threads == 1 else 2)
keras.utils.set_random_seed(0)


def load(part, count):
    def read(name):
        return np.fromfile(os.path.join(folder, f"{part}.{name}"), dtype=np.uint8)

    images = read("images").reshape(-1, 28, 28, 1)[:count]
    return images.astype("float32") / 255, read("labels")[:count].astype("int64")


def network(kind):
    layers = keras.layers
    conv1, fc1 = (128, 128) if kind == "wider" else (64, 64)
    deeper = kind == "deeper"
    return keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(conv1, 3, padding="same"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same"),
            *([layers.Conv2D(64, 3, padding="same")] if deeper else []),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(fc1, activation="relu"),
            *([layers.Dense(fc1, activation="relu")] if deeper else []),
            layers.Dense(10, activation="softmax"),
        ]
    )


train = load("train", train_size)
test = load("test", test_size)
for kind in networks:
    model = network(kind)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.001, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile="auto" if os.environ.get("XLA") != "0" else False,
    )
    model.fit(*train, batch_size=32, epochs=epochs, validation_data=test, verbose=0)
