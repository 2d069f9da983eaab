"""The starter's views, pooling and whitening, against what they stand for."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clip_ranker.importing import starter, views


class Places(nn.Module):
    """Takes the picture itself as features."""

    def extract_features(self, view: Tensor) -> Tensor:
        return view


def some_vectors(pictures: int, dim: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(0.2, 1, (pictures, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("groups", "strength"), [(4, 1), (4, 10), (40, 10)])
def test_whitening_is_the_inverse_root_of_the_shrunk_covariance_within_groups(
    groups: int, strength: float
) -> None:
    dim = 32
    vectors = some_vectors(groups * 5, dim).reshape(groups, 5, dim)
    covariance = np.mean([np.cov(group.T.astype(np.float64), bias=True) for group in vectors], 0)
    t = strength * np.trace(covariance) / dim
    eigenvalues, directions = np.linalg.eigh(covariance + t * np.eye(dim))
    wanted = directions / np.sqrt(eigenvalues / t) @ directions.T
    found = starter.fitted(vectors, strength)
    assert np.allclose(np.eye(dim) - found.basis @ found.basis.T, wanted, atol=1e-5)
    assert np.allclose(found.mean, vectors.mean(axis=(0, 1)), atol=1e-6)


def test_how_pictures_of_one_thing_differ_is_shrunk_and_how_things_differ_is_not() -> None:
    things, light = some_vectors(20, 16)[:, None], some_vectors(6, 16)[None, :, :1]
    things[..., 0] = 0
    vectors = np.repeat(things, 6, axis=1)
    vectors[..., :1] += light
    found = starter.fitted(vectors, 1)
    kept = np.eye(16) - found.basis @ found.basis.T
    assert kept[0, 0] < 0.3
    assert np.allclose(kept[1:, 1:], np.eye(15), atol=1e-4)


def test_a_view_is_the_middle_of_the_picture() -> None:
    picture = torch.zeros((1, 3, starter.SIDE_PX, starter.SIDE_PX))
    picture[..., 60:260, 60:260] = 1
    size = starter.VIEW_PX, starter.VIEW_PX
    seen = [views.cut(picture, part, size) for part in (*views.PARTS, 0.5)]
    assert {one.shape[-2:] for one in seen} == {size}
    means = [float(one.mean()) for one in seen]
    assert means == pytest.approx([(200 / 320) ** 2, (200 / 280) ** 2, 1, 1], abs=0.01)


def test_pooling_lies_between_mean_and_maximum() -> None:
    places = torch.rand((2, 5, 7, 7))
    mean, strong = (starter.Starter(Places(), None, power=power).unit(places) for power in (1, 200))
    for vectors, pooled in ((mean, places.mean((2, 3))), (strong, places.amax((2, 3)))):
        assert torch.allclose(vectors, nn.functional.normalize(pooled, dim=-1), atol=0.02)


def test_another_file_than_the_one_that_was_judged_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starter, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the file that belongs here"):
        starter.shipped()
