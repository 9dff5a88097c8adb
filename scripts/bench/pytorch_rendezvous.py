"""N of PyTorch's rendezvous handlers in one process, a thread each, all joining one c10d rendezvous with MIN = MAX = N.

Prints the seconds from the common start until the last one has its rank: connecting to the store is part of it.
"""

import os
import socket
import sys
import threading
import time

from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def main() -> None:
    nodes = int(sys.argv[1])
    port = free_port()
    start = threading.Barrier(nodes + 1)
    ranks: list[int] = []
    # A handler that nobody holds takes its store with it, and the first one's is everybody's.
    handlers = []

    def join(index: int) -> None:
        parameters = RendezvousParameters(
            backend="c10d",
            endpoint=f"127.0.0.1:{port}",
            run_id="bench",
            min_nodes=nodes,
            max_nodes=nodes,
            local_addr="127.0.0.1",
            is_host=index == 0,
        )
        start.wait()
        handler = get_rendezvous_handler(parameters)
        handlers.append(handler)
        ranks.append(handler.next_rendezvous().rank)

    threads = [threading.Thread(target=join, args=(index,), daemon=True) for index in range(nodes)]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.monotonic()
    for thread in threads:
        thread.join()
    assert sorted(ranks) == list(range(nodes)), ranks
    print(time.monotonic() - started, flush=True)
    # Its heartbeats would go on for ever.
    os._exit(0)


main()
