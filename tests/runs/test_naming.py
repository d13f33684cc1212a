"""What a run is called that nobody gave a name."""

import pytest

from credo.runs.naming import name

CHOSEN = {"data": "diabetes", "model": "regression", "inference": "nuts"}


@pytest.mark.parametrize(
    ("data", "model", "choices", "called"),
    [
        ({}, {"family": "gaussian"}, {}, "diabetes regression nuts"),
        ({}, {"family": "student_t"}, {}, "diabetes student_t nuts"),
        ({"path": "a/b/wards.csv", "target": "y"}, {"family": "gaussian"}, {"data": "csv"}, "wards y regression nuts"),
        ({"path": "wards.csv"}, {"formula": "cost ~ age"}, {"data": "csv"}, "wards cost regression nuts"),
        ({"path": "wards.csv", "target": ["y", "z"]}, {}, {"data": "csv", "model": "mdn"}, "wards mdn nuts"),
        ({}, {"function": "mine:two_levels"}, {"model": "program"}, "diabetes two_levels nuts"),
        ({}, {"function": "own.decay:model"}, {"model": "program"}, "diabetes decay nuts"),
        ({"path": None}, {}, {}, "diabetes regression nuts"),
    ],
)
def test_it_tells_file_target_family_and_function(data, model, choices, called):
    assert name({"data": data, "model": model}, CHOSEN | choices) == called
