"""The state of a run while it trains, so that a killed run goes on instead of starting over.

A checkpoint lies outside the run's folder, which Snakemake empties when a job is killed. It is
replaced only by a complete new one and removed when the run has ended.
"""

import json
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from spml.plumbing.errors import UserError
from spml.plumbing.files import atomic_path


def save_tensors(path: Path, value: Any) -> None:
    """``torch.save``, whole or not at all; a full disk is a :class:`UserError`."""
    # Given a path instead of a file, torch would write its name into the file.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(value, file)
        except RuntimeError as error:
            # torch speaks of positions in the file; what the system said is more use.
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Leaves of nested maps as JSON, by dotted key."""
    result: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            result.update(_flat(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = json.dumps(value)
    return result


def differences(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, in words, the keys sorted.

    Values of settings are shown; digests only have their key named.
    """
    before, now = _flat(saved), _flat(wanted)
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return [
        key
        if key.split(".")[0] in ("code", "inputs")
        else f"{key} (was {before.get(key, 'absent')}, is {now.get(key, 'absent')})"
        for key in changed
    ]


def _on_host(value: Any) -> Any:
    """A copy in host memory, which training does not change while it is being written."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _on_host(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_on_host(entry) for entry in value]
    return value


class Checkpoint:
    """One file, written in the background.

    path: where it lies; None never saves.
    identity: nested maps of plain values, equal for two processes that make the same run.
    minutes: how often to save within an epoch.
    other: what to do with a checkpoint of another identity, ``refuse`` or ``discard``.
    notes: plain values that the caller wants back when the run goes on.
    """

    def __init__(
        self,
        path: Path | None,
        identity: Mapping[str, Any],
        *,
        minutes: float = 10.0,
        other: str = "refuse",
    ) -> None:
        self.path = path
        self.identity = identity
        self.minutes = minutes
        self.other = other
        self.resumed = 0
        self.notes: dict[str, Any] = {}
        self._earlier_seconds = 0.0
        self._started = self._saved = time.monotonic()
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def load(self) -> dict[str, Any] | None:
        """The saved state, None where there is none; unreadable or of another run: UserError."""
        if self.path is None:
            return None
        # What a process that was killed while it wrote has left.
        for remains in self.path.parent.glob(f".{self.path.stem}-*{self.path.suffix}"):
            remains.unlink(missing_ok=True)
        if not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            identity, state = json.loads(saved["identity"]), saved["state"]
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"checkpoint {self.path} cannot be read ({reason}); delete it to start over"
            ) from error
        different = differences(identity, self.identity)
        if different and self.other == "refuse":
            raise UserError(
                f"checkpoint {self.path} is of another configuration; different are "
                f"{', '.join(different)}; restore them to go on, or delete the file to start over "
                "(all such files: machine.other_checkpoints: discard)"
            )
        if different:
            self.path.unlink()
            return None
        self.notes = saved["notes"]
        self.resumed = saved["resumed"] + 1
        self._earlier_seconds = saved["seconds"]
        return state

    def seconds(self) -> float:
        """Wall time of this run, with that of the processes that it goes on from."""
        return self._earlier_seconds + time.monotonic() - self._started

    def due(self) -> bool:
        """Whether it is time to save within an epoch."""
        return self.path is not None and time.monotonic() - self._saved >= 60 * self.minutes

    def save(self, state: Mapping[str, Any], *, wait: bool = False) -> None:
        """Copy ``state`` and write it in the background; with ``wait``, return when it is safe.

        A write that failed, such as on a full disk, is a :class:`UserError`: of this call where it
        waits, else of the next one. The checkpoint before it is intact then.
        """
        self._saved = time.monotonic()
        if self.path is None:
            return
        self.finish()
        content = {
            "identity": json.dumps(self.identity),
            "notes": self.notes,
            "resumed": self.resumed,
            "seconds": self.seconds(),
            "state": _on_host(state),
        }
        self._writing = self._writer.submit(save_tensors, self.path, content)
        if wait:
            self.finish()

    def finish(self) -> None:
        """Wait for what is being written."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def remove(self) -> None:
        """The run has ended and needs no checkpoint any more."""
        self.finish()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
