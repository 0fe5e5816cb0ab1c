"""The policy where nothing is set, and what of a policy is built only when something is."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from shared_core.manager import FailoverManager
from shared_core.policy import DEFAULT_POLICY, FailoverPolicy, RetryConfig, _Settings

ROOT = Path(__file__).parent.parent.parent


def run(program: str) -> str:
    """What a program says that runs in an interpreter of its own, where no policy was made yet."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def test_it_is_what_validation_makes() -> None:
    """The same values of the same types, none of them set."""
    made = FailoverPolicy()
    assert made == DEFAULT_POLICY
    assert DEFAULT_POLICY.model_fields_set == made.model_fields_set == set()
    assert DEFAULT_POLICY.model_dump() == made.model_dump()
    for name in FailoverPolicy.model_fields:
        assert type(getattr(DEFAULT_POLICY, name)) is type(getattr(made, name)), name
    assert DEFAULT_POLICY.retry == RetryConfig()


def test_it_would_pass_validation() -> None:
    """Every default is one that could have been given."""
    given = {name: getattr(DEFAULT_POLICY, name) for name in FailoverPolicy.model_fields}
    assert FailoverPolicy(**given) == DEFAULT_POLICY


def test_it_is_as_good_as_any_other() -> None:
    """It is changed on copies, pickled, and a manager's that has none of its own."""
    assert DEFAULT_POLICY.replace(deadline=30) == FailoverPolicy(deadline=30)
    assert pickle.loads(pickle.dumps(DEFAULT_POLICY)) == FailoverPolicy()  # noqa: S301  # it is our own
    with FailoverManager() as manager:
        assert manager.policy is DEFAULT_POLICY


@pytest.mark.parametrize("asked", ["str(inspect.signature(FailoverPolicy))", "str(FailoverPolicy.model_json_schema())"])
def test_who_asks_before_the_first_policy_is_made(asked: str) -> None:
    """Editors and notebooks show the settings; a schema has them."""
    told = run(f"import inspect; from shared_core import FailoverPolicy; print({asked})")
    assert "transient_backoffs" in told
    assert "mid_stream" in told


def test_settings_show_what_they_take() -> None:
    """Each class its own, whether or not there was an object of it; an object is as it was."""

    class Mine(_Settings):
        motto: str = "on"

    assert str(inspect.signature(Mine)) == "(*, motto: str = 'on') -> None"
    assert inspect.signature(Mine) == inspect.signature(Mine)
    assert "motto" not in str(inspect.signature(RetryConfig))
    assert Mine(motto="up").motto == "up"


def test_a_wrong_setting_of_the_first_policy() -> None:
    """It is refused as any other, with the place of the mistake."""
    program = """
        from pydantic import ValidationError
        from shared_core import FailoverPolicy
        try:
            FailoverPolicy(retry={"jitter": 2}, patience=-1)
        except ValidationError as error:
            print([(problem["loc"], problem["type"]) for problem in error.errors()])
    """
    assert run(program) == "[(('retry', 'jitter'), 'less_than_equal'), (('patience',), 'greater_than_equal')]"


def test_threads_that_make_the_first_ones_together() -> None:
    """Each gets its own, validated."""
    program = """
        import threading
        from shared_core import FailoverPolicy
        begin, found = threading.Barrier(8), []
        def make(number):
            begin.wait()
            found.append(FailoverPolicy(deadline=str(number), retry={"attempts": number}))
        making = [threading.Thread(target=make, args=(number,)) for number in range(1, 9)]
        [each.start() for each in making]
        [each.join() for each in making]
        print(sorted((policy.deadline, policy.retry.attempts) for policy in found))
    """
    assert run(program) == str([(float(number), number) for number in range(1, 9)])


def test_a_policy_of_the_users_own() -> None:
    """A subclass is checked by its own settings, and shows them."""
    program = """
        import inspect
        from shared_core import FailoverPolicy
        class Mine(FailoverPolicy):
            motto: str = "on"
        print("motto" in str(inspect.signature(Mine)), Mine(motto="up").motto, Mine(deadline="3").deadline)
    """
    assert run(program) == "True up 3.0"
