"""Batches on the device: the same whoever reads them, in memory that does not grow."""

import os
import threading

import numpy as np
import pytest
import torch
from spml.plumbing.errors import UserError
from spml.training.loading import ResidentImages, StreamedImages, load_images

CPU = torch.device("cpu")
SHAPE = (50, 3, 4, 2)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)


@pytest.fixture
def mapped(images, tmp_path) -> np.memmap:
    np.save(tmp_path / "images.npy", images)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("source", ["array", "mapped"])
def test_streamed_batches_are_the_rows_asked_for_in_their_order(images, mapped, source, workers):
    loader = StreamedImages(mapped if source == "mapped" else images, CPU, workers)
    rows = np.random.default_rng(1).permutation(len(images))[:37]
    for _ in range(2):
        batches = list(loader.batches(rows, [10, 10, 10, 7]))
        assert [len(batch) for batch in batches] == [10, 10, 10, 7]
        np.testing.assert_array_equal(torch.cat(batches).numpy(), images[rows])


def test_resident_batches_are_the_rows_asked_for(images, mapped):
    rows = np.array([3, 1, 3, 49])
    for source in (images, mapped):
        batches = list(ResidentImages(source, CPU).batches(rows, [3, 1]))
        np.testing.assert_array_equal(torch.cat(batches).numpy(), images[rows])


def test_a_part_of_a_map_is_read_at_its_own_place(images, mapped):
    rows = np.array([0, 4])
    [batch] = StreamedImages(mapped[5:], CPU, 0).batches(rows, [2])
    np.testing.assert_array_equal(batch.numpy(), images[5:][rows])


def test_size_decides_where_a_split_lives(images):
    megabytes = images.nbytes / 2**20
    load = {"device": CPU, "workers": 0}
    assert isinstance(load_images(images, resident_megabytes=megabytes, **load), ResidentImages)
    smaller = load_images(images, resident_megabytes=megabytes * 0.99, **load)
    assert isinstance(smaller, StreamedImages)


def test_file_that_was_cut_is_a_sentence(mapped):
    loader = StreamedImages(mapped, CPU, 1)
    os.truncate(mapped.filename, os.path.getsize(mapped.filename) - 1)
    with pytest.raises(UserError, match=r"images\.npy became shorter"):
        list(loader.batches(np.array([49]), [1]))


def test_error_of_a_reader_reaches_the_loop_and_stops_the_others():
    class Broken:
        shape = SHAPE
        read = 0

        def __getitem__(self, rows):
            self.read += 1
            raise UserError("image 7 cannot be decoded")

    broken = Broken()
    with pytest.raises(UserError, match="image 7"):
        list(StreamedImages(broken, CPU, 2).batches(np.arange(50), [1] * 50))
    assert broken.read <= 3


def test_readers_are_ahead_of_the_loop_by_no_more_than_the_workers(images):
    """The loop holds one batch; each worker may have read one more."""
    read = []
    enough = threading.Semaphore(0)

    class Watched:
        shape = SHAPE

        def __getitem__(self, rows):
            read.append(rows[0])
            enough.release()
            return images[rows]

    batches = StreamedImages(Watched(), CPU, 3).batches(np.arange(20), [1] * 20)
    next(batches)
    for _ in range(4):
        assert enough.acquire(timeout=60)
    assert sorted(read) == [0, 1, 2, 3]
    batches.close()


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")
@pytest.mark.parametrize("workers", [0, 2])
def test_memory_does_not_grow_with_the_dataset(tmp_path, workers):
    """After a first round, in which allocators take what they need, 512 MB pass through.

    A map would keep them. The file has holes and takes no space.
    """
    path = tmp_path / "images.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(640, 512, 512, 4))
    loader = StreamedImages(np.load(path, mmap_mode="r"), CPU, workers)
    first, second = np.split(np.arange(640), [128])
    assert sum(len(batch) for batch in loader.batches(first, [8] * 16)) == 128
    before = resident_bytes()
    assert sum(len(batch) for batch in loader.batches(second, [8] * 64)) == 512
    assert resident_bytes() - before < 100 * 2**20
