"""Uses torch.distributed over the store at MASTER_ADDR:MASTER_PORT with WORLD processes, in each of the named PARTS.

Prints the names of what was done, once every process has done it. The processes are forks of one that has imported
PyTorch, so that 64 of them are light.
"""

import os
import sys
import traceback
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

TIMEOUT = timedelta(seconds=120)


def numbers(rank):
    return torch.tensor([rank, 10 * rank], dtype=torch.int64)


def collectives(rank, world):
    ranks = range(world)
    total = sum(ranks)
    value = numbers(rank)
    dist.all_reduce(value)
    assert value.tolist() == [total, 10 * total]
    value = numbers(rank)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    assert value.tolist() == [world - 1, 10 * (world - 1)]
    value = numbers(rank)
    dist.reduce(value, dst=1)
    assert rank != 1 or value.tolist() == [total, 10 * total]
    value = numbers(rank)
    dist.broadcast(value, src=1)
    assert value.tolist() == [1, 10]
    gathered = [torch.empty(2, dtype=torch.int64) for _ in ranks]
    dist.all_gather(gathered, numbers(rank))
    assert [item.tolist() for item in gathered] == [[r, 10 * r] for r in ranks]
    whole = torch.empty(2 * world, dtype=torch.int64)
    dist.all_gather_into_tensor(whole, numbers(rank))
    assert whole.tolist() == [n for r in ranks for n in (r, 10 * r)]
    gathered = [torch.empty(2, dtype=torch.int64) for _ in ranks] if rank == 0 else None
    dist.gather(numbers(rank), gathered, dst=0)
    assert rank != 0 or [item.tolist() for item in gathered] == [[r, 10 * r] for r in ranks]
    value = torch.empty(2, dtype=torch.int64)
    dist.scatter(value, [numbers(r) for r in ranks] if rank == 0 else None, src=0)
    assert value.tolist() == [rank, 10 * rank]
    value = torch.empty(2, dtype=torch.int64)
    dist.reduce_scatter(value, [numbers(r) for r in ranks])
    assert value.tolist() == [world * rank, 10 * world * rank]
    value = torch.empty(2, dtype=torch.int64)
    dist.reduce_scatter_tensor(value, torch.cat([numbers(r) for r in ranks]))
    assert value.tolist() == [world * rank, 10 * world * rank]
    received = torch.empty(world, dtype=torch.int64)
    dist.all_to_all_single(received, torch.tensor([100 * rank + r for r in ranks]))
    assert received.tolist() == [100 * r + rank for r in ranks]
    right, left = (rank + 1) % world, (rank - 1) % world
    value = torch.empty(2, dtype=torch.int64)
    sending = dist.isend(numbers(rank), right)
    dist.recv(value, left)
    sending.wait()
    assert value.tolist() == [left, 10 * left]


def objects(rank, world):
    items = [{"from": 0, "text": "ü" * 1000}, None] if rank == 0 else [None, None]
    dist.broadcast_object_list(items, src=0)
    assert items == [{"from": 0, "text": "ü" * 1000}, None]
    gathered = [None] * world
    dist.all_gather_object(gathered, ("rank", rank))
    assert gathered == [("rank", r) for r in range(world)]
    gathered = [None] * world if rank == 0 else None
    dist.gather_object({rank}, gathered, dst=0)
    assert rank != 0 or gathered == [{r} for r in range(world)]
    mine = [None]
    dist.scatter_object_list(mine, [f"for {r}" for r in range(world)] if rank == 0 else None, src=0)
    assert mine == [f"for {rank}"]


def barriers(rank, world):
    store = dist.distributed_c10d._get_default_store()
    for count in range(3):
        store.add(f"arrived{count}", 1)
        (dist.barrier if count == 0 else dist.monitored_barrier)()
        assert store.add(f"arrived{count}", 0) == world
    # The store's own operation; process groups make their barriers of others.
    own = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), None, False)
    own.barrier("own", world, TIMEOUT)


def groups(rank, world):
    evens = dist.new_group(list(range(0, world, 2)))
    if rank % 2 == 0:
        value = torch.ones(1)
        dist.all_reduce(value, group=evens)
        assert value.item() == (world + 1) // 2
    mine, _ = dist.new_subgroups(group_size=world // 2)
    value = torch.ones(1)
    dist.all_reduce(value, group=mine)
    assert value.item() == world // 2


def stores(rank, world):
    """Every process: a prefix, a clone, keys for each other, and a wait that ends at one moment for all."""
    store = dist.distributed_c10d._get_default_store()
    prefixed = dist.PrefixStore("inner", dist.PrefixStore("outer", store))
    prefixed.set(f"address/{rank}", f"host-{rank}")
    for r in range(world):
        assert prefixed.get(f"address/{r}") == f"host-{r}".encode()
    assert store.get(f"outer/inner/address/{rank}") == f"host-{rank}".encode()
    clone = prefixed.clone()
    assert clone.get("address/0") == b"host-0"
    if clone.add("came", 1) == world:
        clone.set("all", "here")
    assert prefixed.get("all") == b"here"
    assert prefixed.add("came", 0) == world


def training(rank, world):
    torch.manual_seed(rank)
    model = DistributedDataParallel(torch.nn.Linear(8, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(16, 8)).square().mean().backward()
        optimizer.step()
    mine = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    theirs = [torch.empty_like(mine) for _ in range(world)]
    dist.all_gather(theirs, mine)
    assert all(torch.equal(mine, other) for other in theirs)


PARTS = {part.__name__: part for part in (collectives, objects, barriers, groups, stores, training)}


def work(rank, world, parts):
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), TORCHELASTIC_USE_AGENT_STORE="True")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=TIMEOUT)
    for part in parts:
        PARTS[part](rank, world)
    # Who leaves early takes a connection with it that another may still be using.
    dist.barrier()
    dist.destroy_process_group()


def main():
    world, parts = int(sys.argv[1]), sys.argv[2:]
    children = []
    for rank in range(world):
        pid = os.fork()
        if pid == 0:
            code = 0
            try:
                work(rank, world, parts)
            except BaseException:
                traceback.print_exc()
                code = 1
            sys.stderr.flush()
            os._exit(code)
        children.append(pid)
    failed = [rank for rank, pid in enumerate(children) if os.waitpid(pid, 0)[1] != 0]
    if failed:
        sys.exit(f"failed ranks: {failed}")
    print(*parts)


main()
