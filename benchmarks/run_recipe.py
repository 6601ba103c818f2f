"""Train a recipe of chapter14/recipes.py or a variant, and print one JSON line per seed.

    python benchmarks/run_recipe.py --recipe fast --seeds 1 2 3 4 5 > chapter14/results/fast.jsonl

``validation`` and ``test`` are accuracies after the last epoch. ``seconds`` count from ``compile``
to the end of ``fit``, each seed in a process of its own.

The state of each run is saved in models/ after each epoch. Start a stopped run again, and it goes
on after its last finished epoch. Delete the file there to train that seed from scratch.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from epoch_time import machine

from chapter14.mnist import load_mnist
from chapter14.notebook import quiet_import
from chapter14.recipes import AFFINE, RECIPES, train

MODELS_FOLDER = Path(__file__).parents[1] / "models"
WEIGHTS = ["kernel", "recurrent_kernel", "bias", "dense_kernel", "dense_bias"]
# Each leaves a part of one of the ladder's recipes out, to see what that part is worth.
VARIANTS = {
    "tanh-schedule": replace(
        RECIPES["book-3"], learning_rate=0.003, warmup=0.2, steps_per_execution=61
    ),
    "tanh-fast": replace(
        RECIPES["fast"],
        activation="tanh",
        recurrent_initializer="orthogonal",
        global_clipnorm=None,
    ),
    "record-unaugmented": replace(RECIPES["record"], augment=None),
    "record-affine": replace(RECIPES["record"], augment=AFFINE),
}
# Short, to time the recipe of 100 epochs: a start, and a slope per epoch.
TIMED = {f"record-{epochs}": replace(RECIPES["record"], epochs=epochs) for epochs in (3, 10)}


def run(name: str, seed: int, weights_file: Path | None = None) -> dict:
    """Train one seed of a recipe and return its result; save its weights if there is a file."""
    with quiet_import():
        import keras
        import tensorflow as tf

    def report(epoch, logs):
        progress = f"epoch {epoch + 1} of {recipe.epochs}, loss {logs['loss']:.4f}"
        print(f"{name}, seed {seed}: {progress}", file=sys.stderr, flush=True)

    def accuracy(X, y):
        return round(float(np.mean(np.argmax(model(X), axis=1) == y)), 4)

    recipe = (RECIPES | VARIANTS | TIMED)[name]
    here = machine()
    MODELS_FOLDER.mkdir(exist_ok=True)
    (X_train, y_train), validation_set, test_set = load_mnist()
    model, seconds = train(
        recipe,
        X_train,
        y_train,
        seed=seed,
        checkpoint=MODELS_FOLDER / f"{name}-{seed}.npz",
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=report)],
    )
    if weights_file:
        np.savez(weights_file, **dict(zip(WEIGHTS, model.get_weights(), strict=True)))
    return {
        "recipe": name,
        "seed": seed,
        "epochs": recipe.epochs,
        "seconds": round(seconds, 2),
        "validation": accuracy(*validation_set),
        "test": accuracy(*test_set),
        "machine": f"{here['cpu']}, {here['cores']} cores",
        "versions": f"TensorFlow {tf.__version__}, Keras {keras.__version__}, "
        f"NumPy {np.__version__}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=RECIPES | VARIANTS | TIMED, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--weights", type=Path, help="save the first seed's weights here (.npz)")
    arguments = parser.parse_args()
    weights_file = arguments.weights
    for seed in arguments.seeds:
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
            result = process.submit(run, arguments.recipe, seed, weights_file).result()
        print(json.dumps(result), flush=True)
        weights_file = None


if __name__ == "__main__":
    main()
