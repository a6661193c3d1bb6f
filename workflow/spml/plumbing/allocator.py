"""What the C library does with memory that a step of training has freed."""

import ctypes

# Parameters of glibc's mallopt (malloc.h), and the highest value that it takes for the second.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_FROM_HEAP = 32 << 20


def keep_freed_memory(limit: int = 512 << 20) -> None:
    """Keep up to ``limit`` freed bytes for the next step instead of handing them back each time.

    A network on the processor allocates the same again in every step; fetching the pages anew takes
    a fifth of a step of the embedded dataset. Without glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, limit)
        mallopt(_MMAP_THRESHOLD, _LARGEST_FROM_HEAP)
