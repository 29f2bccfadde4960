"""Have the sensor's Suricata read new rules before they come into force (``suricata -T``)."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence

from vedette.errors import SensorError
from vedette.sensor.install import Installed
from vedette.sensor.settings import Sensor

_LINES_SHOWN = 3
_TIMEOUT_S = 600


def check_rules(sensor: Sensor, installed: Installed) -> None:
    """Run the sensor's test command on an installed generation; do nothing if there is none.

    Raises:
        SensorError: The command cannot run, or the engine would not accept the rules.
    """
    if not sensor.test_command:
        return
    command = [part.replace("{rules}", str(installed.rules)) for part in sensor.test_command]
    run = installed.elsewhere.run if installed.elsewhere else _run
    try:
        code, output = run(command, _TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SensorError(
            f"the test command {command[0]} of sensor '{sensor.name}' cannot run: {error}",
            hint="Correct test_command of the sensor, or leave it empty.",
        ) from error
    if code != 0:
        said = [line for line in output.splitlines() if line.lstrip()[:1] in {"E", "W"}]
        raise SensorError(
            f"the engine would not accept generation {installed.release.generation}:"
            f" {'; '.join(said[:_LINES_SHOWN]) or f'exit code {code}'}",
            hint="The generation before is still in force. Please report this with the bundle.",
        )


def _run(command: Sequence[str], timeout_s: float) -> tuple[int, str]:
    with tempfile.TemporaryDirectory(prefix="vedette-") as tmp:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            [part.replace("{tmp}", tmp) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    return done.returncode, done.stdout
