"""The one exception that is shown to a user as a sentence instead of a stack trace."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Something that the user can mend; the text says what is wrong, where, and what to do."""


def run_command(main: Callable[[], None]) -> None:
    """Run a stage's ``main``; a :class:`UserError` ends it with its sentence and exit status 1."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
