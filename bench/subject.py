"""Vedette under measurement: its commands as processes of their own, its bundle as a sensor's."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.cost import Cost, run
from vedette.bundle import open_generation
from vedette.config import Settings, load


class Vedette:
    """A state directory of its own."""

    def __init__(self, directory: Path, *, keep: int = 3) -> None:
        directory.mkdir(parents=True)
        self.config = directory / "vedette.toml"
        self.config.write_text(f"[bundle]\nkeep = {keep}\n")

    @property
    def settings(self) -> Settings:
        """What Vedette reads."""
        return load(self.config)

    def run(self, *arguments: str, tree: bool = False) -> Cost:
        """Run one command as a process of its own, with those that it starts if ``tree``."""
        return run([*self._command, *arguments], tree=tree)

    def profile(self, *arguments: str) -> str:
        """The ten functions in which one command spends most of its time."""
        profiled = [sys.executable, "-m", "cProfile", "-s", "tottime", *self._command[1:]]
        lines = run([*profiled, *arguments]).output.splitlines()
        return "\n".join(lines[:18])

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "vedette", "--config", str(self.config)]

    def add_list(self, name: str, path: Path) -> None:
        """Add a list of domains, one a line."""
        options = ("--type", "domain", "--format", "lines", "--name", name)
        self.run("source", "add", "list", str(path), *options)

    def build_from(self, names: list[str]) -> None:
        """Publish a generation of these domains."""
        path = self.config.with_name("names.txt")
        path.write_text("".join(f"{name}\n" for name in names))
        self.add_list("names", path)
        self.run("source", "pull")
        self.run("bundle", "build")

    def install(self, target: str, directory: Path) -> Path:
        """Put the files of one engine profile where an engine shall read them."""
        generation = open_generation(self.settings.bundles)
        if generation is None:
            raise FileNotFoundError(f"nothing is published in {self.settings.bundles}")
        generation.flatten(target, directory)
        return directory
