"""A timeline as SVG by hand, as PNG by matplotlib, and advice for chains of different makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared_core.drill import Scenario, Timeline, Trouble, drill
from shared_core.drill import shapes as shapes_room
from shared_core.drill.advice import advise
from shared_core.drill.cast import Cast
from shared_core.drill.shapes import Box, Label, Picture
from shared_core.drill.timeline import _joined, _step
from shared_core.errors import ConfigurationError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy

OPENAI, MINI, CLAUDE = "openai/gpt-4.1", "openai/gpt-4.1-mini", "anthropic/claude-sonnet-4-5"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    """All that a panel can show: waits, answers, breaks, probes, cooldowns, hedges, calls side by side."""
    scenarios = [
        "healthy",
        Scenario("A <b> & c", 'a provider\'s words, "quoted" & <marked>', [Trouble("stall@2")], calls=2),
        Scenario(
            "pairs", "", [Trouble("overloaded", until=9), Trouble("500", since=900)], calls=6, together=2, pause=12
        ),
        Scenario("hedged", "", [Trouble("slow@8")], calls=1),
    ]
    return drill([OPENAI, CLAUDE], scenarios, policy=FailoverPolicy(hedge_after=2.0, mid_stream="restart")).timeline()


def test_svg_is_well_formed_and_escaped(timeline: Timeline, tmp_path: Path, parsed: Any) -> None:
    """Whatever a name holds; the file is what a notebook shows."""
    path = tmp_path / "drill.svg"
    timeline.save(path)
    assert path.read_text(encoding="utf-8") == timeline.svg() == timeline._repr_svg_()
    root = parsed(timeline.svg())
    labels = [node.text for node in root.iter(SVG + "text")]
    assert "a-<b>-&-c" in labels
    assert any(label and label.startswith('a provider\'s words, "quoted" & <marked>: your users') for label in labels)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter(SVG + "rect"):
        assert 0 <= float(box.attrib.get("x", 0)) <= width
        assert float(box.attrib.get("x", 0)) + float(box.attrib["width"]) <= width + 3
        assert float(box.attrib.get("y", 0)) + float(box.attrib["height"]) <= height


def test_one_scenario_has_the_width_for_itself(timeline: Timeline) -> None:
    """Several lie side by side."""
    alone = replace(timeline, results=timeline.results[:1]).picture()
    assert alone.width < timeline.picture().width
    assert alone.height < timeline.picture().height


def test_png_is_the_same_picture(timeline: Timeline, tmp_path: Path) -> None:
    """Twice as dense, without a word of its maker."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "drill.PNG"
    timeline.save(path)
    data = path.read_bytes()
    picture = timeline.picture()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20]) == pytest.approx(picture.width * 2, abs=1)
    assert int.from_bytes(data[20:24]) == pytest.approx(picture.height * 2, abs=1)
    assert b"matplotlib" not in data.lower()


def test_a_picture_that_cannot_be_written_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A format that is none, a PNG without matplotlib, a folder that is not there."""
    picture = Picture(10, 10, (Box(1, 1, 2, 2, "#000000"), Label(1, 9, "$x$", "#000000")))
    with pytest.raises(ConfigurationError, match=r"ends in \.svg or \.png"):
        picture.save(tmp_path / "drill.jpg")
    monkeypatch.setattr(shapes_room, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"the extra `notebooks` brings it\); an \.svg needs nothing"):
        picture.save(tmp_path / "drill.png")
    with pytest.raises(FileNotFoundError):
        picture.save(tmp_path / "nowhere" / "drill.svg")


@pytest.mark.parametrize(
    ("span", "step"), [(1, 0.5), (12, 1), (12.5, 2), (31, 5), (90, 10), (3000, 300), (7200, 600), (86_400, 10_000)]
)
def test_ticks_are_round_and_few(span: float, step: float) -> None:
    """At most twelve."""
    assert _step(span) == step


def test_cooldowns_that_overlap_are_one_bar(timeline: Timeline) -> None:
    """As far as the longest goes."""
    one = replace(timeline.results[2].cooldowns[0], began=0.0, seconds=10.0)
    others = [replace(one, began=4.0, seconds=2.0), replace(one, began=8.0, seconds=5.0), replace(one, began=20.0)]
    assert _joined([*others, one]) == [(0.0, 13.0), (20.0, 30.0)]


# Advice


def told(cast: Cast) -> str:
    return " ".join(advise(cast, ()))


def test_advice_on_the_chain_names_what_it_lacks() -> None:
    """A single target, one provider alone, one provider twice in front, one key."""
    assert told(Cast.of(OPENAI)).startswith(
        "The chain is a single target: whatever takes openai/gpt-4.1 [default] down"
    )
    assert told(Cast.of([OPENAI, MINI])).startswith("All targets are openai's")
    assert told(Cast.of([OPENAI, MINI, CLAUDE])).startswith("The first two models are both openai's")
    keys = {"openai": {"a": "key-a", "b": "key-b"}, "anthropic": {"a": "key-c", "b": "key-d"}}
    manager = FailoverManager(fallbacks=[OPENAI, CLAUDE, "ollama/llama3.2"], profiles=keys)
    assert told(Cast.of(manager)) == ""  # a local model needs no key
    assert "one key for openai, anthropic and gemini:" in told(Cast.of([OPENAI, CLAUDE, "gemini/gemini-2.5-pro"]))


def test_advice_on_silence_tells_a_share_from_a_timer() -> None:
    """What a deadline cuts short is not remembered, and with a shorter timer it is: the rehearsal shows both."""
    hasty = drill([OPENAI, CLAUDE], ["stalled"], policy=FailoverPolicy(deadline=18.0))
    (advice,) = [text for text in hasty.advice if "deadline" in text]
    assert advice.startswith(
        "Each of 2 targets gets its share of deadline=18, less than a third of first_token_timeout=30."
    )
    assert advice.endswith(
        "users waited 9.0 s longer (stalled), again and again. Set first_token_timeout to 9 or less."
    )
    assert hasty["stalled"].verdict == "your users waited 9.0 s longer each time"
    sound = drill([OPENAI, CLAUDE], ["stalled"], policy=FailoverPolicy(deadline=18.0, first_token_timeout=6.0))
    assert sound["stalled"].verdict == "your users waited 6.0 s longer in 2 of 6 calls"
    assert not [text for text in sound.advice if "silent" in text]


def test_advice_knows_models_that_think_in_silence() -> None:
    """Their timer is another one; a chain that waits for nobody gets no such advice."""
    thinker = drill(["openai/o3", CLAUDE], ["stalled"])
    assert "silent_first_token_timeout=120 seconds" in " ".join(thinker.advice)
    alone = drill(OPENAI, ["slow"], policy=FailoverPolicy(deadline=30.0))
    assert not [text for text in alone.advice if "slow" in text]


def test_advice_on_windows_needs_an_input_that_nobody_took() -> None:
    """A chain whose next model has a smaller window ends in an error; with a larger one it does not."""
    small = drill([CLAUDE, "openai/gpt-4o"], ["context-exceeded"])
    assert small["context-exceeded"].calls[0].kind == "context_exceeded"
    assert f"An input that is too long for {CLAUDE} ends in an error" in " ".join(small.advice)
    large = drill([CLAUDE, OPENAI], ["context-exceeded"])
    assert large["context-exceeded"].answered
    assert "too long" not in " ".join(large.advice)
