# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The errors of dlc, one class for each class of exit code of the tools."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """The status codes of both C APIs, and the exit codes of the tools."""

    OK = 0
    USAGE = 1
    UNSUPPORTED = 2
    RESOURCE = 3
    VERIFICATION = 4
    INTERNAL = 5
    INVALID = 6
    CANCELLED = 7


@dataclass(frozen=True)
class Diagnostic:
    """One thing that the compiler has to say about a model."""

    severity: str  # "error", "warning", "note" or "remark"
    status: Status
    message: str
    node: str | None = None
    op_type: str | None = None
    domain: str | None = None
    location: str | None = None


class Error(RuntimeError):
    """Any error of dlc. `diagnostics` holds what the compiler reported."""

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()):
        super().__init__(message)
        self.diagnostics = diagnostics


class UsageError(Error, ValueError):
    """A wrong option or argument."""


class ShapeError(UsageError):
    """An input of a run has the wrong name, type, rank or size."""


class UnsupportedOpError(Error):
    """The model is valid, but dlc cannot compile it.

    `nodes` has the diagnostic of each node that stands in the way.
    """

    @property
    def nodes(self) -> tuple[Diagnostic, ...]:
        return tuple(
            d
            for d in self.diagnostics
            if d.status is Status.UNSUPPORTED and (d.node or d.op_type)
        )


class ResourceError(Error):
    """A limit was hit: memory, disk, a file that cannot be opened."""


class InvalidModelError(Error):
    """No valid ONNX model, or a damaged model binary."""


class InternalError(Error):
    """A bug of dlc. `repro_path` is the reproducer it left, if it could."""

    def __init__(
        self,
        message: str,
        diagnostics: tuple[Diagnostic, ...] = (),
        repro_path: str | None = None,
    ):
        super().__init__(message, diagnostics)
        self.repro_path = repro_path


_CLASSES: dict[int, type[Error]] = {
    Status.USAGE: UsageError,
    Status.UNSUPPORTED: UnsupportedOpError,
    Status.RESOURCE: ResourceError,
    Status.INTERNAL: InternalError,
    Status.INVALID: InvalidModelError,
}


def error_class(status: int) -> type[Error]:
    """The class of a status that is not OK."""
    return _CLASSES.get(status, Error)
