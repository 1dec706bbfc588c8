"""The examples and the README's first screen do what they say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = 60


def example(project: Path, name: str, *args: str) -> str:
    """Runs an example and returns its last line."""
    command = [sys.executable, str(project / "examples" / f"{name}.py"), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_examples(project: Path, ferromq_broker: Any, ferromq_topic: str) -> None:
    """What the producer sends, the three consumers get."""
    given = (ferromq_broker.namesrv, ferromq_topic)
    assert example(project, "produce", *given) == "10 messages sent"
    assert example(project, "push_consume", *given) == "7 messages received by the listener"
    assert example(project, "orderly", *given) == "3 messages received in order"
    assert example(project, "lite_pull", *given) == "10 messages received"


def test_the_readme_runs(project: Path, ferromq_broker: Any, ferromq_topic: str) -> None:
    """The first program of the README, with the address and topic of the test."""
    readme = (project / "README.md").read_text()
    program = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert program is not None
    text = program[1].replace("localhost:9876", ferromq_broker.namesrv).replace('"orders"', f'"{ferromq_topic}"')
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "b'hello'" in done.stdout


def test_the_driver(project: Path, ferromq_broker: Any, ferromq_topic: str) -> None:
    """The program that stands for Python in tests of all languages: every way of consuming it knows, with failures."""
    driver = [sys.executable, str(project / "driver.py")]
    given = ["--namesrv", ferromq_broker.namesrv, "--topic", ferromq_topic]

    def run(*args: str) -> list[dict[str, Any]]:
        done = subprocess.run([*driver, *args], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    sent = run("send", *given, "--from", "0", "--to", "12") + run(
        "send", *given, "--from", "12", "--to", "25", "--many"
    )
    assert [line["i"] for line in sent] == list(range(25))
    apis: Any = run("consume", "--api", "?")[0]
    for api in apis:
        fails = [] if api.endswith("lite") else ["--fail-tens"]
        lines = run("consume", *given, "--group", f"{api}-{ferromq_topic}", "--count", "25", "--api", api, *fails)
        assert {line["i"] for line in lines if line["ok"]} == set(range(25))
        failed = {line["i"] for line in lines if not line["ok"]}
        assert failed == ({0, 10, 20} if fails else set())
