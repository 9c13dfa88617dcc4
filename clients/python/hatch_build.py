"""Adds the generated code to the wheel and to the sdist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface[Any]):
    """Takes `sessiond/` from the repository, or from the sdist that is being built from."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Include `sessiond/` where the target keeps its packages."""
        in_repository = Path(self.root).parent.parent / "gen" / "python" / "sessiond"
        in_sdist = Path(self.root) / "src" / "sessiond"
        source = in_sdist if in_sdist.is_dir() else in_repository
        if not source.is_dir():
            message = f"the generated code is neither in {in_sdist} nor in {in_repository}"
            raise FileNotFoundError(message)
        if self.target_name == "wheel":
            build_data["force_include"][str(source)] = "sessiond"
        elif source is in_repository:
            build_data["force_include"][str(source)] = "src/sessiond"
