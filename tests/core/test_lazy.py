"""Names and modules that are imported when they are first asked for."""

from __future__ import annotations

import ast
import importlib
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_core.lazy import deferred

ROOT = Path(__file__).parent.parent.parent
FACES = ("langchain_failover", "llamaindex_failover")
PACKAGES = ("shared_core", "shared_core.classify", "shared_core.configuration", *FACES)

NEEDED_LATER = (
    *("shared_core.race", "shared_core.views"),
    *(f"shared_core.classify.{room}" for room in ("body", "codes", "exceptions", "judge", "sentences")),
    *("shared_core.adaptation.claude", "shared_core.providers.anthropic_content", "shared_core.configuration.file"),
    *("shared_core.providers.anthropic_models", "shared_core.telemetry.trace"),
)
"""What neither the names that everybody uses nor a manager need, and neither does a call that is answered at once."""


def told_to_checkers(package: str) -> dict[str, str]:
    """The module of each name, as type checkers read it."""
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    found = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in found for alias in node.names}


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_where_checkers_look_for_them(package: str) -> None:
    """What `__all__` offers, what checkers read and what is imported are the same names of the same modules."""
    module = importlib.import_module(package)
    told = told_to_checkers(package)
    assert sorted(told) == sorted(module.__all__)
    assert set(told) <= set(dir(module))
    for name, room in told.items():
        assert getattr(module, name) is getattr(importlib.import_module(room), name)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name(package: str) -> None:
    """It is missing in the usual way."""
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        _ = importlib.import_module(package).nonsense


def test_pickles_do_not_care() -> None:
    """What is pickled names the module that it was defined in."""
    core = importlib.import_module("shared_core")
    assert pickle.loads(pickle.dumps(core.FailoverPolicy)) is core.FailoverPolicy  # noqa: S301  # it is our own


def test_importing_a_package_imports_nothing_else() -> None:
    """Neither a framework nor an HTTP client is loaded for a program that only names us; threads may ask together."""
    program = textwrap.dedent("""
        import sys, threading
        import shared_core, langchain_failover, llamaindex_failover
        heavy = {"httpx", "aiohttp", "pydantic", "langchain_core", "llama_index"} & set(sys.modules)
        found = []
        asking = [threading.Thread(target=lambda: found.append(shared_core.FailoverManager)) for _ in range(8)]
        [each.start() for each in asking]
        [each.join() for each in asking]
        print(sorted(heavy), len(found), len(set(found)), "aiohttp" in sys.modules)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["[]", "8", "1", "False"]


def run(program: str) -> str:
    """What a program says that runs in an interpreter of its own."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def test_the_core_starts_with_what_it_needs() -> None:
    """Neither the manager's name nor a manager loads what only failures, async code or some vendors need."""
    program = f"""
        import sys
        import httpx, pydantic
        before = set(sys.modules)
        from shared_core import FailoverManager
        FailoverManager().close()
        print(sorted(set({("asyncio", "importlib.metadata", *NEEDED_LATER)!r}) & set(sys.modules) - before))
    """
    assert run(program) == "[]"


def test_a_call_that_goes_well_loads_what_it_needs() -> None:
    """One that is answered at once, in sync code, needs nobody to judge errors, to join answers or to run a loop."""
    program = f"""
        import sys
        import httpx
        from shared_core import FailoverManager, LLMRequest, Message
        told = {{"choices": [{{"message": {{"content": "Hello"}}, "finish_reason": "stop"}}]}}
        client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=told)))
        with FailoverManager(profiles={{"openai": {{"main": "key"}}}}, http_client=client) as manager:
            print(manager.complete(LLMRequest(model="openai/gpt-4.1", messages=(Message.of("user", "Hi"),))).text)
        print(sorted(set({("asyncio", *NEEDED_LATER)!r}) & set(sys.modules)))
    """
    assert run(program).splitlines() == ["Hello", "[]"]


@pytest.mark.parametrize(
    ("face", "name", "later"),
    [
        ("langchain_failover", "ChatFailover", ("langchain_failover.structured", "langchain_failover.tokens")),
        ("llamaindex_failover", "FailoverLLM", ()),
    ],
)
def test_a_face_starts_with_what_it_needs(face: str, name: str, later: tuple[str, ...]) -> None:
    """Beside what its framework has loaded already."""
    framework = {"langchain_failover": "langchain_core.language_models", "llamaindex_failover": "llama_index.core.llms"}
    program = f"""
        import sys
        import {framework[face]}
        before = set(sys.modules)
        from {face} import {name}
        print(sorted(set({(*NEEDED_LATER, *later)!r}) & set(sys.modules) - before))
    """
    assert run(program) == "[]"


def test_a_deferred_module() -> None:
    """It is imported by the first look at one of its names, and from then on is as good as the module itself."""
    program = """
        import sys
        from shared_core.lazy import deferred
        colours = deferred("colorsys")
        print(repr(colours), "colorsys" in sys.modules)
        function = colours.rgb_to_hsv
        import colorsys
        print(function is colorsys.rgb_to_hsv, vars(colours) is vars(colorsys))
        colorsys.added = 1
        print(colours.added)
    """
    assert run(program).splitlines() == ["<deferred colorsys> False", "True True", "1"]


def test_a_deferred_package_with_lazy_names() -> None:
    """The names of such a package are found as well, also those that nobody has asked for yet."""
    rooms = deferred("shared_core")
    assert repr(rooms) == "<deferred shared_core>"
    assert rooms.Report is importlib.import_module("shared_core.report").Report
    assert rooms.Tool is importlib.import_module("shared_core.request").Tool


def test_a_name_that_a_deferred_module_has_not() -> None:
    """It is missing in the usual way, and so is a module."""
    with pytest.raises(AttributeError, match="'colorsys' has no attribute 'nonsense'"):
        _ = deferred("colorsys").nonsense
    with pytest.raises(ModuleNotFoundError):
        _ = deferred("shared_core.nonsense").name


def test_threads_that_come_first_together() -> None:
    """All of them get the same, and none gets half a module."""
    program = """
        import threading
        from shared_core.lazy import deferred
        views = deferred("shared_core.views")
        begin, found = threading.Barrier(8), []
        def ask():
            begin.wait()
            found.append(views.HealthSnapshot)
        asking = [threading.Thread(target=ask) for _ in range(8)]
        [each.start() for each in asking]
        [each.join() for each in asking]
        print(len(found), len(set(found)))
    """
    assert run(program) == "8 1"


def test_nothing_is_imported_under_the_memorys_lock() -> None:
    """Whoever imports may run other code meanwhile, which may want that lock; so nobody waits for an import with it."""
    program = """
        import sys
        from shared_core import FailoverManager, FailoverPolicy, LLMRequest, Message
        from shared_core.simulator import Simulator

        found = []

        class Watch:
            def find_spec(self, name, path=None, target=None):
                if manager._memory.lock._is_owned():
                    found.append(name)

        def ask(model, **settings):
            asked = LLMRequest(model=model, fallback_models=("local/well",), messages=(Message.of("user", "Hi"),))
            policy = manager.policy.replace(**settings)
            return "".join(getattr(event, "text", "") for event in manager.stream(asked, policy=policy))

        policy = FailoverPolicy(transient_backoffs=(), mid_stream="continue")
        with (
            Simulator({"down": "503", "breaks": "cut@2", "slow": "slow@0.2"}) as sim,
            FailoverManager(base_urls={"local": sim.base_url}, policy=policy) as manager,
        ):
            sys.meta_path.insert(0, Watch())
            print(ask("local/down"), ask("local/breaks")[:9], ask("local/slow", hedge_after=0.01), sep=" | ")
            manager.explain(LLMRequest(model="local/down"))
            print(len(manager.health().models))
        print(found)
    """
    assert run(program).splitlines() == ["You said: Hi | You said: | You said: Hi", "4", "[]"]


def deferrals() -> Iterator[tuple[Path, ast.Module]]:
    for package in ("shared_core", *FACES):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text("utf-8")
            if "import deferred\n" in text:
                yield path, ast.parse(text)


@pytest.mark.parametrize(("path", "tree"), [pytest.param(*each, id=each[0].stem) for each in deferrals()])
def test_what_is_deferred_is_what_checkers_read(path: Path, tree: ast.Module) -> None:
    """The stand-in and the import beside it are the same module under the same name."""
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    read: dict[str, str] = {}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            read |= {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            read |= {alias.name: alias.name for alias in node.names}
    given = {
        target.id: ast.literal_eval(node.value.args[0])
        for node in block.orelse
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert given
    assert given == read, path
    for name in given.values():
        importlib.import_module(name)
