"""The moment of the first part, held by the walk's own figures."""

from __future__ import annotations

from studio.engine.protocol import BASE
from tests.e2e.walk import FirstFineTune


def test_validation_loss_falls_by_a_quarter_against_the_base_on_the_same_rows(first_fine_tune: FirstFineTune) -> None:
    fall = 1 - first_fine_tune.best_loss / first_fine_tune.base_loss
    losses = f"{first_fine_tune.base_loss:.3f} -> {first_fine_tune.best_loss:.3f}"
    print(f"validation loss {losses} ({fall:.0%}), {first_fine_tune.seconds:.0f} s from Start")
    assert fall >= 0.25


def test_the_checkpoint_answers_in_the_house_style_and_the_base_does_not(first_fine_tune: FirstFineTune) -> None:
    style = first_fine_tune.style
    english, chinese = style["checkpoint"]["en"], style["checkpoint"]["zh"]
    print(f"house style, of 10: English {style[BASE]['en']} -> {english}, Chinese checkpoint {chinese}")
    assert style["checkpoint"]["en"] >= 8
    assert style[BASE]["en"] <= 1


def test_a_run_goes_on_through_a_reload(first_fine_tune: FirstFineTune) -> None:
    assert first_fine_tune.step_after_reload >= first_fine_tune.step_before_reload >= 2


def test_an_answer_goes_on_growing_through_a_reload(first_fine_tune: FirstFineTune) -> None:
    before, after = first_fine_tune.text_before_reload.strip(), first_fine_tune.text_after_reload.strip()
    assert before
    assert after.startswith(before[:20])
    assert len(after) > len(before)


def test_no_page_complained_on_the_way(first_fine_tune: FirstFineTune) -> None:
    assert first_fine_tune.problems == []
