"""MNIST is the original, split as in the book; the book's curve and our results are whole."""

import hashlib
import json

import numpy as np
import pytest

from chapter14 import mnist
from chapter14.mnist import load_book_curve, load_mnist, load_results


@pytest.fixture(scope="module")
def splits():
    return load_mnist()


@pytest.fixture(scope="module")
def original():
    with np.load(mnist.MNIST_FILE, allow_pickle=False) as arrays:
        return dict(arrays)


def test_sizes_shapes_dtypes_and_ranges(splits):
    for (X, y), size in zip(splits, (55_000, 5_000, 10_000), strict=True):
        assert X.shape == (size, 28, 28)
        assert X.dtype == np.float32
        assert (X.min(), X.max()) == (0, 1)
        assert y.shape == (size,)
        assert y.dtype == np.int32
        assert set(y) == set(range(10))


def test_the_first_5000_training_images_are_the_validation_set(splits, original):
    (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = splits
    assert np.array_equal(np.rint(X_valid * 255), original["x_train"][:5_000])
    assert np.array_equal(np.rint(X_train * 255), original["x_train"][5_000:])
    assert np.array_equal(np.rint(X_test * 255), original["x_test"])
    assert np.array_equal(np.concatenate([y_valid, y_train]), original["y_train"])
    assert np.array_equal(y_test, original["y_test"])


def test_gray_levels_are_divided_by_255(splits):
    grays = np.unique(splits[2][0][:200])
    assert np.allclose(grays, np.rint(grays * 255) / 255, rtol=1e-6)


def test_the_license_notice_names_the_file(splits):
    digest = hashlib.sha256(mnist.MNIST_FILE.read_bytes()).hexdigest()
    notice = mnist.MNIST_FILE.with_suffix(".md").read_text(encoding="utf-8")
    assert digest in notice
    assert "Attribution-Share Alike 3.0" in notice


def test_a_missing_file_is_named_with_the_cure(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz.*Reinstall chapter14"):
        load_mnist(tmp_path / "nowhere.npz")


@pytest.mark.parametrize(
    "damage", [lambda content: b"<html>proxy login</html>", lambda content: content[:-1] + b"!"]
)
def test_a_damaged_file_is_found_before_it_is_used(tmp_path, damage):
    path = tmp_path / "mnist.npz"
    path.write_bytes(damage(mnist.MNIST_FILE.read_bytes()))
    with pytest.raises(ValueError, match=r"damaged: .*mnist\.npz.*Reinstall"):
        load_mnist(path)


def test_another_copy_of_the_file_is_read(tmp_path, splits):
    path = tmp_path / "copy.npz"
    path.write_bytes(mnist.MNIST_FILE.read_bytes())
    assert np.array_equal(load_mnist(path)[1][1], splits[1][1])


def test_the_book_curve_has_the_published_numbers():
    curve = load_book_curve()
    assert curve["epoch"].tolist() == list(range(100))
    assert curve["epoch"].dtype.kind == "i"
    accuracy = curve["test_accuracy"]
    assert (accuracy.max(), accuracy.argmax()) == (0.9831, 53)
    assert accuracy[[0, 9, 29, 99]].tolist() == [0.9288, 0.9726, 0.9792, 0.9744]
    assert accuracy[-10:].mean() == pytest.approx(0.9777, abs=5e-5)
    assert curve["last_batch_accuracy"].shape == (100,)
    assert curve["last_batch_accuracy"][0] == 0.9533


def test_results_come_as_columns_of_their_own_types(tmp_path, monkeypatch):
    runs = [
        {"recipe": "99", "seed": 1, "test": 0.5, "options_gone": []},
        {"recipe": "99", "seed": 2, "test": 1, "options_gone": ["momentum", "mlr"]},
        {"recipe": "99", "seed": 3, "test": 0.25, "options_gone": ["momentum"]},
    ]
    (tmp_path / "fast.jsonl").write_text("\n".join(map(json.dumps, runs)), encoding="utf-8")
    monkeypatch.setattr(mnist, "RESULTS_FOLDER", tmp_path)
    columns = load_results("fast")
    assert list(columns) == ["recipe", "seed", "test", "options_gone"]
    assert columns["recipe"].tolist() == ["99"] * 3
    assert columns["seed"].dtype.kind == "i"
    assert columns["test"].tolist() == [0.5, 1.0, 0.25]
    assert columns["options_gone"].tolist() == [[], ["momentum", "mlr"], ["momentum"]]


def test_a_name_without_results_lists_those_there_are():
    with pytest.raises(FileNotFoundError, match=r"'fastest'; there are .*fast.*record"):
        load_results("fastest")
