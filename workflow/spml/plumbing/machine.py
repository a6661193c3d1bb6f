"""How a run uses the computer that it is on. Nothing of it changes a result."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """The keys of ``machine`` in the configuration, see ``config/README.md``.

    workers: threads that read batches ahead of the loop; None reads ahead only for a GPU.
    resident_megabytes: a split of images up to this size is kept on the device.
    checkpoint_minutes: a checkpoint is written after each epoch, and within one that often.
    runs_per_gpu: how many runs may claim the same GPU at the same time.
    other_checkpoints: what becomes of a checkpoint that another configuration left:
        ``refuse`` stops with the keys that differ, ``discard`` starts over.
    """

    workers: int | None = None
    resident_megabytes: float = 256
    checkpoint_minutes: float = 10
    runs_per_gpu: int = 1
    other_checkpoints: str = "refuse"
