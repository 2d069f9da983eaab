"""The starter's views, pooling and whitening, against what they stand for."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clip_ranker.importing import starter


class Places(nn.Module):
    """Takes the picture itself as features."""

    def extract_features(self, view: Tensor) -> Tensor:
        return view


def some_vectors(pictures: int, dim: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(0.2, 1, (pictures, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("pictures", "strength"), [(20, 1), (20, 10), (80, 10)])
def test_whitening_is_the_inverse_root_of_the_shrunk_covariance(
    pictures: int, strength: float
) -> None:
    vectors, dim = some_vectors(pictures, 32), 32
    covariance = np.cov(vectors.T.astype(np.float64), bias=True)
    t = strength * np.trace(covariance) / dim
    eigenvalues, directions = np.linalg.eigh(covariance + t * np.eye(dim))
    wanted = directions / np.sqrt(eigenvalues / t) @ directions.T
    found = starter.fitted(vectors, strength)
    assert np.allclose(np.eye(dim) - found.basis @ found.basis.T, wanted, atol=1e-5)
    assert np.allclose(found.mean, vectors.mean(axis=0), atol=1e-6)


def test_what_all_pictures_share_is_shrunk() -> None:
    vectors = some_vectors(50, 16)
    shared = vectors[:, :1] * np.ones(16, np.float32) + 0.1 * vectors
    found = starter.fitted(shared, 1)
    along, across = np.ones(16) / 4, np.array([1, -1] + [0] * 14) / 2**0.5
    length = [np.linalg.norm(x - found.basis @ (found.basis.T @ x)) for x in (along, across)]
    assert length[0] < 0.3 * length[1]


def test_a_view_is_the_middle_of_the_picture() -> None:
    picture = torch.zeros((1, 3, starter.SIDE_PX, starter.SIDE_PX))
    picture[..., 60:260, 60:260] = 1
    tower = starter.Starter(Places(), None)
    assert [tower.view(picture, part).shape[-1] for part in starter.PARTS] == [starter.VIEW_PX] * 3
    means = [float(tower.view(picture, part).mean()) for part in (*starter.PARTS, 0.5)]
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
