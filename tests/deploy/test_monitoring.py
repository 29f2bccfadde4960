"""Alert rules and the dashboard ask only for what ``/metrics`` says, with labels that it has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vedette.cli import vedette
from vedette.cli.audited import commands
from vedette.pipeline.gauge_table import BY_NAME

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/vedette.rules.yml"
TEST = ROOT / "deploy/prometheus/vedette.test.yml"
DASHBOARD = ROOT / "deploy/grafana/vedette.json"
HANDBOOK = ROOT / "docs/how-to/operations.md"

_SELECTOR = re.compile(r"\b(vedette_\w+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_PLACEHOLDER = re.compile(r"{{\s*(?:\$labels\.)?(\w+)\s*}}")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str, str]]:
    """Yield (where it stands, expression, text that names its labels)."""
    for rule in rules():
        yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values())
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"], ""
    for annotation in document["annotations"]["list"]:
        yield annotation["name"], annotation["expr"], ""


EXPRESSIONS = list(expressions())


@pytest.mark.parametrize(("where", "expression", "text"), EXPRESSIONS)
def test_each_expression_names_numbers_and_labels_that_there_are(
    where: str, expression: str, text: str
) -> None:
    found = _SELECTOR.findall(expression)
    assert found or expression.startswith("up{"), where
    labels: set[str] = {"job"}
    for name, selector in found:
        assert name in BY_NAME, f"{where}: {name}"
        labels |= set(BY_NAME[name].labels)
        assert set(_LABEL.findall(selector)) <= set(BY_NAME[name].labels), where
    grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    named = {label.strip() for group in grouped for label in group.split(",")}
    assert named <= labels, where
    assert set(_PLACEHOLDER.findall(text)) <= labels, where


def test_counters_are_never_read_as_they_are() -> None:
    for where, expression, _ in EXPRESSIONS:
        for name, _selector in _SELECTOR.findall(expression):
            if BY_NAME[name].kind == "counter":
                assert re.search(rf"(rate|increase)\({name}\b", expression), where


def test_every_number_is_on_the_dashboard_or_in_an_alert_or_left_out_with_a_reason() -> None:
    left_out = {
        "vedette_build_info": "does not change",
        "vedette_sensor_info": "labels to join with",
        "vedette_sensor_state_age_seconds": "sensor show says it",
        "vedette_sensor_uptime_seconds": "the engine's own matter",
        "vedette_sensor_eve_waiting_batches": "sensor show says it",
        "vedette_source_rejected": "source show says it",
        "vedette_rollout_age_seconds": "rollout show says it",
        "vedette_memory_age_seconds": "quiet at night",
        "vedette_feedback_sent_total": "feedback status says it",
        "vedette_feedback_refused_total": "feedback status says it",
        "vedette_tokens": "token list says it",
        "vedette_collected_age_seconds": "of the exporter itself",
    }
    used = {name for _, expression, _ in EXPRESSIONS for name, _ in _SELECTOR.findall(expression)}
    assert set(BY_NAME) - used == set(left_out)


def test_every_alert_has_a_command_that_there_is_and_a_place_in_the_handbook() -> None:
    known = dict(commands(vedette, ""))
    handbook = HANDBOOK.read_text(encoding="utf-8")
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        command = rule["annotations"]["command"]
        if command.startswith("vedette "):
            words = command.removeprefix("vedette ").split()
            assert words[0] in known or " ".join(words[:2]) in known, command
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert f"### {rule['alert']}\n" in handbook


def test_the_handbook_names_no_alert_that_is_gone() -> None:
    handbook = HANDBOOK.read_text(encoding="utf-8")
    named = set(re.findall(r"^### (Vedette\w+)$", handbook, re.MULTILINE))
    assert named == {rule["alert"] for rule in rules()}


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert document["schemaVersion"] >= 36
    numbers = [panel["id"] for panel in document["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool here (Debian package prometheus)")
    return found


def test_prometheus_takes_the_rules_and_they_fire_when_they_should() -> None:
    for arguments in (["check", "rules", str(RULES)], ["test", "rules", str(TEST)]):
        done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
