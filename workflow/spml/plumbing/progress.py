"""A progress bar where tqdm is installed, and silence where it is not: nothing else needs it."""

from types import TracebackType
from typing import Any

try:
    from tqdm import tqdm as Progress  # noqa: N812 - a function in use, a class in truth
except ImportError:

    class Progress:  # type: ignore[no-redef]
        """What the training loop asks of tqdm, doing nothing."""

        def __init__(self, **options: Any) -> None:
            pass

        def __enter__(self) -> Any:
            return self

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None:
            pass

        def update(self, count: int = 1) -> None:
            pass

        def set_postfix_str(self, text: str, refresh: bool = True) -> None:
            pass
