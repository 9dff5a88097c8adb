"""Trains a small network with DistributedDataParallel on the CPU, and goes on from its checkpoint after a failure.

    muster --standalone --nproc-per-node 4 examples/train_ddp.py
    muster --standalone --nproc-per-node 4 --max-restarts 1 examples/train_ddp.py --checkpoint /tmp/model.pt --crash-at-step 12

The second one loses its last worker on purpose in the first attempt. Every number is a function of the step and
the rank, so that equal worlds print equal losses, also when a restart lies between them.
"""

import argparse
import os
import signal

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

INPUTS = 16
BATCH_PER_WORKER = 32


def main() -> None:
    options = parse_options()
    dist.init_process_group("gloo")
    rank, world_size = dist.get_rank(), dist.get_world_size()
    attempt = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))

    torch.manual_seed(1)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(INPUTS, 32), nn.Tanh(), nn.Linear(32, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    first_step = restore(options.checkpoint, model, optimizer)
    if rank == 0:
        print(f"attempt {attempt}: {world_size} workers, starting at step {first_step}", flush=True)

    for step in range(first_step, options.steps):
        if step == options.crash_at_step and attempt == 0 and rank == world_size - 1:
            print(f"rank {rank} dies at step {step}, on purpose", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        loss = train_step(model, optimizer, step, rank)
        if rank == 0:
            print(f"step {step} loss {loss:.6f}", flush=True)
            if options.checkpoint and (step + 1) % options.checkpoint_every == 0:
                save(options.checkpoint, model, optimizer, step + 1)

    if rank == 0:
        print(f"finished in attempt {attempt}", flush=True)
    dist.destroy_process_group()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Small DistributedDataParallel training on the CPU")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--checkpoint", metavar="FILE", help="where to save, and to go on from when it exists")
    parser.add_argument("--checkpoint-every", type=int, default=5, metavar="STEPS")
    parser.add_argument("--crash-at-step", type=int, metavar="STEP", help="lose the last worker in the first attempt")
    return parser.parse_args()


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, step: int, rank: int) -> float:
    """One step on this worker's share of the batch; returns the loss averaged over all workers."""
    generator = torch.Generator().manual_seed(1000 * step + rank)
    inputs = torch.randn(BATCH_PER_WORKER, INPUTS, generator=generator)
    targets = torch.sin(inputs.sum(dim=1, keepdim=True) / 4)
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    optimizer.step()
    mean = loss.detach().clone()
    dist.all_reduce(mean)
    return mean.item() / dist.get_world_size()


def save(path: str, model: nn.Module, optimizer: torch.optim.Optimizer, next_step: int) -> None:
    """Writes beside the checkpoint and renames, so that dying meanwhile leaves the old one whole."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "next_step": next_step}
    torch.save(state, f"{path}.new")
    os.replace(f"{path}.new", path)


def restore(path: str | None, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Loads the checkpoint where there is one; returns the step to go on with."""
    if not path or not os.path.exists(path):
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["next_step"]


if __name__ == "__main__":
    main()
