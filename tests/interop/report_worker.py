"""One worker that fails in the way its first argument names; report_samples_test.ts runs it."""

import ctypes
import os
import signal
import socket
import sys
import time

MODE = sys.argv[1]
RANK = int(os.environ.get("RANK", "0"))


def process_group():
    import torch.distributed as dist

    meeting_file = os.environ.get("MEETING_FILE")
    where = (
        {"init_method": "env://"}
        if meeting_file is None
        else {"init_method": f"file://{meeting_file}", "rank": RANK, "world_size": int(os.environ["WORLD_SIZE"])}
    )
    dist.init_process_group("gloo", **where)
    return dist


def all_reduce_for_ever(dist, group=None):
    import torch

    while True:
        dist.all_reduce(torch.ones(1000), group=group)


def import_error():
    import a_module_that_nobody_has  # noqa: F401


def plain_exception():
    raise ValueError("the learning rate must be positive:\ngot -1")


def chained_exception():
    try:
        {}["epoch"]
    except KeyError as error:
        raise RuntimeError("The checkpoint can't be read") from error


def syntax_error():
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write("print('never seen'\n")
        script.flush()
        os.execv(sys.executable, [sys.executable, script.name])


def exit_with_text():
    sys.exit("config.yaml: no such key 'model'")


def exit_3():
    os._exit(3)


def segfault():
    ctypes.string_at(0)


def segfault_with_faulthandler():
    import faulthandler

    faulthandler.enable()
    ctypes.string_at(0)


def abort():
    os.abort()


def illegal_instruction():
    import mmap

    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\x0f\x0b")
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def bus_error():
    import mmap
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        file.truncate(0)
        page[0] = 1


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def recorded_exception():
    from torch.distributed.elastic.multiprocessing.errors import record

    @record
    def main():
        raise ValueError("recorded on rank %d" % RANK)

    main()


def port_in_use():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    os.environ.pop("MEETING_FILE", None)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(taken.getsockname()[1]), WORLD_SIZE="2", RANK="0")
    process_group()


def python_port_in_use():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    socket.socket().bind(taken.getsockname())


def peer_raises():
    dist = process_group()
    if RANK == 1:
        raise ValueError("rank 1 found a NaN")
    all_reduce_for_ever(dist)


def peer_exits():
    dist = process_group()
    if RANK == 1:
        os._exit(7)
    all_reduce_for_ever(dist)


def beside_peers(act):
    """Rank 1 acts while all others work together."""
    dist = process_group()
    dist.barrier()
    if RANK == 1:
        act()
    all_reduce_for_ever(dist)


def peer_segfaults():
    beside_peers(segfault)


def peer_is_killed():
    beside_peers(killed)


def peer_is_terminated():
    beside_peers(lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(60)))


def peer_meets_illegal_instruction():
    beside_peers(illegal_instruction)


def peer_aborts():
    beside_peers(abort)


def peer_exits_early():
    """With code 0, as if it had nothing left to do."""
    beside_peers(lambda: sys.exit(0))


def peer_lacks_a_module():
    beside_peers(import_error)


def peer_loses_its_loader():
    beside_peers(data_loader_killed)


def peer_fills_shared_memory():
    beside_peers(shared_memory_full)


def peer_eats_memory():
    def eat():
        kept = []
        while True:
            kept.append(bytearray(b"x" * (16 << 20)))

    beside_peers(eat)


def peer_hangs():
    """All others wait for rank 1 in a collective operation, until it times out."""
    import datetime

    dist = process_group()
    dist.barrier()
    group = dist.new_group(timeout=datetime.timedelta(seconds=2))
    dist.barrier(group)
    if RANK == 1:
        time.sleep(60)
    all_reduce_for_ever(dist, group)


def peer_raises_recorded():
    from torch.distributed.elastic.multiprocessing.errors import record

    @record
    def main():
        def act():
            raise ValueError("recorded beside peers")

        beside_peers(act)

    main()


def peer_raises_and_is_slow():
    """Without @record: it has printed its exception, lost its connections, and is still on its way out."""
    import atexit

    @atexit.register
    def put_away():
        if RANK == 1:
            import torch.distributed as dist

            sys.stderr.flush()
            dist.destroy_process_group()
            time.sleep(60)

    def act():
        raise ValueError("rank 1 found a NaN")

    beside_peers(act)


def peer_raises_and_lingers():
    """The peers end first, of the lost connection; the cause is still putting things away."""
    from torch.distributed.elastic.multiprocessing.errors import record

    @record
    def main():
        dist = process_group()
        if RANK == 1:
            # Early in a second: what follows happens in the same one, which is as fine as torchrun looks.
            time.sleep(1.05 - time.time() % 1)
            raise ValueError("rank 1 found a NaN")
        all_reduce_for_ever(dist)

    try:
        main()
    finally:
        if RANK == 1:
            import torch.distributed as dist

            dist.destroy_process_group()
            time.sleep(60)


def peer_is_late():
    import datetime

    dist = process_group()
    dist.barrier()
    # Only what follows is timed, not how long the peer takes to start.
    group = dist.new_group(timeout=datetime.timedelta(seconds=2))
    if RANK == 1:
        time.sleep(6)
    all_reduce_for_ever(dist, group)


def peer_never_comes():
    import datetime

    import torch.distributed as dist

    dist.TCPStore("127.0.0.1", 0, 2, is_master=True, timeout=datetime.timedelta(seconds=1))


def store_is_not_there():
    """Nobody listens where the store should be."""
    import datetime

    import torch.distributed as dist

    dist.TCPStore("127.0.0.1", 1, 2, is_master=False, timeout=datetime.timedelta(seconds=1))


def store_key_never_comes():
    import datetime

    import torch.distributed as dist

    store = dist.TCPStore("127.0.0.1", 0, 1, is_master=True, timeout=datetime.timedelta(seconds=1))
    store.get("never set")


def store_goes_away():
    """Rank 0 hosts a store and dies; rank 1 is waiting for a key of it."""
    import torch.distributed as dist

    meeting = dist.FileStore(os.environ["MEETING_FILE"], 2)
    if RANK == 0:
        store = dist.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
        meeting.set("port", str(store.port))
        store.wait(["connected"])
        os._exit(1)
    store = dist.TCPStore("127.0.0.1", int(meeting.get("port")), 2, is_master=False)
    store.set("connected", "")
    store.get("never set")


def misses_its_deadline_once():
    """The first attempt hangs inside a timed scope, the second is in time."""
    import torch.distributed.elastic.timer as timer

    timer.configure(timer.FileTimerClient(os.environ["TORCHELASTIC_TIMER_FILE"]))
    with timer.expires(after=1):
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            time.sleep(60)


def no_driver():
    import torch

    torch.zeros(1).cuda()


def data_loader_raises():
    run_data_loader(lambda: 1 / 0)


def data_loader_killed():
    run_data_loader(lambda: os.kill(os.getpid(), signal.SIGKILL))


def shared_memory_full():
    """For a machine with a small /dev/shm: the loader's processes hand their batches over through it."""
    import torch

    run_data_loader(lambda: None, torch.zeros(4 << 20))


def run_data_loader(act, item=0):
    import torch.utils.data as data

    class Broken(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            act()
            return item

    for _ in data.DataLoader(Broken(), num_workers=1):
        pass


def thread_then_exit():
    """An exception in a thread, which Python reports and survives, then the real one."""
    import threading

    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    raise ValueError("the real one")


def ignored_exception():
    """The real one, then noise from a destructor while the interpreter shuts down."""

    class Noisy:
        def __del__(self):
            raise RuntimeError("noise from a destructor")

    global noisy
    noisy = Noisy()
    raise ValueError("the real one")


def exception_group():
    raise ExceptionGroup("two shards failed", [ValueError("shard 1"), OSError(28, "No space left on device")])


def terminate_cpp():
    """What an uncaught C++ exception prints."""
    import torch  # noqa: F401

    libc = ctypes.CDLL(None)
    libstdcxx = ctypes.CDLL("libstdc++.so.6")
    libstdcxx._ZSt20__throw_out_of_rangePKc(b"vector::_M_range_check")
    libc.abort()


def cuda_out_of_memory():
    """No GPU here: PyTorch's own class with the message that its allocator writes."""
    import torch

    raise torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 14.75 GiB of which"
        " 9.06 MiB is free. Process 3128 has 14.73 GiB memory in use. Of the allocated memory 14.49 GiB is"
        " allocated by PyTorch, and 107.34 MiB is reserved by PyTorch but unallocated."
    )


globals()[MODE]()
