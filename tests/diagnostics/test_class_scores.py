"""The scores of classes are scikit-learn's; the expected calibration error is one by hand."""

import numpy as np
import pytest
import xarray as xr
from sklearn import metrics

from credo.diagnostics.class_scores import class_scores, expected_calibration_error, reliability
from credo.diagnostics.reliability import Reliability
from credo.diagnostics.scores import scores
from credo.diagnostics.summary import summarise
from credo.inference.result import Result
from diagnostics.conftest import good_classifier


def rows(levels: int, count: int = 200) -> xr.Dataset:
    random = np.random.default_rng(levels)
    p = random.dirichlet(np.ones(levels), count)
    y = random.integers(levels, size=count)
    nll = -np.log(p[np.arange(count), y])
    return xr.Dataset({"y": ("row", y), "probability": (("row", "class"), p), "nll": ("row", nll)})


@pytest.mark.parametrize("levels", [2, 4])
def test_scores_are_those_of_scikit_learn(levels: int) -> None:
    data = rows(levels)
    y, p, found = data["y"].to_numpy(), data["probability"].to_numpy(), class_scores(data)
    assert found["cross_entropy_test"] == found["nll_test"] == pytest.approx(metrics.log_loss(y, p))
    assert found["cross_entropy_bits_test"] == pytest.approx(metrics.log_loss(y, p) / np.log(2))
    assert found["accuracy_test"] == pytest.approx(metrics.accuracy_score(y, p.argmax(1)))
    assert found["brier_test"] == pytest.approx(metrics.brier_score_loss(y, p if levels > 2 else p[:, 1]))
    if levels == 2:
        assert found["auc_test"] == pytest.approx(metrics.roc_auc_score(y, p[:, 1]))
    else:
        assert "auc_test" not in found


def test_one_class_alone_has_no_auc() -> None:
    data = rows(2)
    assert "auc_test" not in class_scores(data.assign(y=("row", np.zeros(200, int))))


def test_the_calibration_error_by_hand() -> None:
    """Confidences of 0.9 and 0.6, of which a half and all are right: (2 * 0.4 + 1 * 0.4) / 3."""
    p = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    assert expected_calibration_error(p, np.array([0, 0, 0])) == pytest.approx((2 * 0.4 + 1 * 0.4) / 3)
    counts, confidence, right = reliability(p, np.array([0, 0, 0]))
    assert (counts.tolist(), right.tolist()) == ([1, 2], [1.0, 0.5])
    assert np.allclose(confidence, [0.6, 0.9])


def test_a_certain_class_is_in_the_last_bin() -> None:
    counts, confidence, _ = reliability(np.array([[1.0, 0.0], [1 - 1e-9, 1e-9]]), np.array([0, 1]))
    assert (counts.tolist(), confidence.tolist()) == ([2], [pytest.approx(1.0)])


def judged(result: Result, threshold: float = 0.02) -> tuple[str, str]:
    answer = Reliability(threshold)(result, summarise(result))
    assert answer is not None
    return answer.status, answer.advice


def test_right_probabilities_are_reliable() -> None:
    """Three standard errors are exceeded in 0.3 % of runs; and the threshold is beyond that. Seeds 0 to 19."""
    for seed in range(20):
        result = good_classifier(seed)
        assert judged(result)[0] == "passed"
    assert set(scores(result)) >= {"accuracy_test", "ece_test", "nll_test"}


@pytest.mark.parametrize(("power", "words"), [(4.0, "They are too sure: train"), (0.25, "They are not sure enough:")])
def test_sharper_or_flatter_probabilities_are_not_reliable(power: float, words: str) -> None:
    status, advice = judged(good_classifier(power=power))
    assert status == "failed"
    assert words in advice


def test_training_rows_say_nothing_of_reliability() -> None:
    result = good_classifier()
    result.tree["classes"].attrs["rows"] = "train"
    assert judged(result)[0] == "not checked"
    assert scores(result) == {}


def test_a_program_is_not_told_to_train() -> None:
    result = good_classifier(power=4.0)
    result.tree["classes"].attrs["made_by"] = "program"
    status, advice = judged(result)
    assert status == "failed"
    assert "They are too sure: the classes depend on what the model leaves out." in advice
    assert "training" not in advice
